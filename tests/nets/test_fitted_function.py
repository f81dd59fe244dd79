"""What every reward and value network does."""

import pytest
import torch

from layeredrl.nets import (
    LatentFunction,
    ReachedRewardNet,
    RewardNet,
    TransitionReward,
    ValueNet,
)

Z, C, A = 3, 2, 1
FUNCTIONS = {
    "reward": lambda c=C: RewardNet(Z, c, A, hidden_sizes=(8,)),
    "value": lambda c=C: ValueNet(Z, c, hidden_sizes=(8,)),
    "reached": lambda c=C: ReachedRewardNet(Z, c, A, hidden_sizes=(8,)),
}


@pytest.fixture(params=FUNCTIONS)
def name(request):
    return request.param


def arguments(name, *lead, c=C):
    g = torch.Generator().manual_seed(0)
    dims = (Z, c, A, Z) if name == "reached" else (Z, c, A)
    return tuple(torch.randn(*lead, dim, generator=g) for dim in dims)


@pytest.mark.parametrize("c", [0, C])
@pytest.mark.parametrize("lead", [(), (4,), (4, 2, 3)])
def test_shapes(name, lead, c):
    assert FUNCTIONS[name](c)(*arguments(name, *lead, c=c)).shape == lead


def test_kinds():
    assert isinstance(FUNCTIONS["reached"](), TransitionReward)
    assert isinstance(FUNCTIONS["reward"](), LatentFunction)
    assert isinstance(FUNCTIONS["value"](), LatentFunction)


@pytest.mark.parametrize(
    ("name", "ignored"), [("reward", ()), ("value", (2,)), ("reached", (0, 2))]
)
def test_depends_on_what_it_says(name, ignored):
    function = FUNCTIONS[name]()
    inputs = [x.requires_grad_() for x in arguments(name, 6)]
    function(*inputs).sum().backward()
    for i, x in enumerate(inputs):
        assert (x.grad is None) == (i in ignored)


def test_errors_are_measured_in_the_targets_deviation(name, generator):
    function = FUNCTIONS[name]()
    assert float(function.output_scale) == 1.0
    target = 30.0 + 5.0 * torch.randn(1000, generator=generator)
    function.observe(arguments(name, 1000), target)
    scale = target.std(unbiased=False)
    torch.testing.assert_close(function.output_scale, scale)
    # It is a buffer of its own, not a view of the regressor's.
    function.observe(arguments(name, 1000), 10 * target)
    assert not torch.equal(function.output_scale, scale)


@pytest.mark.parametrize(
    ("name", "seen"), [("reward", (0, 1, 2)), ("value", (0, 1)), ("reached", (3, 1))]
)
def test_the_scale_of_the_inputs_is_followed(name, seen, generator):
    function, inputs = FUNCTIONS[name](), arguments(name, 50)
    inputs = tuple(7.0 * i + x for i, x in enumerate(inputs))
    function.observe(inputs, torch.randn(50, generator=generator))
    expected = torch.cat([inputs[i] for i in seen], dim=-1).mean(0)
    torch.testing.assert_close(function.regressor.inputs.mean, expected)


def test_state_is_saved(name, generator):
    function, loaded = FUNCTIONS[name](), FUNCTIONS[name]()
    function.observe(arguments(name, 20), torch.randn(20, generator=generator))
    loaded.load_state_dict(function.state_dict())
    inputs = arguments(name, 5)
    torch.testing.assert_close(loaded(*inputs), function(*inputs), rtol=0, atol=0)
    assert torch.equal(loaded.output_scale, function.output_scale)
