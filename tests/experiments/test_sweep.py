"""Sweeps: what is tried becomes command lines, and what came of them is told."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import sweep
from experiments.flat import PRESETS, FlatArguments
from experiments.memory import MemoryArguments
from experiments.programs.seed_runs import SeedRun, heed_interrupts
from experiments.sweep import SweepArguments
from experiments.sweeps.plan import SweepPlan
from experiments.sweeps.planning import plan_sweep
from experiments.sweeps.records import TrialRecord, ranked, table_of
from experiments.sweeps.trial import Progress, TrialRuns
from experiments.sweeps.tried import Tried, as_text, parse_tried
from layeredrl.errors import ConfigurationError, MissingExtraError, RunFolderError
from tests.experiments.test_program import TINY

ROOT = Path(__file__).parents[2]


# What is tried


@pytest.mark.parametrize(
    "entry, expected",
    [
        ("batch-size=4, 8", Tried("batch_size", "grid", ("4", "8"))),
        (
            "learner_options.hidden_sizes=(64, 64),(256, 256)",
            Tried("learner_options.hidden_sizes", "grid", ("(64, 64)", "(256, 256)")),
        ),
        ("learner~choice(sac,td3)", Tried("learner", "choice", ("sac", "td3"))),
        ("gin.A/B.c~loguniform(1e-4,1)", Tried("gin.A/B.c", "loguniform", (1e-4, 1.0))),
        ("hold~randint(1, 9)", Tried("hold", "randint", (1, 9))),
    ],
)
def test_what_is_tried_is_read(entry, expected):
    assert parse_tried([entry]) == [expected]


@pytest.mark.parametrize(
    "entries, message",
    [
        ([], "has to --try something"),
        (["lr"], "NAME=VALUE"),
        (["lr=1,2", "lr=3"], "tried twice: lr"),
        (["lr=1,,2"], "missing in '1,,2'"),
        (["lr=1,1"], "twice in '1,1'"),
        (["lr~logunifrm(1,2)"], "'logunifrm'; did you mean loguniform"),
        (["lr~0.1"], "has no distribution '0.1'"),
        (["lr~uniform(1)"], "takes two numbers"),
        (["lr~uniform(a,b)"], "takes two numbers"),
        (["n~randint(1,2.5)"], "takes two whole numbers"),
        (["lr~uniform(2,1)"], "lower number"),
        (["lr~loguniform(0,1)"], "lower positive number"),
    ],
)
def test_what_cannot_be_tried_is_named(entries, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_tried(entries)


def test_numbers_are_written_so_that_one_can_read_them():
    assert [as_text(x) for x in (0.00123456789, 12, "a b")] == [
        "0.00123457",
        "12",
        "a b",
    ]


@pytest.mark.slow
def test_random_values_are_drawn_by_ray_tune():
    pytest.importorskip("ray.tune")
    from ray import tune

    entries = ["a~uniform(1,2)", "b~loguniform(1e-4,1e-2)", "c~randint(3,5)"]
    a, b, c = (each.domain(tune).sample() for each in parse_tried(entries))
    assert 1 <= a <= 2 and 1e-4 <= b <= 1e-2 and c in (3, 4)
    choice, grid = parse_tried(["d~choice(x,y)", "e=x,y"])
    assert choice.domain(tune).sample() in ("x", "y")
    assert grid.domain(tune) == tune.grid_search(["x", "y"])


# What trials run


def plan_of(words, entries, arguments=None, seeds=(0,)):
    return plan_sweep(
        "flat",
        FlatArguments() if arguments is None else arguments,
        PRESETS,
        parse_tried(entries),
        words,
        seeds=seeds,
        folder=Path("sweeps"),
    )


def test_a_trial_is_a_run_with_its_values():
    words = "--n-envs 2 --seed 3 --run-dir there --learner-options a=1".split()
    arguments = FlatArguments(learner_options=("lr=1e-3", "gamma=0.9"), resume=True)
    tried = ["learner_options.lr=1,2", "learner_options.tau=0.1", "batch_size=4,8"]
    plan = plan_of(words, tried, arguments, seeds=(1, 5))
    values = {"learner_options.lr": "2", "batch_size": 8, "learner_options.tau": 0.1}
    _, run = plan.runs_of("name", values)
    assert run.folder == Path("sweeps/name/seed5")
    assert run.command[1:] == (
        *("-m", "experiments.flat", "--n-envs", "2", "--resume", "--batch-size", "8"),
        *("--learner-options", "gamma=0.9", "lr=2", "tau=0.1"),
        *("--seed", "5", "--run-dir", "sweeps/name/seed5"),
    )
    assert plan.command_of(values) == (
        "python -m experiments.flat --n-envs 2 --batch-size 8 "
        "--learner-options gamma=0.9 lr=2 tau=0.1 --seeds 1 5"
    )
    assert plan.name_of(3, values) == "03-lr=2,batch_size=8,tau=0.1"


def test_names_of_trials_can_be_folders():
    plan = SweepPlan("flat", (0,), Path(), (), {})
    assert plan.name_of(0, {"gin.a/B.c": "(1, 2)/.."}) == "00-a_B.c=_1,_2"
    assert len(plan.name_of(0, {"env_id": "x" * 500})) <= 100


def test_switches_and_lists_are_written_as_by_hand():
    kinds = {"hide_rl2s": "switch", "state_keys": "values"}
    plan = SweepPlan("memory", (0,), Path(), (), kinds)
    values = {"hide_rl2s": "False", "state_keys": "a 'b c'"}
    assert plan.words_of(values) == ["--no-hide-rl2s", "--state-keys", "a", "b c"]
    tried = parse_tried(["hide_rl2s=True,no"])
    with pytest.raises(ConfigurationError, match="hide_rl2s is True or False"):
        plan_sweep(
            "memory", MemoryArguments(), {}, tried, [], seeds=(0,), folder=Path()
        )


@pytest.mark.parametrize(
    "entry, message",
    [
        ("bach_size=1", "did you mean batch_size"),
        ("lr=1", "did you mean learner_options.lr"),
        ("learner_options.lrr=1", "did you mean lr"),
        ("learner_options.lr=1e-3,abc", "is float, got 'abc'"),
        ("batch_size.lr=1", "batch_size has no entries"),
        ("seed=1,2", "no argument 'seed' to try"),
        ("n_envs=1,2", "tried, and given by --n-envs"),
    ],
)
def test_arguments_that_cannot_be_tried_are_named(entry, message):
    with pytest.raises(ConfigurationError, match=message):
        plan_of(["--n-envs", "2"], [entry])


@pytest.mark.parametrize("entry", ["n_envs=4,many", "n_envs~uniform(1,8)", "n_envs=0"])
def test_values_that_cannot_work_end_the_sweep_before_it_starts(entry, capsys):
    with pytest.raises(SystemExit):
        plan_of([], [entry])
    assert "n-envs" in capsys.readouterr().err.replace("_", "-")


# How far trials are


class Scripted:
    """A run that ends when it is told."""

    def __init__(self, run):
        self.code, self.n_interrupts = None, 0

    def exit_code(self):
        return self.code

    def interrupt(self):
        self.n_interrupts += 1
        self.code = 130

    def kill(self):
        self.code = -9


@pytest.fixture
def trial(tmp_path):
    runs = [SeedRun.within(tmp_path, seed, ()) for seed in (0, 1)]
    for run in runs:
        run.folder.mkdir()
    started = []

    def start(run):
        started.append(Scripted(run))
        return started[-1]

    return TrialRuns(runs, None, start), runs, started


def tell(run, *returns):
    tests = [
        {"env_steps": 10 * (n + 1), "test/return_mean": value}
        for n, value in enumerate(returns)
    ]
    lines = ['{"env_steps": 5, "train/return": 1.0}', *map(json.dumps, tests)]
    (run.folder / "metrics.jsonl").write_text("\n".join(lines) + '\n{"test/retu')


def test_tests_are_told_one_by_one_once_all_seeds_have_had_them(trial):
    progress, runs, _ = trial
    assert progress.look().env_steps == 0
    tell(runs[0], 1.0, 2.0)
    assert progress.look().env_steps == 0
    tell(runs[1], 3.0, 6.0)
    assert progress.look() == Progress("running", 10, 2.0)
    assert progress.look() == Progress("running", 20, 4.0)
    assert progress.look() == Progress("running", 20, 4.0)


def test_in_the_end_evaluations_count(trial):
    progress, runs, started = trial
    for run, score in zip(runs, (1.0, 2.0), strict=True):
        tell(run, 7.0)
        result = {"env_steps": 30, "success_last": None, "return_mean": score}
        (run.folder / "result.json").write_text(json.dumps(result))
    started[0].code = 0
    assert progress.look().state == "running"
    started[1].code = 0
    assert progress.look() == Progress("finished", 30, 1.5, {"0": 1.0, "1": 2.0})


def test_one_failed_seed_fails_the_trial_and_the_others_are_stopped(trial):
    progress, runs, started = trial
    runs[1].log.write_text("so far so good\nEnvError: it broke\n")
    started[1].code = 1
    failed = progress.look()
    assert failed.state == "failed"
    assert failed.why == f"seed 1: EnvError: it broke (see {runs[1].log})"
    progress.stop()
    assert [run.n_interrupts for run in started] == [1, 0]


def test_a_metric_that_the_environment_lacks_is_named(trial, tmp_path):
    _, runs, _ = trial
    for run in runs:
        tell(run, 1.0)
    failed = TrialRuns(runs, "success_any", Scripted).look()
    assert failed.state == "failed" and "no success_any" in failed.why


def test_trials_are_ranked_by_their_final_scores():
    def record(name, **kwargs):
        return TrialRecord(name, {}, Path(name), f"python {name}", **kwargs)

    records = [
        record("broken", state="failed", why="seed 0: it broke"),
        record("low", state="finished", score=-2.0),
        record("lagged", state="stopped", env_steps=10, score=9.0),
        record("high", state="finished", score=-1.0, scores={"0": -3.0, "1": 1.0}),
    ]
    names = [each.name for each in ranked(records)]
    assert names == ["high", "low", "lagged", "broken"]
    text = table_of(records, "return_mean", "A-v0")
    assert "-3.00 (seed 0), 1.00 (seed 1)" in text and "python low" in text
    assert "failed: seed 0: it broke" in text and "failed trials: broken" in text


# The program


@pytest.mark.parametrize(
    "words, message",
    [
        ("", "has to --try something"),
        ("--preset sac-pendulm --try hold=1", "no preset 'sac-pendulm'"),
        ("--try hold=1 --samples 2", "draws random values"),
        ("--try hold=1 --workers 1", "without --workers"),
        ("--try hold=1 --stop-early --test-interval 0", "test_interval is 0"),
        ("--try hold=1 --stop-early --total-env-steps 9", "nothing can be stopped"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(words, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sweep", "flat", *words.split()])
    with pytest.raises(ConfigurationError, match=message):
        sweep.run()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"seeds": (1, 1)}, "seeds must be different"),
        ({"seeds": ()}, "seeds must be different"),
        ({"at_once": 0}, "at_once must be at least 1"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"grace_env_steps": 5}, "needs --stop-early"),
    ],
)
def test_sweeps_that_cannot_work_are_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        SweepArguments(**wrong)


@pytest.mark.parametrize("words, told", [(["flatt"], "'flat'"), ([], "Missing")])
def test_experiments_are_known_by_name(words, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sweep", *words])
    with pytest.raises(SystemExit):
        sweep.run()
    assert told in capsys.readouterr().err


def test_without_ray_tune_the_command_that_installs_it_is_named(monkeypatch):
    real = importlib.import_module

    def missing(name, *args):
        if name == "ray.tune":
            raise ImportError("Can't import ray.tune as some dependencies are missing.")
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setattr(sys, "argv", ["sweep", "flat", "--try", "hold=1,2"])
    with pytest.raises(MissingExtraError, match=r"pip install .*\[distributed\]"):
        sweep.run()


def test_sweeps_are_not_mixed(tmp_path):
    (tmp_path / "something").touch()
    with pytest.raises(RunFolderError, match="--resume goes on"):
        sweep._prepare(tmp_path, FlatArguments())
    with pytest.raises(RunFolderError, match="something else than a sweep"):
        sweep._prepare(tmp_path, FlatArguments(overwrite=True))
    (tmp_path / "ray").mkdir()
    sweep._prepare(tmp_path, FlatArguments(resume=True))
    sweep._prepare(tmp_path, FlatArguments(overwrite=True))
    assert not list(tmp_path.iterdir())


def test_each_flag_of_a_sweep_is_kept_from_its_runs():
    fields = {name.rstrip("_") for name in SweepArguments.__dataclass_fields__}
    assert {flag.replace("-", "_") for flag in sweep._FLAGS} == fields


@pytest.mark.slow
def test_trials_are_ordinary_runs_ranked_by_their_results(tmp_path):
    pytest.importorskip("ray.tune")
    words = "--try hold=3,0,5 --run-dir swept --at-once 3".split()
    finished = subprocess.run(
        [sys.executable, "-m", "experiments.sweep", "flat", *TINY, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        preexec_fn=heed_interrupts,
    )
    assert finished.returncode == 1, finished.stdout
    assert "failed trials: 01-hold=0" in finished.stdout
    told = json.loads((tmp_path / "swept" / "sweep.json").read_text())
    *done, failed = told["trials"]
    assert [trial["state"] for trial in done] == ["finished"] * 2
    assert failed["name"] == "01-hold=0" and "hold must be" in failed["why"]
    assert done[0]["score"] >= done[1]["score"]
    for trial in done:
        folder = tmp_path / trial["folder"] / "seed0"
        result = json.loads((folder / "result.json").read_text())
        assert trial["score"] == result["return_mean"]
        arguments = json.loads((folder / "args.json").read_text())
        assert str(arguments["hold"]) == str(trial["values"]["hold"])
        assert trial["command"] in finished.stdout
