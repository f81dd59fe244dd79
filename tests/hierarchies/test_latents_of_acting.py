"""Latents that a planner acted on are those that it learns from."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import ActionSequenceLevel, Exploration, LearningSchedule
from layeredrl.levels.episode_memory import EpisodeMemory
from layeredrl.nets.cnn import GridworldCNN
from layeredrl.predictors import (
    get_memory_predictor_factory,
    get_pixel_predictor_factory,
)
from tests.hierarchies.acting import Life
from tests.nets.backbones import (
    CHOICE,
    FF,
    GRU,
    MAMBA,
    STEP,
    TRAJ_ENCODERS,
    TRANSFORMER,
    WITH_MEMORY,
    pictures,
)
from tests.same import assert_same
from tests.toy_envs import BOX, OBSERVATIONS, Line, lines
from tests.toy_levels import (
    BUSY_EXPLORATION,
    QUICK_LEARNING,
    planner_level,
    steady_level,
)

# Episodes of the line take 2 to 6 steps, so that with the last successor 7 are seen.
LONGEST = 7
NEVER = LearningSchedule(start_env_steps=10**9)
SEQUENCES = ActionSequenceLevel(2).input_space(BOX)


class Sight(Line):
    """The line, told by the brightness of a picture; the vector only says which episode."""

    def __init__(self, actions=BOX):
        super().__init__(actions=actions)
        camera = pictures(4)["observation"]
        self.observation_space = spaces.Dict(
            {"camera": camera, "state": OBSERVATIONS["box"]}
        )

    def _observe(self):
        state = super()._observe()
        camera = np.full((4, 4, 3), 30 * self._time, np.uint8)
        camera[self._episode % 4] += 13
        return {"camera": camera, "state": state}


@pytest.fixture
def acted(monkeypatch):
    """Latents by instance, episode and decision, filled while a hierarchy acts."""
    found = {}
    encode = EpisodeMemory.encode

    def noting(self, obs, instances):
        times = self.clock.time[instances].copy()
        state, context = encode(self, obs, instances)
        vector = obs["vector"] if isinstance(obs, dict) else obs
        for row, instance in enumerate(instances):
            key = int(instance), int(vector[row, 0]), int(times[row])
            assert key not in found
            found[key] = state[row].clone(), context[row].clone()
        return state, context

    monkeypatch.setattr(EpisodeMemory, "encode", noting)
    return found


def memory(env, traj, **kwargs):
    settings = {"n_state_features": 3, "n_context_features": 3, "max_seq_len": LONGEST}
    settings["tstep_encoder_type"] = STEP
    return get_memory_predictor_factory(env, traj, **{**settings, **kwargs})


def seeing(env, traj, **kwargs):
    return get_pixel_predictor_factory(
        env,
        GridworldCNN,
        pixel_key="camera",
        traj_encoder_type=traj,
        max_seq_len=LONGEST,
        drqv2_aug=True,
        k_steps=5,
        **kwargs,
    )


def assert_latents_agree(level, acted, n_steps=(2, 1)):
    """Every latent that is learned from, and was acted on, is the same."""
    buffer = level.buffer
    with torch.no_grad():
        batch = level.predictor.compute_targets(buffer, 300, *n_steps)
    instance = np.searchsorted(buffer._offset, batch.indices, side="right").T - 1
    vector = batch.obs["vector"] if hasattr(batch.obs, "vector") else batch.obs
    times = np.asarray(buffer.info.time_idx)[batch.indices].T
    n_compared = n_late = 0
    for row, n in enumerate(batch.traj_len.tolist()):
        for t in range(n):
            key = int(instance[row, t]), int(vector[row, t, 0]), int(times[row, t])
            pairs = [(batch.state[row, t], acted[key][0])]
            following = acted.get((*key[:2], key[2] + 1))
            if following is not None:
                pairs.append((batch.next_state[row, t], following[0]))
                n_late += 1
            if t == 0:
                pairs.append((batch.contexts[row], acted[key][1]))
            for learned, was in pairs:
                torch.testing.assert_close(learned, was, atol=1e-5, rtol=1e-5)
                n_compared += 1
    assert n_compared > 1000 and n_late > 100


def live(level, levels_below=(), n_steps=60, env=None):
    env = env or lines(3)
    hierarchy = Hierarchy([level, *levels_below], env, seed=0)
    Life(hierarchy, env).live(n_steps)
    return hierarchy


@pytest.mark.parametrize("name", TRAJ_ENCODERS)
def test_each_backbone(name, acted):
    factory = memory(lines(3), TRAJ_ENCODERS[name])
    hierarchy = live(planner_level(predictor_factory=factory, learning=NEVER))
    assert_latents_agree(hierarchy.levels[0], acted)


@pytest.mark.parametrize("use_mean_reward", [True, False])
def test_decisions_that_take_several_steps(use_mean_reward, acted):
    level = planner_level(
        predictor_factory=memory(lines(3), GRU, action_space=SEQUENCES),
        learning=NEVER,
        use_mean_reward=use_mean_reward,
    )
    hierarchy = live(level, [ActionSequenceLevel(2)], n_steps=120)
    buffer = hierarchy.levels[0].buffer
    assert set(buffer.info.n_env_steps[: len(buffer.buffers[0])]) == {1, 2}
    assert_latents_agree(hierarchy.levels[0], acted)


@pytest.mark.parametrize("kind", ["dict", "image"])
def test_dict_observations_and_choices(kind, acted):
    env = lines(3, kind=kind, actions=CHOICE)
    exploration = Exploration(warm_up_env_steps=20, random_probability=0.3)
    level = steady_level(
        predictor_factory=memory(env, TRANSFORMER),
        learning=NEVER,
        exploration=exploration,
    )
    hierarchy = live(level, env=env)
    assert hierarchy.levels[0].buffer.act.shape[-1] == 3
    assert_latents_agree(hierarchy.levels[0], acted)


@pytest.mark.parametrize("traj", [MAMBA, FF, None], ids=["mamba", "ff", "none"])
def test_pictures(traj, acted):
    env = SyncVectorEnv([Sight] * 3)
    level = planner_level(predictor_factory=seeing(env, traj), learning=NEVER)
    hierarchy = live(level, env=env)
    assert_latents_agree(hierarchy.levels[0], acted)


def test_the_comparison_can_fail(acted):
    """Windows that are too short do not show what was seen."""
    factory = memory(lines(3), GRU, max_seq_len=4)
    hierarchy = live(planner_level(predictor_factory=factory, learning=NEVER))
    with pytest.raises(AssertionError, match="not close"):
        assert_latents_agree(hierarchy.levels[0], acted)


@pytest.mark.parametrize("name", WITH_MEMORY)
def test_a_file_is_enough_to_act(name, tmp_path):
    level = steady_level(
        predictor_factory=memory(lines(3), WITH_MEMORY[name], action_space=SEQUENCES),
        learning=QUICK_LEARNING,
        exploration=BUSY_EXPLORATION,
    )
    hierarchy = live(level, [ActionSequenceLevel(2)])
    assert hierarchy.levels[0].n_updates > 0
    hierarchy.save(tmp_path / "agent.pt")
    loaded = Hierarchy.load(tmp_path / "agent.pt", lines(2), trusted=("tests",))
    hierarchy.reset()
    hierarchy.eval()
    runs = []
    for acting in (loaded, hierarchy.acting_copy(lines(2), seed=3)):
        acting.eval()
        runs.append(Life(acting, lines(2)).live(25))
    assert_same(*runs)
