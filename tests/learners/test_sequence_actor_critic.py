"""Acting, remembering, saving and loading of the sequence actor-critic."""

import copy

import numpy as np
import pytest
import torch

from layeredrl.learners import Situation
from layeredrl.learners.sequence.encoder import Steps, small_tstep_encoder
from layeredrl.nets.hidden_rows import hidden_rows_state
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.schedules import LinearSchedule
from tests.learners.sequence_cases import (
    BOX,
    DISCRETE,
    IMAGES,
    MAX_SEQ_LEN,
    OBS_DIM,
    SPACES,
    TRAJ_ENCODERS,
    N,
    World,
    build,
    filled,
    random_features,
)
from tests.levels.level_contract import shared_memory
from tests.same import assert_same, is_same

L = MAX_SEQ_LEN - 1


def story(space, n=N, seed=0):
    """Observations, actions and rewards of whole episodes, (n, L, ...)."""
    rng = np.random.default_rng(seed)
    obs = torch.from_numpy(rng.normal(size=(n, L, OBS_DIM)).astype(np.float32))
    action = random_features(space, n * L, rng).view(n, L, -1)
    reward = torch.from_numpy(rng.normal(size=(n, L)).astype(np.float32))
    action[:, 0], reward[:, 0] = 0.0, 0.0
    return obs, action, reward


def told(space, step, rows, told_story):
    obs, action, reward = told_story
    time = torch.full((len(rows),), step)
    return Situation(
        obs[rows, step], action[rows, step], reward[rows, step], time, rows
    )


def decisions_of_one_pass(learner, told_story):
    obs, action, reward = told_story
    time = torch.arange(L).expand(len(obs), -1)
    steps = Steps(obs, action, reward, time, torch.ones_like(time).bool())
    policy = learner.networks.actor(learner.networks.encoder(steps))
    gamma = learner._config.acted_gamma
    if learner.spec.action_space is DISCRETE:
        return torch.nn.functional.one_hot(policy.probs[:, :, gamma].argmax(-1), 3)
    low, high = (torch.from_numpy(x) for x in (BOX.low, BOX.high))
    return (low + high) / 2 + (high - low) / 2 * policy.mean[:, :, gamma]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("kind", TRAJ_ENCODERS)
