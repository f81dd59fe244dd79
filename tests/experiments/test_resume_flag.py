"""``--resume`` through the whole experiment: results equal those of one run."""

import dataclasses
import json

import pytest

from experiments.running.arguments import RunArguments
from experiments.running.run_folder import RunFolder
from layeredrl.collectors import Collector
from layeredrl.errors import ConfigurationError
from tests.collectors.resuming import tells_time
from tests.experiments.test_planner import TINY, run


def shown(finished):
    numbers = {"return_mean", "success_any", "success_last", "env_steps"}
    return {name: finished.result[name] for name in numbers}


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["Maze2D-Open-v0", "Pendulum-v1"])
def test_interrupted_and_resumed_equals_one_run(env_id, tmp_path, monkeypatch):
    small = dataclasses.replace(TINY, env_id=env_id, n_eval_episodes=2, n_eval_envs=2)
    whole = run(dataclasses.replace(small, run_dir=tmp_path / "whole"))

    step, taken = Collector._step, []

    def interrupted(self):
        taken.append(1)
        if len(taken) == 57:
            import signal

            signal.raise_signal(signal.SIGINT)
        return step(self)

    parts = dataclasses.replace(small, run_dir=tmp_path / "parts")
    monkeypatch.setattr(Collector, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(parts)
    monkeypatch.undo()
    assert not (tmp_path / "parts" / "result.json").exists()
    resumed = run(dataclasses.replace(parts, resume=True))
    assert shown(resumed) == shown(whole)

    def metrics(path):
        lines = (path / "metrics.jsonl").read_text().splitlines()
        return [
            {k: v for k, v in json.loads(line).items() if not tells_time(k)}
            for line in lines
        ]

    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")


@pytest.mark.parametrize(
    "overwrite, flags",
    [(False, "--resume"), (True, "--resume in place of --overwrite")],
)
def test_an_interrupted_run_says_how_it_goes_on(
    overwrite, flags, tmp_path, monkeypatch, capsys
):
    def interrupted(self, *args, **kwargs):
        raise KeyboardInterrupt

    place = tmp_path / "run"
    monkeypatch.setattr(Collector, "collect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(dataclasses.replace(TINY, run_dir=place, overwrite=overwrite))
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(str(place)) and f"with {flags} goes on" in said


@pytest.mark.slow
def test_resuming_what_is_finished_evaluates_again(tmp_path):
    small = dataclasses.replace(
        TINY, run_dir=tmp_path / "run", total_env_steps=240, n_eval_episodes=2
    )
    first = run(small)
    again = run(dataclasses.replace(small, resume=True))
    assert shown(again) == shown(first)


def test_resuming_nothing_starts(tmp_path):
    folder = RunFolder("planner", RunArguments(run_dir=tmp_path / "run", resume=True))
    folder.close()
    assert not folder.is_resumed


class TestChangedArguments:
    @pytest.fixture
    def before(self, tmp_path):
        arguments = RunArguments(run_dir=tmp_path / "run")
        RunFolder("planner", arguments).close()
        return arguments

    def test_harmful_ones_are_refused_by_name(self, before):
        for force in (False, True):
            changed = dataclasses.replace(before, n_envs=3, resume=True, force=force)
            with pytest.raises(ConfigurationError, match="n_envs: 8 before, 3 now"):
                RunFolder("planner", changed)

    def test_another_experiment_is_refused(self, before):
        resumed = dataclasses.replace(before, resume=True, force=True)
        with pytest.raises(ConfigurationError, match="planner before, flat now"):
            RunFolder("flat", resumed)

    def test_runs_that_did_not_tell_their_experiment_go_on(self, before):
        path = before.run_dir / "args.json"
        told = json.loads(path.read_text())
        del told["experiment"]
        path.write_text(json.dumps(told))
        RunFolder("planner", dataclasses.replace(before, resume=True)).close()
        assert json.loads(path.read_text())["experiment"] == "planner"

    def test_harmless_ones_need_force(self, before):
        changed = dataclasses.replace(before, total_env_steps=9000, resume=True)
        with pytest.raises(ConfigurationError, match="total_env_steps.*--force"):
            RunFolder("planner", changed)
        folder = RunFolder("planner", dataclasses.replace(changed, force=True))
        folder.close()
        assert folder.is_resumed

    def test_the_way_of_starting_does_not_count(self, before):
        folder = RunFolder("planner", dataclasses.replace(before, resume=True))
        folder.close()
        assert folder.is_resumed


def test_resume_and_overwrite_exclude_each_other():
    with pytest.raises(ConfigurationError, match="either"):
        RunArguments(resume=True, overwrite=True)


def test_runs_from_before_there_were_workers_can_be_resumed(tmp_path):
    arguments = RunArguments(run_dir=tmp_path / "run")
    RunFolder("planner", arguments).close()
    told = json.loads((tmp_path / "run" / "args.json").read_text())
    del told["workers"], told["round_steps"]
    (tmp_path / "run" / "args.json").write_text(json.dumps(told))
    resumed = dataclasses.replace(arguments, resume=True)
    RunFolder("planner", resumed).close()
    (tmp_path / "run" / "args.json").write_text(json.dumps(told))
    with pytest.raises(ConfigurationError, match="workers: 0 before, 2 now"):
        RunFolder("planner", dataclasses.replace(resumed, workers=2))
