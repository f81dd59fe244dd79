import dataclasses

import pytest
import torch

from experiments.pixels import CNNS, PRESETS, PixelArguments, choose_predictor
from experiments.running.environments import make_vector_env
from layeredrl.predictors import ImaginationPredictor
from layeredrl.utils.spaces import ObservationLayout
from tests.experiments.finished_runs import (
    NEEDS_GOALS,
    check_planner_runs,
    check_refuses,
)

TINY = PixelArguments(
    env_kwargs=("pixels=True", "max_episode_steps=30"),
    n_envs=4,
    total_env_steps=300,
    warm_up_env_steps=200,
    learn_interval=100,
    updates_per_env_step=0.02,
    encoder_warm_up=1,
    batch_size=4,
    model_batch_size=4,
    horizon=3,
    n_candidates=8,
    n_iterations=1,
    test_interval=0,
    n_eval_episodes=2,
    n_eval_envs=2,
    buffer_size=500,
)


@pytest.mark.parametrize("drqv2_aug", [True, False])
def test_runs(drqv2_aug, tmp_path, capsys):
    place = tmp_path / "run"
    arguments = dataclasses.replace(TINY, drqv2_aug=drqv2_aug, run_dir=place)
    check_planner_runs("pixels", arguments, choose_predictor, capsys)
    assert (place / "model.png").stat().st_size > 5000


@pytest.mark.parametrize("cnn", CNNS)
def test_only_pictures_are_looked_at(cnn):
    env = make_vector_env(TINY.env_id, 2, TINY.parsed_env_kwargs())
    layout = ObservationLayout.of(env.single_observation_space)
    arguments = dataclasses.replace(TINY, cnn=cnn)
    predictor = choose_predictor(arguments, env)(
        layout.shape, env.single_action_space, torch.device("cpu"), None
    )
    assert isinstance(predictor, ImaginationPredictor)
    assert predictor.latent_state_dim == TINY.n_state_features
    obs, _ = env.reset(seed=0)
    flat = layout.flatten(obs, 2)
    assert isinstance(flat, dict)
    tensors = {key: torch.from_numpy(value) for key, value in flat.items()}
    state, _ = predictor.encode(tensors)
    blind = {**tensors, "vector": torch.zeros_like(tensors["vector"])}
    assert torch.equal(predictor.encode(blind)[0], state)
    dark = {**tensors, "observation": torch.zeros_like(tensors["observation"])}
    assert not torch.equal(predictor.encode(dark)[0], state)


def test_the_preset_is_for_the_open_maze():
    assert PRESETS["pixels-open"].env_id == "Maze2D-Open-v0"
    assert "pixels=True" in PRESETS["pixels-open"].env_kwargs


@pytest.mark.parametrize("change", NEEDS_GOALS)
def test_what_goals_do_not_allow_is_refused(change):
    check_refuses(change, TINY, choose_predictor)
