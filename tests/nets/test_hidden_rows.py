import io

import numpy as np
import pytest
import torch

from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.nets.hidden_rows import (
    empty_hidden_state,
    gather_rows,
    hidden_rows_state,
    load_hidden_rows,
    scatter_rows,
)
from layeredrl.nets.traj_encoder import TrajEncoder
from tests.nets.backbones import FF, MAX_SEQ_LEN, WITH_MEMORY

N, DIM = 5, 4
CPU = torch.device("cpu")
ALL = np.arange(N)


class Ema(TrajEncoder):
    """A user's own, whose hidden state is nested and starts from nothing."""

    emb_dim = DIM

    def forward(self, seq, time_idxs, hidden_state=None, log_dict=None):
        state = hidden_state or {"now": (seq[:, 0] * 0,), "count": [seq[:, 0, 0] * 0]}
        now, count = state["now"][0], state["count"][0]
        outputs = []
        for x in seq.unbind(1):
            now, count = 0.5 * now + x, count + 1
            outputs.append(now * count[:, None])
        return torch.stack(outputs, 1), {"now": (now,), "count": [count]}

    def reset_hidden_state(self, hidden_state, dones):
        for tensor, _ in self.hidden_state_tensors(hidden_state):
            tensor[torch.from_numpy(dones)] = 0
        return hidden_state


class Opaque(Ema):
    def forward(self, seq, time_idxs, hidden_state=None, log_dict=None):
        return seq, object()

    def reset_hidden_state(self, hidden_state, dones):
        return hidden_state


KINDS = {**WITH_MEMORY, "own": Ema}


def make(kind, **kwargs):
    torch.manual_seed(0)
    return KINDS[kind](DIM, MAX_SEQ_LEN, **kwargs).eval()


@torch.no_grad()
def advance(encoder, hidden, seq, times):
    """One step of each row, (B, D)."""
    output, hidden = encoder(seq[:, None], times.view(-1, 1, 1), hidden)
    return output[:, 0], hidden


def tensors(encoder, hidden):
    return [tensor for tensor, _ in encoder.hidden_state_tensors(hidden)]


@pytest.fixture(params=KINDS)
def used(request):
    """An encoder and what three steps left behind."""
    encoder = make(request.param)
    hidden = empty_hidden_state(encoder, N, CPU)
    for t in range(3):
        seq = torch.randn(N, DIM)
        _, hidden = advance(encoder, hidden, seq, torch.full((N,), t))
    return encoder, hidden


def test_nothing_seen_yet(used):
    encoder, hidden = used
    empty = empty_hidden_state(encoder, N, CPU)
    for tensor, other in zip(
        tensors(encoder, empty), tensors(encoder, hidden), strict=True
    ):
        assert tensor.shape == other.shape and tensor.dtype == other.dtype
    seq, start = torch.randn(N, DIM), torch.zeros(N, dtype=torch.int64)
    first, _ = advance(encoder, empty, seq, start)
    expected, _ = encoder(seq[:, None], start.view(-1, 1, 1))
    torch.testing.assert_close(first, expected[:, 0], atol=1e-5, rtol=1e-5)


def test_all_rows_are_taken_without_a_copy(used):
    encoder, hidden = used
    assert gather_rows(encoder, hidden, ALL) is hidden
    part = object()
    assert scatter_rows(encoder, hidden, ALL, part) is part


@pytest.mark.parametrize("rows", [[1], [4, 0], [3, 2, 1, 0, 4], []], ids=str)
def test_some_rows_are_copies_in_their_order(used, rows):
    encoder, hidden = used
    rows = np.array(rows, dtype=np.int64)
    part = gather_rows(encoder, hidden, rows)
    own = encoder.hidden_state_tensors(hidden)
    for (tensor, axis), taken in zip(own, tensors(encoder, part), strict=True):
        assert torch.equal(taken, tensor.index_select(axis, torch.from_numpy(rows)))
        assert taken.data_ptr() != tensor.data_ptr() or not len(rows)


