"""Value targets, against plain loops over the buffer."""

from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from layeredrl.predictors.trajectory_batch import sample_trajectory_batch
from tests.stored_episodes import episode_from
from tests.toys import (
    BUFFER_KINDS,
    Filler,
    ensemble,
    make_buffer,
    random_buffer,
    reward_predictor,
)

# The episode's number, and the time in it: a context that is not constant, so that it
# matters that the one of the first step is used.
CONTEXT = (1, 2)
ROWS = 40


class StateValue(nn.Module):
    def forward(self, state, context, action):
        return (0.7 * state).sin().sum(-1) + 3.0 * (0.1 * context).cos().sum(-1)


class ActionValue(nn.Module):
    def forward(self, state, context, action):
        return StateValue()(state, context, action) + action.sum(-1) * state[..., -1]


VALUES = {"state": StateValue, "action": ActionValue, "none": lambda: None}


@pytest.fixture(params=VALUES)
def value(request):
    return VALUES[request.param]()


def predictor_with(value, **kwargs):
    return reward_predictor(5, CONTEXT, val_func=value, **kwargs)


def env_steps(buffer, index):
    info = buffer.info
    return int(info["n_env_steps"][index]) if "n_env_steps" in info.keys() else 1


def reference_targets(predictor, buffer, start, k_steps, n_steps, gamma):
    """Targets of one stretch, as one would write them without any thought of speed."""
    path = episode_from(buffer, start)
    context = predictor.encode(torch.tensor(buffer.obs[start]))[1]

    def value(obs, action):
        if predictor.val_func is None:
            return 0.0
        state = predictor.encode(torch.tensor(obs))[0]
        return float(predictor.val_func(state, context, torch.tensor(action)))

    targets = []
    for t in range(k_steps):
        if t >= len(path):
            targets.append(0.0)
            continue
        total, discount = 0.0, 1.0
        for step in range(t, min(t + n_steps, len(path))):
            total += discount * float(buffer.rew[path[step]])
            discount *= gamma ** env_steps(buffer, path[step])
        if t + n_steps < len(path):
            index = path[t + n_steps]
            total += discount * value(buffer.obs[index], buffer.act[index])
        elif not buffer.terminated[path[-1]]:
            total += discount * value(buffer.obs_next[path[-1]], buffer.act[path[-1]])
        targets.append(total)
    return targets


def check(predictor, buffer, k_steps, n_steps, gamma, rows=ROWS):
    batch = predictor.compute_targets(buffer, rows, k_steps, n_steps, gamma)
    assert batch.value.shape == (rows, k_steps)
    expected = [
        reference_targets(predictor, buffer, start, k_steps, n_steps, gamma)
        for start in batch.indices[0]
    ]
    torch.testing.assert_close(
        batch.value, torch.tensor(expected), rtol=1e-5, atol=1e-5, check_dtype=False
    )
    return batch


BUFFERS = {
    "unfinished": partial(random_buffer, n_steps=9, p_terminated=0, p_truncated=0),
    "one transition": partial(random_buffer, n_steps=1),
    "short episodes": partial(random_buffer, n_steps=14, p_truncated=0.4),
    "terminations only": partial(random_buffer, n_steps=14, p_truncated=0),
    "wrapped": partial(random_buffer, n_steps=50),
    "one endless episode, wrapped": partial(
        random_buffer, n_steps=50, p_terminated=0, p_truncated=0
    ),
    "single steps": partial(random_buffer, n_steps=50, infos=False),
}


