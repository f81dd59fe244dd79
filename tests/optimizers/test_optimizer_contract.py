"""What every sequence optimizer promises, for every one there is."""

import time
from typing import NamedTuple

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.optimizers import (
    CEM,
    ICEM,
    MPPI,
    CategoricalCEM,
    CategoricalCEMConfig,
    CEMConfig,
    Gradient,
    GradientConfig,
    ICEMConfig,
    MPPIConfig,
    Optimizer,
    RandomShooting,
    RandomShootingConfig,
    Refined,
    RefinedConfig,
)

LOW, HIGH = (-1.0, 0.0), (1.0, 4.0)
N_FEATURES = 2
HORIZON = 3


class Case(NamedTuple):
    optimizer: type[Optimizer]
    config: type
    settings: dict = {}
    tolerance: float = 0.1

    def build(self, low=LOW, high=HIGH, **overrides):
        config = self.config(**{**self.settings, **overrides})
        if self.optimizer is CategoricalCEM:
            return CategoricalCEM(N_FEATURES, config)
        return self.optimizer(low, high, config)


CEM_DEFAULTS = CEMConfig(n_iterations=3, n_candidates=64)
CASES = {
    "shooting": Case(RandomShooting, RandomShootingConfig, {"n_iterations": 3}, 1.0),
    "shooting-normal": Case(
        RandomShooting,
        RandomShootingConfig,
        {"n_iterations": 3, "distribution": "normal"},
        1.0,
    ),
    "cem": Case(CEM, CEMConfig),
    "cem-truncate": Case(CEM, CEMConfig, {"sampling": "truncate"}),
    "cem-best": Case(CEM, CEMConfig, {"return_mode": "best"}, 0.3),
    "cem-sample": Case(CEM, CEMConfig, {"return_mode": "sample"}),
    "cem-independent": Case(CEM, CEMConfig, {"use_mirroring": False}),
    "icem": Case(ICEM, ICEMConfig, {}, 0.3),
    "icem-truncate": Case(ICEM, ICEMConfig, {"sampling": "truncate"}, 0.3),
    "icem-mean": Case(ICEM, ICEMConfig, {"return_mode": "mean"}, 0.3),
    "mppi": Case(MPPI, MPPIConfig, {}, 0.3),
    "mppi-elite": Case(MPPI, MPPIConfig, {"return_mode": "elite"}, 0.5),
    "mppi-truncate": Case(MPPI, MPPIConfig, {"sampling": "truncate"}, 0.3),
    "gradient": Case(Gradient, GradientConfig),
    "gradient-squash": Case(Gradient, GradientConfig, {"projection": "squash"}),
    "gradient-cem": Case(
        Gradient, GradientConfig, {"interleave": CEM_DEFAULTS, "n_steps": 5}
    ),
    "refined": Case(Refined, RefinedConfig),
    "refined-squash": Case(Refined, RefinedConfig, {"projection": "squash"}),
    "categorical": Case(CategoricalCEM, CategoricalCEMConfig),
}
BOXED = {name: case for name, case in CASES.items() if name != "categorical"}
FITTED = {n: c for n, c in CASES.items() if c.optimizer in (CEM, ICEM, MPPI)}

every_optimizer = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
boxed_optimizers = pytest.mark.parametrize("case", BOXED.values(), ids=BOXED)
fitted_optimizers = pytest.mark.parametrize("case", FITTED.values(), ids=FITTED)


def draw_targets(case, n_instances, generator, horizon=HORIZON):
    """One optimum per instance, (B, 1, T, A), that the optimizer can reach."""
    shape = (n_instances, 1, horizon, N_FEATURES)
    ranks = torch.rand(shape, generator=generator)
    if case.optimizer is CategoricalCEM:
        return torch.nn.functional.one_hot(ranks.argmax(-1), N_FEATURES).float()
    low, high = torch.tensor(LOW), torch.tensor(HIGH)
    return low + (high - low) * (0.2 + 0.6 * ranks)


def quadratic(target, offset=0.0):
    return lambda x: offset - (x - target).square().sum((-2, -1))


def case_limit(case):
    return "n_iterations" if hasattr(case.config(), "n_iterations") else "n_steps"


