import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers import CEM, CEMConfig, Gradient, GradientConfig

HORIZON = 10
SCALE = torch.logspace(0, 3, 2 * HORIZON).view(HORIZON, 2)


class Counting:
    """A stiff quadratic that counts how many candidates it was asked about."""

    def __init__(self, target):
        self.target = target
        self.count = 0
        self.starts = None

    def __call__(self, x):
        if self.starts is None:
            self.starts = x.detach().clone()
        self.count += x.shape[1]
        return -(SCALE * (x - self.target).square()).sum((-2, -1))


def build(**settings):
    return Gradient([-1.0] * 2, [1.0] * 2, GradientConfig(**settings))


def draw_target(generator):
    return torch.rand(8, 1, HORIZON, 2, generator=generator) - 0.5


def test_interleaving_beats_cem_at_equal_evaluations(generator):
    objective = Counting(draw_target(generator))
    cem = CEMConfig(n_iterations=5, n_candidates=64, elite_ratio=0.1)
    both = build(interleave=cem, n_steps=8, lr=0.1)
    mean = both.initial_mean(8, HORIZON)
    interleaved = both.optimize(objective, mean, generator)
    n_evaluations = objective.count
    alone = CEM(
        [-1.0] * 2,
        [1.0] * 2,
        CEMConfig(n_iterations=5, n_candidates=n_evaluations // 5, elite_ratio=0.1),
    )
    objective.count = 0
    plain = alone.optimize(objective, mean, generator)
    assert objective.count <= n_evaluations
    assert (interleaved.best_value > 0.5 * plain.best_value).all()


def test_starts_are_the_mean_and_samples_around_it(generator):
    objective = Counting(draw_target(generator))
    mean = torch.full((8, HORIZON, 2), 0.25)
    prior = torch.full((8, 2, HORIZON, 2), -0.75)
    build(n_starts=5, init_std=0.1).optimize(
        objective, mean, generator, candidates=prior
    )
    assert objective.starts.shape[1] == 5 + 2
    assert objective.starts[:, 4].equal(mean)
    assert objective.starts[:, 5:].equal(prior)
    assert (objective.starts[:, :4] - 0.25).std() < 0.15


def test_one_start_is_the_mean_alone(generator):
    objective = Counting(draw_target(generator))
    optimizer = build(n_starts=1, n_steps=3)
    solution = optimizer.optimize(objective, optimizer.initial_mean(8, HORIZON))
    assert objective.starts.equal(torch.zeros(8, 1, HORIZON, 2))
    assert objective.count == 3 + 1
    assert solution.std.equal(torch.zeros_like(solution.std))
    assert solution.n_iterations == 3


def test_many_starts_escape_a_local_optimum(generator):
    def objective(x):
        near, far = (x + 0.1).square(), (x - 0.8).square()
        return (1.0 * (-near / 0.01).exp() + 3.0 * (-far / 0.05).exp()).sum((-2, -1))

    values = {}
    for n_starts in (1, 32):
        optimizer = build(n_starts=n_starts)
        mean = optimizer.initial_mean(1, 1)
        values[n_starts] = optimizer.optimize(objective, mean, generator).best_value
    assert values[1] < 3.0
    assert values[32] > 5.5


@pytest.mark.parametrize("interleave", [None, CEMConfig(n_iterations=5)])
def test_broken_gradients_do_not_spread(interleave, generator):
    target = draw_target(generator)
    target[..., 0, 0] = 0.4

    def objective(x):
        # All values are finite, but the root's gradient at zero times zero is not.
        trap = 0.0 * x[..., 0, 0].relu().sqrt()
        return trap - (x - target).square().sum((-2, -1))

    optimizer = build(interleave=interleave, n_starts=32, n_steps=40)
    mean = optimizer.initial_mean(8, HORIZON)
    solution = optimizer.optimize(objective, mean, generator)
    assert (solution.chosen - target[:, 0]).abs().max() < 0.1
    assert solution.std.isfinite().all()


def test_objectives_with_parameters_leave_no_trace(generator):
    net = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(net.weight, -0.3)
    optimizer = build()
    with torch.no_grad():
        solution = optimizer.optimize(
            lambda x: net(x).sum((-2, -1)), optimizer.initial_mean(2, 4), generator
        )
    assert all(parameter.grad is None for parameter in net.parameters())
    assert solution.best.allclose(-torch.ones(2, 4, 2), atol=1e-3)


def test_an_objective_without_gradient_is_refused():
    optimizer = build()
    with pytest.raises(ConfigurationError, match="must be differentiable"):
        optimizer.optimize(
            lambda x: x.detach().sum((-2, -1)), optimizer.initial_mean(1, 1)
        )


def test_the_interleaved_cem_decides_what_is_returned(generator):
    objective = Counting(draw_target(generator))
    for mode in ("mean", "best"):
        cem = CEMConfig(n_iterations=2, n_candidates=32, return_mode=mode)
        optimizer = build(interleave=cem, n_steps=2)
        solution = optimizer.optimize(
            objective, optimizer.initial_mean(8, HORIZON), generator
        )
        expected = solution.mean if mode == "mean" else solution.best
        assert solution.chosen.equal(expected)
        assert solution.n_iterations == 2
