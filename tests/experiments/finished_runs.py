"""What every experiment must leave behind, and what the planner's variants have in common."""

import dataclasses
import json

import pytest

from experiments.planner import run_planner
from experiments.running.environments import make_vector_env
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy

NEEDS_GOALS = [
    {"known_reward": True},
    {"hindsight_ratio": 0.5},
    {"state_columns": (0,)},
]


def result_of(arguments):
    return json.loads((arguments.run_dir / "result.json").read_text())


def check_learned(arguments, level=0):
    """It was as long as told, the level learned, and the last checkpoint acts."""
    place, result = arguments.run_dir, result_of(arguments)
    assert result["env_steps"] >= arguments.total_env_steps
    assert result["episodes"] == arguments.n_eval_episodes
    logged = [json.loads(x) for x in (place / "metrics.jsonl").read_text().splitlines()]
    assert any(f"level{level}/n_updates" in line for line in logged)
    env = make_vector_env(arguments.env_id, 3, {})
    agent = Hierarchy.load(place / "checkpoints" / "final.pt", env)
    obs, _ = env.reset(seed=0)
    assert env.action_space.contains(agent.get_action(obs))


def check_planner_runs(experiment, arguments, choose_predictor, capsys):
    run_planner(experiment, arguments, choose_predictor)
    assert "random" in capsys.readouterr().out
    result = result_of(arguments)
    assert result["env_steps"] == arguments.total_env_steps
    assert result["episodes"] == arguments.n_eval_episodes
    assert (arguments.run_dir / "plan.png").stat().st_size > 5000


def check_refuses(change, arguments, choose_predictor):
    env = make_vector_env(arguments.env_id, 2, arguments.parsed_env_kwargs())
    with pytest.raises(ConfigurationError, match="hindsight_ratio"):
        choose_predictor(dataclasses.replace(arguments, **change), env)
