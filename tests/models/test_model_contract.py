"""What every model does."""

import copy

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from layeredrl.errors import ShapeError, SpaceError
from layeredrl.models import KnownDynamics, Model, RandomDynamics
from tests.toys import ACTIONS, ensemble, transitions, unbounded

Z = 3
CONTEXTS = {"no context": 0, "context": 2}
ACTION_SPACES = {"box": ACTIONS, "discrete": spaces.Discrete(3, start=-1)}


def known(c, actions):
    def move(state, context, action):
        drift = context.sum(-1, keepdim=True)
        return 0.9 * state + 0.1 * drift + action.sum(-1, keepdim=True)

    def ends(state, context, action):
        return (state[..., 0] / 10).sigmoid()

    return KnownDynamics(unbounded(Z), unbounded(c), actions, move, ends, std=0.05)


def learned(**config):
    def build(c, actions):
        model = ensemble(Z, c, actions, **config)
        batch = transitions(64, Z, c, model.action_dim, seed=1)
        model.observe(batch._replace(state=5.0 + 3.0 * batch.state), 150)
        return model

    return build


MODELS = {
    "known": known,
    "random": lambda c, actions: RandomDynamics(
        unbounded(Z), unbounded(c), actions, gain=0.5
    ),
    "one member": learned(n_modes=1),
    "mixture": learned(n_modes=4),
    "ensemble": learned(n_models=3, n_modes=2, n_particles_per_model=2),
    "raw": learned(n_models=2, normalize_inputs=False, normalize_targets=False),
    "symmetry breaking": learned(n_models=2, sb_start_duration=200),
}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture(params=CONTEXTS)
def c(request):
    return CONTEXTS[request.param]


@pytest.fixture(params=ACTION_SPACES)
def actions(request):
    return ACTION_SPACES[request.param]


@pytest.fixture
def model(name, c, actions):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MODELS[name](c, actions)


def sampled_actions(space, *lead, seed=0):
    rng = np.random.default_rng(seed)
    if isinstance(space, spaces.Discrete):
        return torch.tensor(rng.integers(space.start, space.start + space.n, lead))
    return torch.tensor(rng.uniform(-1, 1, (*lead, *space.shape)), dtype=torch.float32)


@pytest.fixture
def inputs(c, actions):
    """States (5, Z), contexts (5, C) and actions of five rows."""
    g = torch.Generator().manual_seed(1)
    state = torch.randn(5, Z, generator=g)
    return state, torch.randn(5, c, generator=g), sampled_actions(actions, 5)


@pytest.fixture
def sequences(inputs, actions):
    return *inputs[:2], sampled_actions(actions, 5, 4)


def assert_same(one, two, **tolerances):
    for x, y in zip(one, two, strict=True):
        torch.testing.assert_close(x, y, **tolerances)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_predictions(model, inputs):
    m, n = model.n_models, model.n_modes
    prediction = model.predict(*inputs)
    assert prediction.mean.shape == prediction.std.shape == (5, m, n, Z)
    assert prediction.weights.shape == (5, m, n)
    assert prediction.term_prob.shape == (5, m)
    torch.testing.assert_close(prediction.weights.sum(-1), torch.ones(5, m))
    assert (prediction.std > 0).all()
    assert ((prediction.term_prob >= 0) & (prediction.term_prob <= 1)).all()


@pytest.mark.parametrize("deterministic", [True, False])
def test_rollout_shapes(model, sequences, deterministic):
    rollout = model.rollout(*sequences, deterministic, seeded())
    m, p = model.n_models, model.n_particles
    assert rollout.state.shape == (5, m, p, 5, Z)
    assert rollout.term_prob.shape == (5, m, p, 4)
    start = sequences[0][:, None, None].expand(5, m, p, Z)
    torch.testing.assert_close(rollout.state[..., 0, :], start, atol=1e-5, rtol=1e-5)
    assert ((rollout.term_prob >= 0) & (rollout.term_prob <= 1)).all()


def test_no_rows_are_legal(model, inputs, sequences):
    prediction = model.predict(*(x[:0] for x in inputs))
    assert all(len(x) == 0 for x in prediction)
    for deterministic in (True, False):
        rollout = model.rollout(*(x[:0] for x in sequences), deterministic, seeded())
        m, p = model.n_models, model.n_particles
        assert rollout.state.shape == (0, m, p, 5, Z)


def test_a_batch_is_a_loop(model, inputs, sequences):
    together = model.predict(*inputs)
    imagined = model.rollout(*sequences, deterministic=True)
    for i in range(5):
        alone = model.predict(*(x[i : i + 1] for x in inputs))
        assert_same([x[i : i + 1] for x in together], alone)
        alone = model.rollout(*(x[i : i + 1] for x in sequences), deterministic=True)
        assert_same([x[i : i + 1] for x in imagined], alone)


def test_a_deterministic_rollout_repeats_the_predicted_mean(model, sequences):
    state, context, actions = sequences
    rollout = model.rollout(state, context, actions, deterministic=True)
    for member in range(model.n_models):
        here = state
        for t in range(4):
            prediction = model.predict(here, context, actions[:, t])
            weights = prediction.weights[:, member].unsqueeze(-1)
            here = (weights * prediction.mean[:, member]).sum(1)
            for particle in range(model.n_particles):
                torch.testing.assert_close(
                    rollout.state[:, member, particle, t + 1],
                    here,
                    rtol=1e-4,
                    atol=1e-4,
                )
                torch.testing.assert_close(
                    rollout.term_prob[:, member, particle, t],
                    prediction.term_prob[:, member],
                    rtol=1e-4,
                    atol=1e-5,
                )


