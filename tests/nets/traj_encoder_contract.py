"""What every trajectory encoder must do, as functions that take a factory.

For your own encoder, with ``factory(tstep_dim, max_seq_len)`` building one::

    @pytest.mark.parametrize("check", CONTRACT)
    def test_my_encoder(check):
        check(lambda tstep_dim, max_seq_len: MyEncoder(tstep_dim, max_seq_len))

``check_no_graph_breaks`` takes seconds and stands outside of ``CONTRACT``.
"""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.nets.traj_encoders import TrajEncoder

Factory = Callable[[int, int], TrajEncoder]

TSTEP_DIM, MAX_SEQ_LEN, BATCH = 6, 8, 4
CPU = torch.device("cpu")
TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


def build(factory: Factory) -> TrajEncoder:
    """Build an encoder with weights that are always the same, for evaluation."""
    torch.manual_seed(0)
    encoder = factory(TSTEP_DIM, MAX_SEQ_LEN)
    with torch.no_grad():  # initial weights hide mistakes: biases of zero, scales of one
        for parameter in encoder.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    encoder.train()
    sequences(encoder, random_steps(2, 3))  # whatever follows the weights in training
    return encoder.eval()


def random_steps(batch: int, length: int) -> Tensor:
    """Make encoded time steps, (B, L, TSTEP_DIM)."""
    return torch.randn(batch, length, TSTEP_DIM)


def clock(batch: int, length: int) -> Tensor:
    """Count from the start of an episode, (B, L, 1)."""
    return torch.arange(length).view(1, length, 1).expand(batch, length, 1)


def sequences(encoder: TrajEncoder, seq: Tensor) -> Tensor:
    """Encode whole episodes from their start."""
    return encoder(seq, clock(*seq.shape[:2]))[0]


@torch.no_grad()
def steps(encoder: TrajEncoder, seq: Tensor, dones: np.ndarray | None = None) -> Tensor:
    """Encode one step at a time; where ``dones`` (L, B), the next step starts anew."""
    batch, length = seq.shape[:2]
    hidden = encoder.init_hidden_state(batch, CPU)
    time = torch.zeros(batch, 1, 1, dtype=torch.long)
    outputs = []
    for t in range(length):
        output, hidden = encoder(seq[:, t : t + 1], time.clone(), hidden)
        outputs.append(output)
        time += 1
        if dones is not None:
            hidden = encoder.reset_hidden_state(hidden, dones[t])
            time[torch.from_numpy(dones[t])] = 0
    return torch.cat(outputs, 1)


def check_output_has_emb_dim_features(factory: Factory) -> None:
    """Sequences of all lengths, down to one step, come out at their length."""
    encoder = build(factory)
    assert encoder.tstep_dim == TSTEP_DIM and encoder.max_seq_len == MAX_SEQ_LEN
    for batch, length in ((BATCH, MAX_SEQ_LEN), (1, 1), (BATCH, 3)):
        output = sequences(encoder, random_steps(batch, length))
        assert output.shape == (batch, length, encoder.emb_dim)
        assert output.dtype == torch.float32 and output.isfinite().all()


def check_rows_do_not_mix(factory: Factory) -> None:
    """A row's output is that of the row alone, also step by step."""
    encoder = build(factory)
    seq = random_steps(BATCH, MAX_SEQ_LEN)
    for encode in (sequences, steps):
        alone = torch.cat([encode(encoder, seq[i : i + 1]) for i in range(BATCH)])
        torch.testing.assert_close(encode(encoder, seq), alone, **TOLERANCE)


def check_future_cannot_change_past(factory: Factory) -> None:
    """Neither the values nor the gradients of an output know later inputs."""
    encoder = build(factory)
    seq = random_steps(BATCH, MAX_SEQ_LEN)
    before = sequences(encoder, seq)
    for now in range(1, MAX_SEQ_LEN):
        changed = seq.clone()
        changed[:, now:] = 10 * torch.randn_like(changed[:, now:])
        after = sequences(encoder, changed)
        torch.testing.assert_close(after[:, :now], before[:, :now], **TOLERANCE)
        seq.requires_grad_().grad = None
        sequences(encoder, seq)[:, :now].sum().backward()
        assert seq.grad is not None and not seq.grad[:, now:].any()
        seq.requires_grad_(False)


def check_steps_equal_sequence(factory: Factory) -> None:
    """Acting gives what training saw, as long as the sequence is no longer than that."""
    encoder = build(factory)
    seq = random_steps(BATCH, MAX_SEQ_LEN)
    torch.testing.assert_close(
        steps(encoder, seq), sequences(encoder, seq), **TOLERANCE
    )


def check_staggered_resets(factory: Factory) -> None:
    """Each row starts anew where its own episode ended, and only there."""
    encoder = build(factory)
    length = 5 * MAX_SEQ_LEN
    seq = random_steps(BATCH, length)
    rng = np.random.default_rng(0)
    dones = rng.random((length, BATCH)) < 0.3
    dones[MAX_SEQ_LEN - 1 :: MAX_SEQ_LEN] = True  # no episode outgrows a sequence
    outputs = steps(encoder, seq, dones)
    for row in range(BATCH):
        ends = np.flatnonzero(dones[:, row]) + 1
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            alone = sequences(encoder, seq[row : row + 1, start:end])
            torch.testing.assert_close(
                outputs[row : row + 1, start:end], alone, **TOLERANCE
            )


