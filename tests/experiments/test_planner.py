import dataclasses
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from gymnasium import spaces
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.figures import draw_planner_run
from experiments.planner import (
    PRESETS,
    PlannerArguments,
    build_levels,
    choose_predictor,
)
from experiments.running.environments import make_vector_env
from experiments.running.results import result_table
from experiments.running.training import run_experiment
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.nets import GoalReward
from tests.experiments.finished_runs import NEEDS_GOALS

TINY = PlannerArguments(
    env_id="Maze2D-Open-v0",
    env_kwargs=("max_episode_steps=40",),
    n_envs=4,
    total_env_steps=400,
    warm_up_env_steps=200,
    learn_interval=100,
    updates_per_env_step=0.05,
    batch_size=16,
    horizon=4,
    n_candidates=8,
    n_iterations=1,
    test_interval=200,
    n_test_episodes=2,
    n_eval_episodes=4,
    n_eval_envs=4,
)
RESULT_KEYS = {
    "env_steps",
    "wall_s",
    "episodes",
    "success_any",
    "success_last",
    "success_ci95",
    "random_success_last",
    "return_mean",
    "seed",
    "versions",
    "command",
}


def run(arguments):
    return run_experiment(
        "planner",
        arguments,
        lambda env: build_levels(arguments, env, choose_predictor(arguments, env)),
        draw_planner_run,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    place = tmp_path_factory.mktemp("run") / "run"
    return run(dataclasses.replace(TINY, run_dir=place))


def test_the_run_folder_holds_what_it_should(finished):
    path = finished.folder.path
    for name in ("args.json", "config.gin", "metrics.jsonl", "result.json"):
        assert (path / name).exists(), name
    for name in ("plan", "model", "rollouts", "learning_curve"):
        assert (path / f"{name}.png").stat().st_size > 5000
    result = json.loads((path / "result.json").read_text())
    assert RESULT_KEYS <= set(result)
    assert result["env_steps"] == 400 and result["episodes"] == 4


def test_metrics_hold_learning_tests_and_rates(finished):
    text = finished.folder.metrics_path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    names = {name for line in lines for name in line}
    assert {"test/success_last", "time/env_steps_per_s"} <= names
    assert "level0/predictor/rew_loss" in names


def test_tensorboard_can_be_read_back(finished):
    events = EventAccumulator(str(finished.folder.path))
    events.Reload()
    assert "test/success_last" in events.Tags()["scalars"]
    pictures = ("plan", "model", "rollouts", "outcomes", "calibration", "rewards")
    assert {f"figures/{name}" for name in pictures} <= set(events.Tags()["images"])
    assert [event.step for event in events.Scalars("test/success_last")] == [200, 400]


def test_the_checkpoint_acts(finished):
    path = finished.folder.checkpoint_path("final")
    agent = Hierarchy.load(path, finished.eval_env)
    obs, _ = finished.eval_env.reset(seed=0)
    action = agent.get_action(obs)
    assert finished.eval_env.action_space.contains(action)


def test_the_table_shows_the_random_floor(finished):
    table = result_table(finished.result)
    assert "random" in table and "held-out episodes" in table
    assert f"{finished.result['random_return_mean']:.2f}" in table


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(finished, tmp_path):
    again = run(dataclasses.replace(TINY, run_dir=tmp_path / "again"))
    for name in ("return_mean", "success_any", "random_return_mean"):
        assert again.result[name] == finished.result[name]
    other = run(dataclasses.replace(TINY, run_dir=tmp_path / "other", seed=1))
    assert other.result["return_mean"] != finished.result["return_mean"]


@pytest.mark.parametrize("changes", [{"known_reward": True}, {"hindsight_ratio": 0.8}])
def test_what_goals_offer_is_used_and_survives_in_checkpoints(changes, tmp_path):
    small = {"total_env_steps": 240, "n_eval_episodes": 2, "n_eval_envs": 2}
    env_kwargs = ("reward_type=sparse", *TINY.env_kwargs)
    trained = run(
        dataclasses.replace(
            TINY, **small, **changes, env_kwargs=env_kwargs, run_dir=tmp_path / "run"
        )
    )
    env, path = trained.eval_env, trained.folder.checkpoint_path("final")
    agents = [trained.hierarchy.acting_copy(env, 0), Hierarchy.load(path, env, seed=0)]
    predictors = [agent.levels[0].predictor for agent in agents]
    for predictor in predictors:
        reward, hindsight = predictor.rew_func, predictor.hindsight
        assert isinstance(reward, GoalReward) is ("known_reward" in changes)
        assert (hindsight is None) is ("known_reward" in changes)
        known = reward if hindsight is None else hindsight
        goals = np.zeros((2, 2)), np.array([[0.1, 0.1], [1.0, 0.0]])
        assert known.compute_reward(*goals, [{}] * 2).tolist() == [1.0, 0.0]
    obs, _ = env.reset(seed=0)
    actions = [agent.get_action(obs) for agent in agents]
    assert np.array_equal(*actions)


@pytest.mark.parametrize("changes", NEEDS_GOALS)
def test_goals_are_missed_where_there_are_none(changes):
    arguments = dataclasses.replace(TINY, env_id="Pendulum-v1", **changes)
    env = make_vector_env("Pendulum-v1", 1, {})
    with pytest.raises(ConfigurationError, match="need a goal environment.*Pendulum"):
        choose_predictor(arguments, env)


def test_a_known_reward_needs_the_goal_in_the_latent_state():
    changes = {"known_reward": True, "state_keys": ("observation",)}
    arguments = dataclasses.replace(TINY, **changes)
    with pytest.raises(ConfigurationError, match="needs achieved_goal"):
        choose_predictor(arguments, make_vector_env("Maze2D-Open-v0", 1, {}))


def test_a_share_is_a_share():
    arguments = dataclasses.replace(TINY, hindsight_ratio=1.5)
    with pytest.raises(ConfigurationError, match="got 1.5"):
        choose_predictor(arguments, make_vector_env("Maze2D-Open-v0", 1, {}))


@pytest.mark.parametrize(
    "changes",
    [
        {"env_id": "CartPole-v1"},
        *(
            pytest.param(changes, marks=pytest.mark.slow)
            for changes in (
                {"env_id": "Pendulum-v1", "use_value": True, "optimizer": "mppi"},
                {"optimizer": "cem", "n_models": 2, "disagreement_weight": -1.0},
                {"optimizer": "gradient"},
                {"optimizer": "random-shooting", "random_probability": 0.5},
                {
                    "state_keys": ("achieved_goal", "observation"),
                    "env_kwargs": ("reward_type=sparse", "max_episode_steps=40"),
                },
            )
        ),
    ],
    ids=str,
)
def test_every_choice_runs(changes, tmp_path):
    small = {"total_env_steps": 240, "n_eval_episodes": 2, "n_eval_envs": 2}
    place = {"run_dir": tmp_path / "run"}
    arguments = dataclasses.replace(TINY, **small, **place, **changes)
    finished = run(arguments)
    assert finished.result["env_steps"] == 240


def test_gin_reaches_the_networks(tmp_path):
    arguments = dataclasses.replace(
        TINY,
        run_dir=tmp_path / "run",
        total_env_steps=200,
        n_eval_episodes=2,
        gin=("ProbFCDynamics.hidden_sizes=(24,)",),
    )
    trained = run(arguments)
    sizes = {
        tuple(p.shape) for p in trained.hierarchy.levels[0].predictor.model.parameters()
    }
    assert any(24 in shape for shape in sizes)
    assert not any(128 in shape for shape in sizes)
    config = (trained.folder.path / "config.gin").read_text()
    assert "ProbFCDynamics.hidden_sizes = (24,)" in config


def test_presets_are_of_registered_environments():
    assert {p.env_id for p in PRESETS.values()} == {
        "FetchReachDense-v4",
        "PointMaze_UMazeDense-v3",
        "InvertedPendulum-v5",
        "Maze2D-Open-v0",
        "Maze2D-UMaze-v0",
    }


def command(tmp_path, *words):
    base = [sys.executable, "-m", "experiments.planner", "--env-id", "Maze2D-Open-v0"]
    return [*base, "--run-dir", str(tmp_path / "run"), *words]


@pytest.mark.slow
def test_mistakes_are_messages_with_an_exit_code(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "something").write_text("")
    done = subprocess.run(command(tmp_path), capture_output=True, text=True)
    assert done.returncode == 1
    assert "RunFolderError" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_interrupt_leaves_a_checkpoint(tmp_path):
    process = subprocess.Popen(
        command(
            tmp_path, "--total-env-steps", "1000000", "--warm-up-env-steps", "1000000"
        ),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in iter(lambda: process.stderr.readline(200), ""):
        if "step/s" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert list((tmp_path / "run" / "checkpoints").glob("step-*.pt"))


def test_observation_spaces_pick_the_predictor():
    goal_env = make_vector_env("Maze2D-Open-v0", 1, {})
    assert isinstance(goal_env.single_observation_space, spaces.Dict)
    [level] = build_levels(TINY, goal_env, choose_predictor(TINY, goal_env))
    assert level.predictor_factory.partial_val_func is None
    valued = dataclasses.replace(TINY, use_value=True)
    [level] = build_levels(valued, goal_env, choose_predictor(valued, goal_env))
    assert level.predictor_factory.partial_val_func is not None