@pytest.mark.parametrize("name", ["ensemble"], indirect=True)
def test_coinciding_particles_share_their_memory(model, sequences):
    rollout = model.rollout(*sequences, deterministic=True)
    assert model.n_particles == 2
    assert rollout.state.stride(2) == rollout.term_prob.stride(2) == 0


def test_stochastic_rollouts_follow_their_generator(model, sequences):
    one, two, other = (
        model.rollout(*sequences, generator=seeded(seed)) for seed in (0, 0, 1)
    )
    assert_same(one, two, rtol=0, atol=0)
    assert not torch.equal(one.state, other.state)
    global_before = torch.get_rng_state()
    model.rollout(*sequences, generator=seeded())
    assert torch.equal(global_before, torch.get_rng_state())


def test_particles_and_rows_get_noise_of_their_own(model, inputs):
    state, context, action = (x[:1].expand(5, *x.shape[1:]) for x in inputs)
    drawn = model.sample(state, context, action, seeded())
    assert drawn.shape == (5, model.n_models, model.n_particles, Z)
    assert len(drawn.flatten(0, 2).unique(dim=0)) == drawn[..., 0].numel()


@pytest.mark.parametrize("actions", ["discrete"], indirect=True)
def test_indices_are_one_hot_features(model, inputs, sequences):
    state, context, index = inputs
    features = torch.eye(3)[index + 1]
    assert_same(
        model.predict(state, context, index), model.predict(state, context, features)
    )
    state, context, index = sequences
    features = torch.eye(3)[index + 1]
    assert_same(
        model.rollout(state, context, index, True),
        model.rollout(state, context, features, True),
    )


def test_density_is_that_of_the_mixture(model, inputs):
    state, context, action = inputs
    prediction = model.predict(*inputs)
    modes = Independent(Normal(prediction.mean, prediction.std), 1)
    reference = MixtureSameFamily(Categorical(prediction.weights), modes)
    next_state = prediction.mean[:, 0, 0] + 0.7 * prediction.std[:, 0, 0]
    expected = reference.log_prob(next_state.unsqueeze(1))
    log_prob = model.get_log_prob(state, context, action, next_state)
    torch.testing.assert_close(log_prob, expected, rtol=1e-4, atol=1e-3)
    prob = model.get_prob(state, context, action, next_state)
    torch.testing.assert_close(prob, log_prob.exp())


def test_losses_are_pure(model, c):
    batch = transitions(6, Z, c, model.action_dim)
    state = copy.deepcopy(model.state_dict())
    first, second = model.loss(batch), model.loss(batch)
    assert first.loss.shape == () and first.loss.requires_grad
    torch.testing.assert_close(first.loss, second.loss, rtol=0, atol=0)
    assert not any(x.requires_grad for x in first.metrics.values())
    assert_same(model.state_dict().values(), state.values(), rtol=0, atol=0)


def test_learning_takes_a_step(model, c):
    batch = transitions(6, Z, c, model.action_dim)
    parameters = list(model.parameters())
    before = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.SGD(parameters or [torch.zeros(1)], lr=0.1)
    output = model.learn(batch, optimizer, 7)
    assert output.loss.isfinite()
    for old, new in zip(before, parameters, strict=True):
        assert not torch.equal(old, new)


@pytest.mark.parametrize("how", ["state dict", "deepcopy"])
def test_state_is_everything(name, c, actions, model, inputs, sequences, how):
    if how == "deepcopy":
        copied = copy.deepcopy(model)
    else:
        copied = MODELS[name](c, actions)
        copied.load_state_dict(copy.deepcopy(model.state_dict()))
    assert_same(model.predict(*inputs), copied.predict(*inputs), rtol=0, atol=0)
    assert_same(
        model.rollout(*sequences, generator=seeded()),
        copied.rollout(*sequences, generator=seeded()),
        rtol=0,
        atol=0,
    )
    shared = {x.data_ptr() for x in model.state_dict().values()} & {
        x.data_ptr() for x in copied.state_dict().values()
    }
    assert not shared - {0}


def test_moves_with_all_its_state(model):
    moved = model.to("meta")
    assert isinstance(moved, Model)
    assert all(x.device.type == "meta" for x in moved.state_dict().values())


def test_wrong_actions_are_named(model, inputs):
    state, context, _ = inputs
    with pytest.raises(ShapeError, match="built for"):
        model.predict(state, context, torch.zeros(5, 7))


@pytest.mark.parametrize("actions", ["discrete"], indirect=True)
def test_impossible_choices_are_named(model, inputs):
    state, context, _ = inputs
    with pytest.raises(SpaceError, match="outside"):
        model.predict(state, context, torch.full((5,), 2))


def test_impossible_spaces_are_refused():
    with pytest.raises(SpaceError, match="at least one feature"):
        KnownDynamics(unbounded(0), unbounded(0), ACTIONS, lambda s, c, a: s)
    with pytest.raises(SpaceError, match="Box or a Discrete"):
        RandomDynamics(unbounded(2), unbounded(0), spaces.MultiBinary(2))
