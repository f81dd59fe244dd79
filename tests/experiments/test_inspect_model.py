import dataclasses
import json
import sys

import numpy as np
import pytest

from experiments import flat, inspect_model, memory, pixels, planner, splates, subgoals
from experiments.inspect_model import InspectArguments, inspect_trained
from experiments.trained.rebuilding import EXPERIMENTS
from layeredrl.errors import ConfigurationError, RunFolderError
from tests.experiments.untrained_runs import make_untrained

SHORT = {"env_kwargs": ("max_episode_steps=24",), "buffer_size": 100, "n_envs": 2}
FEW = {"horizon": 3, "n_candidates": 8, "n_iterations": 1}
KINDS = {
    "planner": planner.PlannerArguments(env_id="Maze2D-Open-v0", **SHORT, **FEW),
    "memory": memory.MemoryArguments(**SHORT, **FEW),
    "pixels": pixels.PixelArguments(
        **FEW, **SHORT | {"env_kwargs": ("pixels=True", "max_episode_steps=6")}
    ),
    "splates": splates.SPlaTESArguments(
        n_eval_candidates=8, n_eval_iterations=1, **SHORT, **FEW
    ),
    "subgoals": subgoals.SubgoalArguments(
        env_kwargs=("max_episode_steps=24",), n_envs=2, **FEW
    ),
    "discrete": planner.PlannerArguments(
        env_id="CartPole-v1", optimizer="categorical_cem", buffer_size=100, **FEW
    ),
}
PICTURES = {"rollouts", "outcomes", "calibration", "rewards"}
PLACES = {"planner", "memory", "splates", "subgoals"}


def untrained(kind, folder):
    name = kind if kind in EXPERIMENTS else "planner"
    return make_untrained(name, KINDS[kind], folder)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_planner_can_be_looked_at(kind, tmp_path):
    place = untrained(kind, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    result = inspect_trained(InspectArguments(place, episodes=3, n_envs=3))
    written = json.loads((place / "model-final-seed0.json").read_text())
    assert written["kind"] == "model" and written["episodes"] == 3
    level = written["levels"]["level0"]
    assert level["ahead"] == list(range(1, len(level["ahead"]) + 1))
    assert {len(values) for values in level.values()} == {len(level["ahead"])}
    assert min(level["error"]) > 0.0 and 0.0 <= level["coverage_90"][0] <= 1.0
    assert ("position_error" in level) == (kind in PLACES)
    assert level["reward_error"][0] >= 0.0
    for name in PICTURES:
        assert (place / f"model-final-seed0-{name}.png").stat().st_size > 5000
    assert len(result["pictures"]) >= len(PICTURES)
    assert all(
        path.stat().st_mtime_ns == t for path, t in before.items() if path.is_file()
    )


def test_as_a_program_it_prints_a_table_and_replaces_its_own(
    tmp_path, monkeypatch, capsys
):
    place = untrained("planner", tmp_path)
    words = [str(place), "--episodes", "2", "--n-envs", "2", "--horizon", "5"]
    monkeypatch.setattr(sys, "argv", ["inspect_model", *words])
    for _ in range(2):
        inspect_model.run()
    shown = capsys.readouterr().out
    assert "level0" in shown and "position" in shown and "in 90 %" in shown
    assert "model-final-seed0-rollouts.png" in shown
    written = json.loads((place / "model-final-seed0.json").read_text())
    assert written["levels"]["level0"]["ahead"] == [1, 2, 3, 4, 5]


def test_looking_twice_shows_the_same(tmp_path):
    place = untrained("planner", tmp_path)
    arguments = InspectArguments(place, episodes=2, n_envs=2)
    first, second = (inspect_trained(arguments)["levels"] for _ in range(2))
    assert first == second


def test_a_run_without_predictor_is_named(tmp_path):
    place = make_untrained("flat", flat.FlatArguments(n_envs=2), tmp_path)
    with pytest.raises(ConfigurationError, match="no predictor.*RunningPolicyLevel"):
        inspect_trained(InspectArguments(place))
    assert not list(place.glob("model-*"))


def test_nothing_else_is_overwritten(tmp_path):
    place = untrained("planner", tmp_path)
    picture = place / "model-final-seed0-rollouts.png"
    picture.write_text("somebody's")
    arguments = InspectArguments(place, episodes=2, n_envs=2)
    with pytest.raises(RunFolderError, match="rollouts.png.*not overwritten"):
        inspect_trained(arguments)
    assert picture.read_text() == "somebody's"
    with pytest.raises(RunFolderError, match="is no model"):
        inspect_trained(dataclasses.replace(arguments, output=place / "args.json"))


def test_numbers_that_are_not_known_are_shown_as_such():
    level = {"ahead": [1, 2], "error": [0.5, 0.25], "reward_explained": [None, 1.0]}
    lines = inspect_model.table_of(level).splitlines()
    assert lines[0].split() == ["ahead", "error", "explained"]
    assert lines[1].split() == ["1", "0.5", "-"]
    assert inspect_model._plain(np.array([np.nan, 0.25])) == [None, 0.25]


def test_the_horizon_must_be_positive(tmp_path):
    with pytest.raises(ConfigurationError, match="horizon.*got 0"):
        InspectArguments(tmp_path, horizon=0)