@torch.no_grad()
def test_acting_step_by_step_equals_one_pass(kind, space):
    learner = build(space, traj_encoder=TRAJ_ENCODERS[kind])
    told_story = story(space)
    expected = decisions_of_one_pass(learner, told_story)
    for step in range(L):
        rows = np.random.default_rng(step).permutation(N)
        for part in (rows[:1], rows[1:]):
            action = learner.act(told(space, step, part, told_story), explore=False)
            torch.testing.assert_close(
                action, expected[part, step].float(), rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("kind", TRAJ_ENCODERS)
def test_only_the_rows_that_decide_change(kind):
    learner = build(traj_encoder=TRAJ_ENCODERS[kind])
    traj_encoder = learner.networks.encoder.traj_encoder
    learner.act(told(DISCRETE, 0, np.arange(N), story(DISCRETE)), explore=False)
    before = hidden_rows_state(traj_encoder, learner._hidden_state)
    learner.act(told(DISCRETE, 1, np.array([2, 0]), story(DISCRETE)), explore=False)
    state = traj_encoder.hidden_state_tensors(learner._hidden_state)
    for old, (new, axis) in zip(before, state, strict=True):
        assert torch.equal(old.select(axis, 1), new.select(axis, 1))


@pytest.mark.parametrize("kind", TRAJ_ENCODERS)
def test_staggered_resets_forget_these_episodes_only(kind):
    """Each instance decides as if it were alone in the world."""
    learner = build(BOX, traj_encoder=TRAJ_ENCODERS[kind])
    first, second = story(BOX, seed=0), story(BOX, seed=1)
    resets = {0: 2, 1: 4, 2: None}  # steps at which second episodes begin
    decided = {row: [] for row in resets}
    for step in range(6):
        for row, begin in resets.items():
            rows = np.array([row])
            if step == begin:
                learner.reset(rows)
            is_second = begin is not None and step >= begin
            now = step - begin if is_second else step
            situation = told(BOX, now, rows, second if is_second else first)
            decided[row].append(learner.act(situation, explore=False))
    one, other = (decisions_of_one_pass(learner, x) for x in (first, second))
    for row, begin in resets.items():
        cut = 6 if begin is None else begin
        expected = torch.cat([one[row, :cut], other[row, : 6 - cut]])
        torch.testing.assert_close(
            torch.cat(decided[row]), expected, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_decisions_are_features_in_the_space(space):
    learner = build(space, exploration=0.5)
    world = World(space)
    for explore in (True, False):
        for _ in range(10):
            action = world.step(learner, explore)
            assert action.dtype == np.float32
            if space is DISCRETE:
                assert (np.sort(action) == [0, 0, 1]).all()
            else:
                assert ((BOX.low <= action) & (action <= BOX.high)).all()


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_only_exploring_draws_random_numbers(space):
    learner = build(space, exploration=1.0)
    situation = World(space).situation(np.arange(N))
    before = learner._generators.state_dict()
    actions = [learner.act(situation, explore=False) for _ in range(2)]
    assert_same(before, learner._generators.state_dict())
    assert learner.n_decisions == 0
    assert torch.isfinite(torch.stack(actions)).all()
    learner.reset(np.arange(N))
    explored = [learner.act(situation, explore=True) for _ in range(8)]
    assert learner.n_decisions == 8 * N
    assert len(torch.unique(torch.stack(explored), dim=0)) > 1


def test_certain_exploration_tries_everything_alike():
    learner = build(n=300, exploration=1.0)
    action = learner.act(World(n=300).situation(np.arange(300)), explore=True)
    assert ((action.mean(0) - 1 / 3).abs() < 0.1).all()


def test_exploration_follows_its_schedule_of_decisions():
    learner = build(BOX, exploration=LinearSchedule(1.0, 0.0, duration=10 * N))
    assert learner._exploration(learner.n_decisions) == 1.0
    world = World(BOX)
    for _ in range(10):
        world.step(learner)
    assert learner._exploration(learner.n_decisions) == 0.0
    other = build(BOX, seed=1)
    other.load_acting_state(learner.acting_state())
    assert other.n_decisions == learner.n_decisions


CASES = {
    "discrete": lambda seed=0: build(seed=seed),
    "box": lambda seed=0: build(BOX, seed=seed),
    "two-hot": lambda seed=0: build(BOX, critic="two_hot", seed=seed),
    "cloning": lambda seed=0: build(offline_coeff=1.0, seed=seed),
    "transformer": lambda seed=0: build(
        BOX, traj_encoder=TRAJ_ENCODERS["transformer"], seed=seed
    ),
    "mamba": lambda seed=0: build(traj_encoder=TRAJ_ENCODERS["mamba"], seed=seed),
    "memory-free": lambda seed=0: build(traj_encoder=TRAJ_ENCODERS["ff"], seed=seed),
    "images": lambda seed=0: build(
        obs_shape=IMAGES, tstep_encoder=small_tstep_encoder, seed=seed
    ),
}


def world_of(learner, seed=0):
    shape, space = learner.spec.obs_shape, learner.spec.action_space
    return World(space, shape, learner.spec.n_instances, seed)


@pytest.fixture(params=CASES.values(), ids=CASES)
def make(request):
    return request.param


def test_loading_continues_bit_for_bit(make, tmp_path):
    learner = make()
    world = world_of(learner)
    world.drive(learner)
    save_checkpoint(tmp_path / "x.pt", "learner", learner.state_dict())
    loaded = make(seed=7)
    loaded.load_state_dict(load_checkpoint(tmp_path / "x.pt", "learner"))
    other_world = copy.deepcopy(world)
    assert_same(world.drive(learner), other_world.drive(loaded))
    assert_same(learner.state_dict(), loaded.state_dict())
    assert_same(learner.acting_state(), loaded.acting_state())


def test_states_are_copies(make):
    learner = make()
    world = world_of(learner)
    world.drive(learner, 4)
    states = [learner.state_dict(), learner.acting_state()]
    before = copy.deepcopy(states)
    other = make(seed=1)
    other.load_state_dict(states[0])
    other.load_acting_state(states[1])
    own = copy.deepcopy(other.state_dict())
    world.drive(learner, 4)
    assert_same(before, states)
    assert_same(own, other.state_dict())
    assert not shared_memory(learner, other)
    assert not shared_memory(learner, states) and not shared_memory(other, states)


def test_acting_state_does_not_depend_on_the_number_of_instances():
    learner = build(BOX)
    world = filled(learner, 4)
    world.drive(learner, 2)
    acting = build(BOX, n=N + 2, seed=1)
    acting.load_acting_state(learner.acting_state())
    assert_same(learner.acting_state(), acting.acting_state())
    learner.reset(np.arange(N))
    obs = World(BOX, n=N + 2).situation(np.arange(N + 2))
    few = World(BOX, n=N).situation(np.arange(N))._replace(obs=obs.obs[:N])
    torch.testing.assert_close(
        acting.act(obs, explore=False)[:N], learner.act(few, explore=False)
    )


def test_same_seed_same_run_whatever_the_global_generators(make):
    runs = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        learner = make(seed=seed)
        steps = world_of(learner).drive(learner, 5)
        runs.append((steps, learner.state_dict()))
        assert_same(before, (torch.get_rng_state(), np.random.get_state()[1]))
    assert_same(runs[0], runs[1])
    assert not is_same(runs[0], runs[2])