@pytest.mark.parametrize("kind", BUFFER_KINDS)
@pytest.mark.parametrize("filling", BUFFERS)
def test_on_all_buffers(kind, filling, value):
    buffer = BUFFERS[filling](kind, seed=3)
    check(predictor_with(value), buffer, k_steps=4, n_steps=3, gamma=0.9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize(
    ("k_steps", "n_steps"),
    [(1, 1), (1, 7), (7, 1), (3, 50), (50, 3), (1, 200), (200, 1), (200, 200)],
)
def test_any_k_n_and_gamma(k_steps, n_steps, gamma):
    buffer = random_buffer(
        "ours", 400, total_size=500, n_rings=2, p_terminated=0.005, p_truncated=0.005
    )
    predictor = predictor_with(ActionValue())
    batch = check(predictor, buffer, k_steps, n_steps, gamma, rows=4)
    # There is something to add up.
    assert int(batch.traj_len.max()) >= min(20, k_steps + n_steps)
    assert not batch.value.requires_grad


def test_rings_of_different_lengths():
    buffer = make_buffer("ours", 60, 4)
    filler = Filler(buffer, 5)
    filler.add(1, rings=[1])
    filler.add(40, rings=[2])
    filler.add(7, rings=[3])
    check(predictor_with(ActionValue()), buffer, 5, 4, 0.9, rows=100)


class Always(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, state, context, action):
        return torch.full(state.shape[:-1], self.number)


@pytest.mark.parametrize(("k_steps", "n_steps"), [(1, 1), (5, 5), (20, 3), (3, 40)])
def test_by_hand(k_steps, n_steps):
    # A reward of 1 for ever is worth 1 / (1 - .99) = 100, truncated or not.
    buffer = random_buffer("ours", 40, p_terminated=0, p_truncated=0.2, infos=False)
    buffer.rew[:] = 1.0
    predictor = predictor_with(Always(100.0))
    batch = predictor.compute_targets(buffer, 200, k_steps, n_steps, gamma=0.99)
    valid = batch.validity_mask[:, :k_steps].bool()
    torch.testing.assert_close(
        batch.value[valid], torch.full_like(batch.value[valid], 100.0)
    )
    assert not batch.value[~valid].any()


def test_termination_ends_it_all():
    buffer = random_buffer("ours", 40, p_terminated=1.0, p_truncated=0.0)
    buffer.rew[:] = 2.5
    batch = predictor_with(Always(1e6)).compute_targets(buffer, 50, 3, 2)
    assert batch.value.tolist() == [[2.5, 0.0, 0.0]] * 50


def test_truncation_bootstraps_from_the_true_successor():
    # Each start state is worth nothing, each final state 7.
    buffer = random_buffer("ours", 10, p_terminated=0, p_truncated=1.0, infos=False)
    buffer.rew[:] = 0.0
    buffer.obs[:, 4], buffer.obs_next[:, 4] = 0.0, 1.0

    class LastColumn(nn.Module):
        def forward(self, state, context, action):
            return 7.0 * state[..., -1]

    batch = predictor_with(LastColumn()).compute_targets(buffer, 20, 1, 3, gamma=0.5)
    assert batch.value.tolist() == [[3.5]] * 20


def test_bootstraps_from_the_target_network():
    predictor = predictor_with(Always(1.0))
    predictor.target_val_func.function.number = 5.0
    buffer = random_buffer("ours", 30, p_terminated=0, p_truncated=0, infos=False)
    buffer.rew[:] = 0.0
    batch = predictor.compute_targets(buffer, 10, 1, 1, gamma=0.5)
    assert batch.value.tolist() == [[2.5]] * 10


def test_what_comes_with_the_targets():
    buffer = random_buffer("ours", 30)
    predictor = predictor_with(StateValue(), learn_encoder=False)
    k_steps, n_steps = 4, 3
    batch = predictor.compute_targets(buffer, ROWS, k_steps, n_steps)
    steps = k_steps + n_steps
    rows = batch.indices.T
    valid = batch.validity_mask.bool().numpy()
    assert batch.indices.shape == (steps, ROWS)
    assert batch.traj_len.tolist() == valid.sum(1).tolist()
    assert batch.obs.shape == (ROWS, steps, 5)
    np.testing.assert_array_equal(batch.obs[valid], buffer.obs[rows][valid])
    np.testing.assert_allclose(batch.rew[valid], buffer.rew[rows][valid], rtol=1e-6)
    np.testing.assert_array_equal(batch.act[valid], buffer.act[rows][valid])
    np.testing.assert_array_equal(
        batch.terminated[valid], buffer.terminated[rows][valid]
    )
    np.testing.assert_array_equal(
        batch.planned[valid], 1.0 - buffer.info.random_mode[rows][valid]
    )
    state, _ = predictor.encode(batch.obs)
    torch.testing.assert_close(batch.state, state)
    following, _ = predictor.encode(torch.tensor(buffer.obs_next[rows]))
    torch.testing.assert_close(batch.next_state[valid], following[valid])
    _, first_context = predictor.encode(batch.obs[:, 0])
    torch.testing.assert_close(batch.contexts, first_context)
    assert batch.validity_mask[:, 0].all()


def test_beyond_the_end_the_successor_repeats():
    buffer = random_buffer("ours", 40, p_truncated=0.5)
    batch = sample_trajectory_batch(
        buffer, ROWS, 6, lambda action: action, torch.device("cpu")
    )
    assert (batch.traj_len < 6).any()
    for row in range(ROWS):
        length = int(batch.traj_len[row])
        final = buffer.obs_next[batch.indices[length - 1, row]]
        assert (batch.obs[row, length:].numpy() == final).all()


def test_rows_are_taken_together():
    buffer = random_buffer("ours", 40)
    batch = sample_trajectory_batch(
        buffer, ROWS, 5, lambda action: action, torch.device("cpu")
    )
    options = torch.randn(ROWS, 2, 3)
    batch = batch._replace(is_whole=True, next_conditions=options)
    part = batch.rows(slice(3, 7))
    np.testing.assert_array_equal(part.indices, batch.indices[:, 3:7])
    assert batch.window is None and part.window is None and part.is_whole
    tensors = [x for x in batch._fields if isinstance(getattr(batch, x), torch.Tensor)]
    assert {"obs", "rew", "traj_len", "next_conditions"} <= set(tensors)
    for name in tensors:
        assert torch.equal(getattr(part, name), getattr(batch, name)[3:7])


def test_by_default_nothing_is_known_of_what_comes_next():
    batch = sample_trajectory_batch(
        random_buffer(), ROWS, 5, lambda action: action, torch.device("cpu")
    )
    for some in (batch, batch.rows(slice(3, 7)), batch.first(2)):
        assert some.next_conditions is None and not some.is_whole


def test_without_infos_every_step_is_planned_and_takes_one_environment_step():
    buffer = random_buffer("vector", 20, infos=False)
    batch = sample_trajectory_batch(
        buffer, ROWS, 3, lambda action: action, torch.device("cpu")
    )
    assert (batch.planned == 1).all() and (batch.n_env_steps == 1).all()


def test_discrete_actions_become_features():
    buffer = random_buffer("ours", 20)
    buffer.set_array_at_key(np.random.default_rng(0).integers(3, size=60), "act")
    predictor = predictor_with(None, model=ensemble(3, 2, spaces.Discrete(3)))
    batch = predictor.compute_targets(buffer, ROWS, 2, 2)
    index = torch.tensor(buffer.act[batch.indices.T])
    assert torch.equal(batch.act, torch.eye(3)[index])
