import dataclasses

import pytest
import torch

from experiments.memory import (
    BACKBONES,
    PRESETS,
    MemoryArguments,
    choose_predictor,
    guessing_share,
)
from experiments.running.environments import make_vector_env
from layeredrl.utils.spaces import ObservationLayout
from tests.experiments.finished_runs import (
    NEEDS_GOALS,
    check_planner_runs,
    check_refuses,
)

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
    check_planner_runs("memory", arguments, choose_predictor, capsys)


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


@pytest.mark.parametrize("change", NEEDS_GOALS)
def test_what_goals_do_not_allow_is_refused(change):
    check_refuses(change, TINY, choose_predictor)


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