def test_rows_go_on_as_among_the_others(used):
    encoder, hidden = used
    rows = np.array([3, 1])
    state = hidden_rows_state(encoder, hidden)
    seq, times = torch.randn(N, DIM), torch.full((N,), 3)
    part = gather_rows(encoder, hidden, rows)
    output, part = advance(encoder, part, seq[rows], times[rows])
    before = [t.clone() for t in tensors(encoder, hidden)]
    whole = scatter_rows(encoder, hidden, rows, part)
    for (tensor, axis), old in zip(
        encoder.hidden_state_tensors(whole), before, strict=True
    ):
        others = torch.tensor([0, 2, 4])
        assert torch.equal(
            tensor.index_select(axis, others), old.index_select(axis, others)
        )
    other = load_hidden_rows(encoder, state, CPU)
    expected, _ = advance(encoder, other, seq, times)
    torch.testing.assert_close(output, expected[rows], atol=1e-5, rtol=1e-5)
    again, _ = advance(encoder, whole, seq, times + 1)
    _, other = advance(encoder, load_hidden_rows(encoder, state, CPU), seq, times)
    expected, _ = advance(encoder, other, seq, times + 1)
    torch.testing.assert_close(again[rows], expected[rows], atol=1e-5, rtol=1e-5)


def test_a_state_is_a_copy_that_carries_no_gradient(used):
    encoder, hidden = used
    for tensor in tensors(encoder, hidden):
        if tensor.is_floating_point():
            tensor.requires_grad_()
    state = hidden_rows_state(encoder, hidden)
    for saved, tensor in zip(state, tensors(encoder, hidden), strict=True):
        assert torch.equal(saved, tensor) and saved.data_ptr() != tensor.data_ptr()
        assert not saved.requires_grad
    stream = io.BytesIO()
    torch.save(state, stream)
    stream.seek(0)
    loaded = load_hidden_rows(encoder, torch.load(stream, weights_only=True), CPU)
    for saved, tensor in zip(state, tensors(encoder, loaded), strict=True):
        assert torch.equal(saved, tensor) and saved.data_ptr() != tensor.data_ptr()


@pytest.mark.parametrize("saved_by", KINDS)
@pytest.mark.parametrize("loaded_by", KINDS)
def test_those_of_other_encoders_are_refused(saved_by, loaded_by):
    if saved_by == loaded_by:
        return
    encoder, other = make(saved_by), make(loaded_by)
    state = hidden_rows_state(encoder, empty_hidden_state(encoder, N, CPU))
    with pytest.raises(CheckpointError, match="this encoder's for one row have"):
        load_hidden_rows(other, state, CPU)


@pytest.mark.parametrize(
    "kind, change",
    [
        ("gru", {"d_hidden": 7}),
        ("gru", {"n_layers": 1}),
        ("transformer", {"n_heads": 1}),
        ("mamba", {"d_state": 2}),
    ],
)
def test_those_of_other_sizes_are_refused(kind, change):
    encoder, other = make(kind), make(kind, **change)
    state = hidden_rows_state(encoder, empty_hidden_state(encoder, N, CPU))
    with pytest.raises(CheckpointError):
        load_hidden_rows(other, state, CPU)


def test_different_numbers_of_rows_are_refused():
    encoder = make("mamba")
    state = hidden_rows_state(encoder, empty_hidden_state(encoder, N, CPU))
    state[1] = state[1][:1]
    with pytest.raises(CheckpointError, match="rows"):
        load_hidden_rows(encoder, state, CPU)


def test_without_memory_there_is_nothing():
    encoder = FF(DIM, MAX_SEQ_LEN).eval()
    assert empty_hidden_state(encoder, N, CPU) is None
    assert gather_rows(encoder, None, ALL[:2]) is None
    assert scatter_rows(encoder, None, ALL[:2], None) is None
    assert hidden_rows_state(encoder, None) == []
    assert load_hidden_rows(encoder, [], CPU) is None
    with pytest.raises(CheckpointError):
        load_hidden_rows(encoder, [torch.zeros(N, 3)], CPU)


def test_other_kinds_of_hidden_states_must_be_described():
    encoder = Opaque(DIM, MAX_SEQ_LEN)
    hidden = empty_hidden_state(encoder, N, CPU)
    with pytest.raises(ConfigurationError, match="Opaque has to override"):
        gather_rows(encoder, hidden, ALL)