@every_optimizer
def test_each_instance_finds_its_own_optimum(case, generator):
    target = draw_targets(case, 4, generator)
    optimizer = case.build()
    solution = optimizer.optimize(
        quadratic(target), optimizer.initial_mean(4, HORIZON), generator
    )
    distance = (solution.chosen - target[:, 0]).abs().amax((-2, -1))
    assert (distance < case.tolerance).all(), distance
    assert solution.best_value.allclose(quadratic(target)(solution.best[:, None])[:, 0])


@every_optimizer
def test_shapes_are_those_of_the_contract(case, generator):
    optimizer = case.build()
    mean = optimizer.initial_mean(4, HORIZON)
    assert mean.shape == (4, HORIZON, N_FEATURES)
    solution = optimizer.optimize(
        quadratic(draw_targets(case, 4, generator)), mean, generator
    )
    for sequences in (solution.mean, solution.std, solution.best, solution.chosen):
        assert sequences.shape == mean.shape
    assert solution.best_value.shape == (4,)
    assert solution.elites.shape[0] == 4
    assert solution.elites.shape[2:] == mean.shape[1:]
    assert not any(value.requires_grad for value in solution[:-1])
    carried = optimizer.carry_over(solution)
    assert carried is None or carried.shape[2:] == mean.shape[1:]


@every_optimizer
def test_elites_come_best_first(case, generator):
    target = draw_targets(case, 4, generator)
    optimizer = case.build()
    solution = optimizer.optimize(
        quadratic(target), optimizer.initial_mean(4, HORIZON), generator
    )
    values = quadratic(target)(solution.elites)
    assert (values.diff(dim=1) <= 1e-6).all()


@boxed_optimizers
def test_everything_stays_within_the_bounds(case, generator):
    low, high = torch.tensor(LOW), torch.tensor(HIGH)
    seen = []

    def objective(x):
        seen.append(x.detach())
        return x.sum((-2, -1))

    optimizer = case.build()
    far = torch.full((2, HORIZON, N_FEATURES), 100.0)
    solution = optimizer.optimize(
        objective, far, generator, candidates=-far[:, None].expand(-1, 3, -1, -1)
    )
    returned = [solution.mean, solution.best, solution.chosen, solution.elites]
    for sequences in seen + returned:
        assert (sequences >= low).all() and (sequences <= high).all()
    if case.optimizer is not RandomShooting:
        assert solution.best.allclose(high.expand_as(solution.best), atol=0.15)


@every_optimizer
def test_a_batch_behaves_as_a_loop(case, generator):
    n_instances = 40
    target = draw_targets(case, 1, generator)
    optimizer = case.build()
    batch = optimizer.optimize(
        quadratic(target), optimizer.initial_mean(n_instances, HORIZON), generator
    ).best_value
    single = optimizer.initial_mean(1, HORIZON)
    loop = torch.cat(
        [
            optimizer.optimize(quadratic(target), single, generator).best_value
            for _ in range(n_instances)
        ]
    )
    error = ((batch.var() + loop.var()) / n_instances).sqrt()
    assert (batch.mean() - loop.mean()).abs() <= 4 * error + 1e-6
    if case.optimizer not in (Gradient, CategoricalCEM):
        assert batch.unique().numel() > n_instances // 2, "instances share their noise"


