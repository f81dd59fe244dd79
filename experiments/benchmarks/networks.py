"""Trajectory encoders and critics, at the sizes of their defaults."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.benchmarks.measuring import Benchmark, Work
from layeredrl.nets.actor_critic import NCritics
from layeredrl.nets.tformer_hidden_state import TformerHiddenState
from layeredrl.nets.traj_encoders import (
    GRUTrajEncoder,
    MambaTrajEncoder,
    TformerTrajEncoder,
    TrajEncoder,
)

BATCH_SIZE, LENGTH, WIDTH = 32, 128, 256
N_LAYERS, N_HEADS, D_FF = 3, 8, 1024
N_INSTANCES, N_STEPS = 16, 20
N_CRITICS, GAMMAS, N_SAMPLES, ACTION_DIM = 4, (0.9, 0.99, 0.999), 4, 6


def network_benchmarks() -> Iterator[Benchmark]:
    """Describe training passes and acting steps of the networks.

    Yields:
        The benchmarks.
    """
    yield _tformer_pass("plain", 0.0, 1.25, has_extras=False)
    yield _tformer_pass("defaults", 0.05, 1.6, has_extras=True)
    yield from _tformer_steps()
    yield Benchmark(
        "Mamba, sequences of 1024",
        _training_pass(MambaTrajEncoder(WIDTH, 1024), 2, 1024),
        _training_pass(MambaTrajEncoder(WIDTH, 1024), 2, 128),
        10.0,
        "sequences of 128",
    )
    yield _gru_pass()
    yield from _critics()


def _training_pass(encoder: TrajEncoder, batch_size: int, length: int) -> Work:
    """Run forward and backward along whole sequences."""
    seq = torch.randn(batch_size, length, WIDTH, requires_grad=True)
    times = torch.arange(length).view(1, -1, 1).expand(batch_size, -1, -1)
    wanted = [p for p in encoder.parameters() if p.requires_grad] + [seq]
    grad = torch.randn(batch_size, length, encoder.emb_dim)
    encoder.train()

    def work() -> None:
        torch.autograd.grad(encoder(seq, times)[0], wanted, grad)

    return work


def _tformer_pass(
    name: str, dropout: float, target: float, *, has_extras: bool
) -> Benchmark:
    encoder = TformerTrajEncoder(
        WIDTH,
        LENGTH,
        WIDTH,
        N_HEADS,
        D_FF,
        N_LAYERS,
        dropout_ff=dropout,
        dropout_emb=dropout,
        sigma_reparam=has_extras,
        normformer_norms=has_extras,
        head_scaling=has_extras,
    )
    return Benchmark(
        f"Transformer, {name}",
        _training_pass(encoder, BATCH_SIZE, LENGTH),
        _torch_tformer_pass(dropout),
        target,
        "layers of torch.nn",
    )


def _torch_tformer_pass(dropout: float) -> Work:
    """Do the same with the layers of torch, without embedding and last norm."""
    layers = nn.ModuleList(
        nn.TransformerEncoderLayer(
            WIDTH,
            N_HEADS,
            D_FF,
            dropout=0.0,
            activation=F.leaky_relu,
            batch_first=True,
            norm_first=True,
        )
        for _ in range(N_LAYERS)
    )
    for layer in layers:
        layer.dropout2 = nn.Dropout(dropout)  # the only place where ours has it
    mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
    seq = torch.randn(BATCH_SIZE, LENGTH, WIDTH, requires_grad=True)
    wanted = [*layers.parameters(), seq]
    grad = torch.randn(BATCH_SIZE, LENGTH, WIDTH)

    def reference() -> None:
        x = seq
        for layer in layers:
            x = layer(x, src_mask=mask, is_causal=True)
        torch.autograd.grad(x, wanted, grad)

    return reference


def _tformer_steps() -> Iterator[Benchmark]:
    encoder = TformerTrajEncoder(WIDTH, LENGTH, WIDTH, N_HEADS, D_FF, N_LAYERS).eval()
    memory = encoder.init_hidden_state(N_INSTANCES, torch.device("cpu"))
    for cache in (memory.key_cache, memory.val_cache):
        cache.normal_()
    full = _steps(encoder, memory, 2 * LENGTH + LENGTH // 2)
    name = f"{N_STEPS} Transformer steps, {N_INSTANCES} instances"
    yield Benchmark(name, full, _bare_steps(memory), 3.0, "matrix products alone")
    almost_full = _steps(encoder, memory, LENGTH - 2)
    yield Benchmark(f"{name}, full", full, almost_full, 1.15, "window not yet full")


def _steps(encoder: TrajEncoder, memory: TformerHiddenState, n_seen: int) -> Work:
    """Take steps, each as if so many had come before."""
    seq = torch.randn(N_INSTANCES, 1, WIDTH)
    times = torch.full((N_INSTANCES, 1, 1), n_seen)

    @torch.no_grad()
    def work() -> None:
        for _ in range(N_STEPS):
            memory.seq_lens.fill_(min(n_seen, LENGTH - 1))
            memory.next_slot.fill_(n_seen % LENGTH)
            encoder(seq, times, memory)

    return work


def _bare_steps(memory: TformerHiddenState) -> Work:
    sizes = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, D_FF), (D_FF, WIDTH))
    layers = [
        [torch.randn(after, before) for before, after in sizes] for _ in range(N_LAYERS)
    ]
    inputs = [torch.randn(N_INSTANCES, before) for before, _ in sizes]
    # (layers, B * H, slots, E), as they lie in memory
    keys, values = (
        cache.transpose(2, 3).flatten(1, 2)
        for cache in (memory.key_cache, memory.val_cache)
    )
    n_heads = N_INSTANCES * N_HEADS
    query = torch.randn(n_heads, 1, WIDTH // N_HEADS)
    attention = torch.randn(n_heads, 1, LENGTH)

    @torch.no_grad()
    def reference() -> None:
        for _ in range(N_STEPS):
            for layer, weights in enumerate(layers):
                for x, weight in zip(inputs, weights, strict=True):
                    F.linear(x, weight)
                torch.bmm(query, keys[layer].transpose(1, 2))
                torch.bmm(attention, values[layer])

    return reference


def _gru_pass() -> Benchmark:
    encoder = GRUTrajEncoder(WIDTH, LENGTH)
    gru = nn.GRU(WIDTH, encoder.d_hidden, encoder.n_layers, batch_first=True)
    seq = torch.randn(BATCH_SIZE, LENGTH, WIDTH, requires_grad=True)
    wanted = [*gru.parameters(), seq]
    grad = torch.randn(BATCH_SIZE, LENGTH, encoder.d_hidden)

    def reference() -> None:
        torch.autograd.grad(gru(seq)[0], wanted, grad)

    return Benchmark(
        "GRU",
        _training_pass(encoder, BATCH_SIZE, LENGTH),
        reference,
        1.3,
        "nn.GRU alone",
    )


def _critics() -> Iterator[Benchmark]:
    gammas = torch.tensor(GAMMAS)
    critics = NCritics(WIDTH, ACTION_DIM, False, gammas, N_CRITICS, WIDTH)
    rows = (N_SAMPLES, 8, 64, len(GAMMAS))
    state = torch.randn(*rows[1:3], WIDTH, requires_grad=True)
    action = torch.randn(*rows, ACTION_DIM, requires_grad=True)
    wanted = [*critics.parameters(), state, action]
    grad = torch.randn(*rows[:3], N_CRITICS, len(GAMMAS), 1)
    factors = _critic_factors(state, action)
    leaves = [factor for pair in factors for factor in pair]

    def products() -> list[Tensor]:
        return [x @ weight for x, weight in factors]

    grads = [torch.randn_like(product) for product in products()]
    name = f"{N_CRITICS} critics, {len(GAMMAS)} gammas, {N_SAMPLES} actions"
    alone = "matrix products alone"
    yield Benchmark(
        name,
        torch.no_grad()(lambda: critics(state, action)),
        torch.no_grad()(products),
        1.6,
        alone,
    )
    yield Benchmark(
        f"{name}, gradients",
        lambda: torch.autograd.grad(critics(state, action), wanted, grad),
        lambda: torch.autograd.grad(products(), leaves, grads),
        1.6,
        alone,
    )


def _critic_factors(state: Tensor, action: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Give what must be multiplied where a state is shared by gammas and actions."""
    n_rows = action[..., 0].numel()
    shapes = (
        (tuple(state.shape), (WIDTH, N_CRITICS * WIDTH)),
        (tuple(action.shape), (ACTION_DIM, N_CRITICS * WIDTH)),
        ((N_CRITICS, n_rows, WIDTH), (N_CRITICS, WIDTH, WIDTH)),
        ((N_CRITICS, n_rows, WIDTH), (N_CRITICS, WIDTH, 1)),
    )
    return [
        (torch.randn(*x, requires_grad=True), torch.randn(*weight, requires_grad=True))
        for x, weight in shapes
    ]