def check_reset_spares_other_rows(factory: Factory) -> None:
    """Rows whose episode goes on do not notice that others end."""
    encoder = build(factory)
    seq = random_steps(BATCH, 3 * MAX_SEQ_LEN)
    dones = np.zeros((seq.shape[1], BATCH), dtype=bool)
    dones[::5, 0] = True
    outputs, undisturbed = steps(encoder, seq, dones), steps(encoder, seq)
    torch.testing.assert_close(outputs[1:], undisturbed[1:], **TOLERANCE)
    ended = torch.full((BATCH,), True).numpy()
    assert encoder.reset_hidden_state(None, ended) is None


def check_steps_go_on_beyond_max_seq_len(factory: Factory) -> None:
    """Acting has no end; and the last steps depend on the latest inputs."""
    encoder = build(factory)
    seq = random_steps(BATCH, 4 * MAX_SEQ_LEN)
    outputs = steps(encoder, seq)
    assert outputs.isfinite().all()
    seq[:, -1] += 1
    changed = steps(encoder, seq)
    assert torch.equal(changed[:, :-1], outputs[:, :-1])
    assert not torch.allclose(changed[:, -1], outputs[:, -1], atol=1e-4)


def check_hidden_state_can_be_copied(factory: Factory) -> None:
    """A copy of the hidden state, in memory or on disk, goes on on its own."""
    encoder = build(factory)
    seq = random_steps(BATCH, 2 * MAX_SEQ_LEN)
    hidden = encoder.init_hidden_state(BATCH, CPU)

    def run(start: int, end: int, hidden: Any) -> tuple[Tensor, Any]:
        outputs = []
        with torch.no_grad():
            for t in range(start, end):
                time = torch.full((BATCH, 1, 1), t)
                output, hidden = encoder(seq[:, t : t + 1], time, hidden)
                outputs.append(output)
        return torch.cat(outputs, 1), hidden

    half = MAX_SEQ_LEN + 2
    _, hidden = run(0, half, hidden)
    copies = [copy.deepcopy(hidden), pickle.loads(pickle.dumps(hidden))]
    expected, _ = run(half, 2 * MAX_SEQ_LEN, hidden)
    for copied in copies:
        assert torch.equal(run(half, 2 * MAX_SEQ_LEN, copied)[0], expected)


def check_gradients_reach_everything(factory: Factory) -> None:
    """In training, all weights and all inputs get a finite gradient."""
    encoder = build(factory).train()
    seq = random_steps(BATCH, MAX_SEQ_LEN).requires_grad_()
    output = sequences(encoder, seq)
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name
    assert seq.grad is not None and seq.grad.isfinite().all()
    assert (seq.grad != 0).any(-1).all()


def check_evaluation_changes_nothing(factory: Factory) -> None:
    """Passes in evaluation mode leave weights and statistics as they are."""
    encoder = build(factory)
    seq = random_steps(BATCH, MAX_SEQ_LEN)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    first = sequences(encoder, seq)
    steps(encoder, seq)
    assert torch.equal(sequences(encoder, seq), first)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name


def check_encoder_can_be_copied(factory: Factory) -> None:
    """Pickle, deepcopy and a strict state_dict give the same encoder."""
    encoder = build(factory)
    seq = random_steps(BATCH, MAX_SEQ_LEN)
    other = factory(TSTEP_DIM, MAX_SEQ_LEN).eval()
    stream = io.BytesIO()
    torch.save(encoder.state_dict(), stream)
    stream.seek(0)
    other.load_state_dict(torch.load(stream, weights_only=True), strict=True)
    for copied in (other, copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(sequences(copied, seq), sequences(encoder, seq))
        assert torch.equal(steps(copied, seq), steps(encoder, seq))


def check_half_precision(factory: Factory) -> None:
    """Under bfloat16 autocast results are close, and gradients finite."""
    encoder = build(factory)
    seq = random_steps(BATCH, MAX_SEQ_LEN)
    expected = sequences(encoder, seq)
    with torch.autocast("cpu", torch.bfloat16):
        output, stepped = sequences(encoder, seq), steps(encoder, seq)
    output.float().square().sum().backward()
    for other in (output, stepped):
        torch.testing.assert_close(other.float(), expected, atol=0.15, rtol=0.1)
    for parameter in encoder.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


def check_no_graph_breaks(factory: Factory) -> None:
    """torch.compile takes the sequence pass in one piece, in both modes."""
    for training in (True, False):
        encoder = build(factory).train(training)
        seq = random_steps(BATCH, MAX_SEQ_LEN).requires_grad_()
        time_idxs = clock(BATCH, MAX_SEQ_LEN)
        reference = copy.deepcopy(encoder)
        torch._dynamo.reset()
        compiled = torch.compile(encoder, fullgraph=True, backend="aot_eager")
        torch.manual_seed(1)
        output = compiled(seq, time_idxs)[0]
        torch.manual_seed(1)
        expected = reference(seq, time_idxs)[0]
        torch.testing.assert_close(output, expected, **TOLERANCE)
        output.square().sum().backward()
        expected.square().sum().backward()
        for a, b in zip(encoder.parameters(), reference.parameters(), strict=True):
            if b.grad is not None:
                torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-4)
        for a, b in zip(encoder.buffers(), reference.buffers(), strict=True):
            torch.testing.assert_close(a, b, **TOLERANCE)


CONTRACT = [
    check_output_has_emb_dim_features,
    check_rows_do_not_mix,
    check_future_cannot_change_past,
    check_steps_equal_sequence,
    check_staggered_resets,
    check_reset_spares_other_rows,
    check_steps_go_on_beyond_max_seq_len,
    check_hidden_state_can_be_copied,
    check_gradients_reach_everything,
    check_evaluation_changes_nothing,
    check_encoder_can_be_copied,
    check_half_precision,
]
"""All that an encoder must do, and that is quick to check."""


def check_traj_encoder(factory: Factory) -> None:
    """Put an encoder through the whole contract."""
    for check in CONTRACT:
        check(factory)