@every_optimizer
@pytest.mark.parametrize("offset", [-1e3, 1e3], ids=["negative", "positive"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_values_that_are_not_finite_never_win(case, bad, offset, generator):
    target = draw_targets(case, 3, generator)

    def objective(x):
        values = quadratic(target, offset)(x)
        return torch.where(is_bad(x), bad, values)

    def is_bad(x):
        # All boxed searches start at zero, where values are still finite.
        center = 0.5 if case.optimizer is CategoricalCEM else 0.0
        side = (target - center)[..., 0, 0].sign()
        return (x - center)[..., 0, 0] * side > 0.01

    optimizer = case.build()
    solution = optimizer.optimize(
        objective, optimizer.initial_mean(3, HORIZON), generator
    )
    assert solution.best_value.isfinite().all()
    assert not is_bad(solution.best[:, None]).any()
    if case.settings.get("return_mode") != "sample":
        assert not is_bad(solution.chosen[:, None]).any()
    assert solution.best_value.allclose(
        quadratic(target, offset)(solution.best[:, None])[:, 0]
    )
    for sequences in (solution.mean, solution.std, solution.elites):
        assert sequences.isfinite().all()


@every_optimizer
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_an_instance_without_finite_values_keeps_its_mean(case, bad, generator):
    target = draw_targets(case, 2, generator)

    def objective(x):
        broken = torch.tensor([False, True])[:, None]
        return torch.where(broken, bad, quadratic(target)(x))

    optimizer = case.build()
    mean = draw_targets(case, 2, generator)[:, 0]
    if case is not CASES["categorical"]:
        mean[:, 0] = 100.0
    solution = optimizer.optimize(objective, mean, generator)
    clipped = mean.clamp(max=torch.tensor(HIGH))
    assert solution.chosen[1].equal(clipped[1])
    assert solution.best[1].equal(clipped[1])
    assert solution.mean[1].equal(clipped[1])
    assert solution.best_value[1] == -torch.inf
    assert solution.best_value[0].isfinite()
    assert solution.std.isfinite().all()


@every_optimizer
def test_the_same_generator_state_gives_the_same_solution(case, generator):
    objective = quadratic(draw_targets(case, 2, generator))
    optimizer = case.build()
    mean = optimizer.initial_mean(2, HORIZON)
    state = torch.get_rng_state()
    first, second, other = (
        optimizer.optimize(objective, mean, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert all(a.equal(b) for a, b in zip(first[:-1], second[:-1]))
    assert not first.elites.equal(other.elites) or case.optimizer is CategoricalCEM
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(3)
    first = optimizer.optimize(objective, mean)
    torch.manual_seed(3)
    second = optimizer.optimize(objective, mean)
    assert all(a.equal(b) for a, b in zip(first[:-1], second[:-1]))


@every_optimizer
def test_what_is_drawn_does_not_depend_on_the_values(case, generator):
    target = draw_targets(case, 2, generator)
    states = []
    for objective in (quadratic(target), lambda x: x.sum((-2, -1)) * torch.nan):
        source = torch.Generator().manual_seed(1)
        optimizer = case.build()
        optimizer.optimize(objective, optimizer.initial_mean(2, HORIZON), source)
        states.append(source.get_state())
    assert states[0].equal(states[1])


@fitted_optimizers
def test_one_elite_is_legal(case, generator):
    target = draw_targets(case, 2, generator)
    optimizer = case.build(elite_ratio=1e-6, min_std=0.0, momentum=0.0)
    solution = optimizer.optimize(
        quadratic(target), optimizer.initial_mean(2, HORIZON), generator
    )
    assert solution.elites.shape[1] == 1
    assert solution.std.equal(torch.zeros_like(solution.std))
    assert all(value.isfinite().all() for value in solution[:-1])


@every_optimizer
def test_a_horizon_of_one_step_works(case, generator):
    target = draw_targets(case, 2, generator, horizon=1)
    optimizer = case.build()
    solution = optimizer.optimize(
        quadratic(target), optimizer.initial_mean(2, 1), generator
    )
    assert ((solution.chosen - target[:, 0]).abs() < case.tolerance).all()


@every_optimizer
def test_no_instances_are_no_problem(case, generator):
    optimizer = case.build()
    solution = optimizer.optimize(
        lambda x: x.sum((-2, -1)), optimizer.initial_mean(0, HORIZON), generator
    )
    assert solution.chosen.shape == (0, HORIZON, N_FEATURES)


@every_optimizer
def test_a_passed_deadline_leaves_exactly_one_iteration(case, generator):
    objective = quadratic(draw_targets(case, 2, generator))
    optimizer = case.build()
    mean = optimizer.initial_mean(2, HORIZON)
    now = time.monotonic()
    late = optimizer.optimize(objective, mean, generator, deadline=now - 1.0)
    assert late.n_iterations == 1
    assert late.best_value.isfinite().all()
    in_time = optimizer.optimize(objective, mean, generator, deadline=now + 1e6)
    free = optimizer.optimize(objective, mean, generator)
    assert in_time.n_iterations == free.n_iterations > 1


@every_optimizer
def test_given_candidates_are_tried_in_the_first_iteration(case, generator):
    target = draw_targets(case, 2, generator)
    perfect = target.expand(-1, 2, -1, -1)

    def needle(x):
        is_hit = (x - target).abs().amax((-2, -1)) < 1e-6
        return is_hit + 0.0 * x.sum((-2, -1))

    optimizer = case.build()
    mean = optimizer.initial_mean(2, HORIZON)
    if case.optimizer is CategoricalCEM:
        # Makes the target impossible to draw.
        mean = 1.0 - target[:, 0]
    solution = optimizer.optimize(
        needle, mean, generator, candidates=perfect, deadline=time.monotonic() - 1.0
    )
    assert solution.best.equal(target[:, 0])
    assert solution.best_value.equal(torch.ones(2))


@every_optimizer
def test_neither_candidates_nor_arguments_are_overwritten(case, generator):
    target = draw_targets(case, 2, generator)
    seen = []

    def objective(x):
        seen.append((x.detach(), x.detach().clone()))
        return quadratic(target)(x)

    optimizer = case.build()
    mean = optimizer.initial_mean(2, HORIZON)
    given = target.clone()
    before = mean.clone(), given.clone()
    solution = optimizer.optimize(objective, mean, generator, candidates=given)
    assert all(x.equal(copy) for x, copy in seen)
    assert mean.equal(before[0]) and given.equal(before[1])
    for value in solution[:-1]:
        value.zero_()
    assert all(x.equal(copy) for x, copy in seen)
    assert mean.equal(before[0]) and given.equal(before[1])


@every_optimizer
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_it_works_with_gradients_switched_off(case, context, generator):
    target = draw_targets(case, 2, generator)
    weight = torch.ones(1, requires_grad=True)
    optimizer = case.build()
    with context():
        solution = optimizer.optimize(
            lambda x: weight * quadratic(target)(x),
            optimizer.initial_mean(2, HORIZON),
            generator,
        )
    assert weight.grad is None
    assert ((solution.chosen - target[:, 0]).abs() < case.tolerance).all()


@every_optimizer
def test_parameters_get_no_gradients_and_the_graph_is_not_kept(case, generator):
    target = draw_targets(case, 2, generator)
    weight = torch.ones(1, requires_grad=True)
    optimizer = case.build()
    mean = optimizer.initial_mean(2, HORIZON).requires_grad_()
    solution = optimizer.optimize(
        lambda x: weight * quadratic(target)(x), mean, generator
    )
    assert weight.grad is None and mean.grad is None
    assert not any(value.requires_grad for value in solution[:-1])


@every_optimizer
def test_double_precision_is_taken_and_single_is_used(case, generator):
    target = draw_targets(case, 2, generator)
    optimizer = case.build()
    solution = optimizer.optimize(
        lambda x: quadratic(target)(x).double(),
        optimizer.initial_mean(2, HORIZON).double(),
        generator,
        candidates=target.double(),
    )
    assert {value.dtype for value in solution[:-1]} == {torch.float32}


class SyncCounter(TorchDispatchMode):
    """Counts what would make the host wait for a device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket in (
            torch.ops.aten._local_scalar_dense,
            torch.ops.aten.nonzero,
            torch.ops.aten.masked_select,
        )
        return func(*args, **(kwargs or {}))


@every_optimizer
def test_no_iteration_waits_for_the_device(case, generator):
    target = draw_targets(case, 2, generator)
    counts = []
    for limit in (2, 6):
        optimizer = case.build(**{case_limit(case): limit})
        mean = optimizer.initial_mean(2, HORIZON)
        with SyncCounter() as counter:
            optimizer.optimize(quadratic(target), mean, generator)
        counts.append(counter.count)
    assert counts[0] == counts[1] > 0


@every_optimizer
@pytest.mark.parametrize(
    "shape", [(HORIZON, N_FEATURES), (2, 0, N_FEATURES), (2, HORIZON, N_FEATURES + 1)]
)
def test_a_mean_of_another_shape_is_refused(case, shape):
    with pytest.raises(ShapeError, match="mean must have shape"):
        case.build().optimize(lambda x: x.sum((-2, -1)), torch.zeros(shape))


@every_optimizer
@pytest.mark.parametrize(
    "shape",
    [
        (2, HORIZON, N_FEATURES),
        (3, 1, HORIZON, N_FEATURES),
        (2, 1, HORIZON + 1, N_FEATURES),
        (2, 1, HORIZON, 1),
    ],
)
def test_candidates_of_another_shape_are_refused(case, shape):
    optimizer = case.build()
    mean = optimizer.initial_mean(2, HORIZON)
    with pytest.raises(ShapeError, match="candidates must have shape"):
        optimizer.optimize(
            lambda x: x.sum((-2, -1)), mean, candidates=torch.zeros(shape)
        )


@every_optimizer
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_refused(case, bad):
    optimizer = case.build()
    mean = optimizer.initial_mean(2, HORIZON)
    broken = mean.clone()
    broken[1, 0, 0] = bad
    with pytest.raises(ConfigurationError, match="mean must be finite, got 1 "):
        optimizer.optimize(lambda x: x.sum((-2, -1)), broken)
    with pytest.raises(ConfigurationError, match="candidates must be finite"):
        optimizer.optimize(lambda x: x.sum((-2, -1)), mean, candidates=broken[:, None])


@every_optimizer
def test_a_mean_on_another_device_is_refused(case):
    mean = torch.zeros(1, HORIZON, N_FEATURES, device="meta")
    with pytest.raises(ConfigurationError, match="mean must be on cpu, got meta"):
        case.build().optimize(lambda x: x.sum((-2, -1)), mean)


@every_optimizer
@pytest.mark.parametrize(
    "objective",
    [
        lambda x: x.sum((-3, -2, -1)),
        lambda x: x.sum(-1),
        lambda x: x.sum((-2, -1))[..., None],
        lambda x: 1.0,
    ],
)
def test_values_of_another_shape_are_refused(case, objective):
    optimizer = case.build()
    with pytest.raises(ShapeError, match="objective must return values of shape"):
        optimizer.optimize(objective, optimizer.initial_mean(2, HORIZON))


@every_optimizer
def test_a_horizon_of_zero_is_refused(case):
    with pytest.raises(ConfigurationError, match="horizon .* got 0"):
        case.build().initial_mean(2, 0)


@pytest.mark.parametrize(
    "case, setting, value",
    [
        pytest.param(case, setting, value, id=f"{name}-{setting}-{value}")
        for name, case in CASES.items()
        if not case.settings
        for setting, values in {
            "n_iterations": [0, -1, 2.5, True],
            "n_candidates": [0, "many"],
            "n_steps": [0],
            "n_starts": [0],
            "elite_ratio": [0.0, 1.5, -0.1, float("nan")],
            "momentum": [-0.1, 1.0],
            "init_std": [0.0, -1.0, float("inf")],
            "min_std": [-0.1, 5.0],
            "temperature": [0.0, -1.0],
            "noise_beta": [-1.0, float("nan")],
            "population_decay": [0.9],
            "keep_ratio": [-0.1, 1.1],
            "shift_ratio": [-0.1, 1.1],
            "lr": [0.0],
            "uniform_share": [-0.1, 1.0],
            "sampling": ["wrap"],
            "projection": ["wrap"],
            "distribution": ["cauchy"],
            "return_mode": ["worst"],
        }.items()
        if setting in case.config.__dataclass_fields__
        for value in values
    ],
)
def test_settings_that_cannot_work_are_refused(case, setting, value):
    with pytest.raises(ConfigurationError, match=f"{setting} must be"):
        case.build(**{setting: value})


@pytest.mark.parametrize("case", BOXED.values(), ids=BOXED)
def test_a_generator_elsewhere_is_refused(case):
    class Elsewhere:
        device = torch.device("cuda")

    optimizer = case.build()
    with pytest.raises(ConfigurationError, match="generator must be on cpu"):
        optimizer.optimize(
            lambda x: x.sum((-2, -1)), optimizer.initial_mean(1, 1), Elsewhere()
        )


def test_only_what_climbs_needs_gradients():
    assert {
        case.optimizer for case in CASES.values() if case.build().needs_gradient
    } == {Gradient, Refined}
