import dataclasses
import json

import pytest
import torch

from experiments.environments import make_vector_env
from experiments.memory import (
    BACKBONES,
    PRESETS,
    MemoryArguments,
    choose_predictor,
    guessing_share,
)
from experiments.planner import run_planner
from layeredrl.errors import ConfigurationError
from layeredrl.utils.spaces import ObservationLayout

TINY = MemoryArguments(
    n_envs=4,
    total_env_steps=400,
    warm_up_env_steps=200,
    learn_interval=100,
    updates_per_env_step=0.05,
    batch_size=8,
    model_batch_size=8,
    horizon=3,
    n_candidates=8,
    n_iterations=1,
    test_interval=0,
    n_eval_episodes=2,
    n_eval_envs=2,
)


@pytest.mark.parametrize(
    "backbone",
    [
        "transformer",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in BACKBONES
            if name != "transformer"
        ),
    ],
)
def test_each_backbone_runs(backbone, tmp_path, capsys):
    place = tmp_path / "run"
    arguments = dataclasses.replace(TINY, backbone=backbone, run_dir=place)
    run_planner("memory", arguments, choose_predictor)
    assert "random" in capsys.readouterr().out
    result = json.loads((place / "result.json").read_text())
    assert result["env_steps"] == 400 and result["episodes"] == 2
    assert (place / "plan.png").stat().st_size > 5000


def test_there_is_a_preset_for_every_backbone():
    assert {p.backbone for p in PRESETS.values()} == set(BACKBONES)


def test_episodes_fit_into_what_is_trained_on():
    env = make_vector_env(TINY.env_id, 2, {})
    assert env.spec.max_episode_steps < TINY.max_seq_len
    layout = ObservationLayout.of(env.single_observation_space)
    predictor = choose_predictor(TINY, env)(
        layout.shape, env.single_action_space, torch.device("cpu"), None
    )
    assert predictor.encoder.max_seq_len == TINY.max_seq_len
    assert predictor.context_dim == TINY.n_context_features
    assert predictor.k_steps == TINY.k_steps


@pytest.mark.parametrize("change", [{"known_reward": True}, {"hindsight_ratio": 0.5}])
def test_what_goals_do_not_allow_is_refused(change):
    env = make_vector_env(TINY.env_id, 2, TINY.parsed_env_kwargs())
    with pytest.raises(ConfigurationError, match="hindsight_ratio"):
        choose_predictor(dataclasses.replace(TINY, **change), env)


@pytest.mark.parametrize(
    "env_id, share",
    [
        ("Maze2D-MemoryGoal-Open-v0", 1 / 3),
        ("Maze2D-MemoryGoal-Corridor-v0", 1.0),
        ("TMaze-v0", 0.5),
        ("CartPole-v1", None),
    ],
)
def test_what_guessing_gives(env_id, share):
    assert guessing_share(make_vector_env(env_id, 2, {})) == share
