import math

import pytest
import torch
from gymnasium import spaces
from torch import nn

from layeredrl.errors import ConfigurationError
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import MemberStack, MixtureParameters
from layeredrl.types import LatentTransitions
from tests.toys import ACTIONS, WIDER_NET, ensemble, transitions, unbounded

Z, C = 3, 2


class OwnMember(nn.Module):
    """A user's network, vectorised by torch.vmap."""

    def __init__(self, state_space, context_space, action_space, n_modes):
        super().__init__()
        self.z, self.n = state_space.shape[0], n_modes
        dim = self.z + context_space.shape[0] + 2
        self.net = nn.Sequential(nn.Linear(dim, 8), nn.LayerNorm(8), nn.Tanh())
        self.head = nn.Linear(8, 2 * self.n * self.z + self.n + 1)

    def forward(self, x):
        sizes = [self.n * self.z, self.n, self.n * self.z, 1]
        mean, logits, raw_std, term = self.head(self.net(x)).split(sizes, -1)
        modes = (self.n, self.z)
        return MixtureParameters(
            mean.unflatten(-1, modes),
            logits,
            raw_std.unflatten(-1, modes),
            term[..., 0],
        )


def assert_same(one, two, **tolerances):
    for x, y in zip(one, two, strict=True):
        torch.testing.assert_close(x, y, **tolerances)


def inputs(n=6, a=2):
    g = torch.Generator().manual_seed(5)
    return tuple(torch.randn(n, dim, generator=g) for dim in (Z, C, a))


NETS = {"stacked": {}, "vmapped": {"net": OwnMember}}


@pytest.fixture(params=NETS)
def big_and_small(request):
    """Three members, and the same members alone."""
    net = NETS[request.param]
    big = ensemble(Z, C, n_models=3, n_modes=2, **net)
    assert big.members.is_batched == (request.param == "stacked")
    small = []
    for i in range(3):
        model = ensemble(Z, C, n_models=1, n_modes=2, **net)
        model.load_state_dict(
            {
                key: value[i : i + 1] if key.startswith("members.") else value
                for key, value in big.state_dict().items()
            }
        )
        small.append(model)
    for model in (big, *small):
        model.observe(transitions(50, Z, C, seed=2), 10)
    return big, small


class TestMembers:
    def test_predictions_are_those_of_single_members(self, big_and_small):
        big, small = big_and_small
        found = big.predict(*inputs())
        for i, model in enumerate(small):
            assert_same([x[:, i : i + 1] for x in found], model.predict(*inputs()))

    def test_rollouts_are_those_of_single_members(self, big_and_small):
        big, small = big_and_small
        state, context, _ = inputs()
        actions = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(1))
        found = big.rollout(state, context, actions, deterministic=True)
        for i, model in enumerate(small):
            alone = model.rollout(state, context, actions, deterministic=True)
            assert_same([x[:, i : i + 1] for x in found], alone)

    def test_the_loss_is_the_mean_over_members(self, big_and_small):
        big, small = big_and_small
        batch = transitions(20, Z, C)
        losses = torch.stack([model.loss(batch).loss for model in small])
        torch.testing.assert_close(big.loss(batch).loss, losses.mean())

    def test_members_differ_from_the_start(self):
        prediction = ensemble(Z, C, n_models=3).predict(*inputs())
        assert not torch.equal(prediction.mean[:, 0], prediction.mean[:, 1])

    def test_members_draw_noise_of_their_own(self, generator):
        model = ensemble(Z, C, n_models=2)
        for parameter in model.members.parameters():
            parameter.data[1] = parameter.data[0]
        one, two = model.sample(*inputs(), generator).unbind(1)
        assert not torch.isclose(one, two).any()

    def test_no_particle_is_computed_twice(self, monkeypatch):
        rows = []
        forward = MemberStack.forward

        def spy(self, x):
            rows.append(x.shape)
            return forward(self, x)

        monkeypatch.setattr(MemberStack, "forward", spy)
        model = ensemble(Z, C, n_models=3, n_particles_per_model=4)
        state, context, _ = inputs()
        actions = torch.zeros(6, 5, 2)
        model.rollout(state, context, actions, deterministic=True)
        assert rows == [(3, 6, Z + C + 2)] * 5
        rows.clear()
        model.rollout(state, context, actions)
        assert rows == [(3, 4 * 6, Z + C + 2)] * 5


class TestDensity:
    def test_integrates_to_one(self):
        model = ensemble(1, 0, spaces.Box(-1, 1, (1,)), n_models=2, n_modes=3)
        data = transitions(200, 1, 0, 1)
        model.observe(data._replace(next_state=data.state + 3 * data.next_state), 1)
        grid = torch.linspace(-60, 60, 20_001).unsqueeze(1)
        one = torch.tensor([[0.4]])
        rows = len(grid)
        density = model.get_prob(
            one.expand(rows, 1), torch.zeros(rows, 0), one.expand(rows, 1), grid
        )
        total = torch.trapezoid(density, grid, dim=0)
        torch.testing.assert_close(total, torch.ones(2), atol=1e-3, rtol=0)

    def test_is_finite_far_away(self):
        model = ensemble(Z, C)
        log_prob = model.get_log_prob(*inputs(), torch.full((6, Z), 1e7))
        assert log_prob.isfinite().all()

    def test_draws_have_the_predicted_moments(self, generator):
        model = ensemble(Z, C, n_models=2, n_modes=3, n_particles_per_model=50)
        model.observe(transitions(100, Z, C), 1)
        one = [x[:1] for x in inputs()]
        prediction = [x[0] for x in model.predict(*one)]
        mean = (prediction[1].unsqueeze(-1) * prediction[0]).sum(1)
        second = prediction[2].square() + prediction[0].square()
        variance = (prediction[1].unsqueeze(-1) * second).sum(1) - mean.square()
        many = [x.expand(400, -1) for x in one]
        drawn = model.sample(*many, generator).transpose(0, 1).flatten(1, 2)
        deviation = variance.sqrt()
        error = (drawn.mean(1) - mean) / deviation
        assert (error.abs() < 5 / math.sqrt(drawn.shape[1])).all()
        torch.testing.assert_close(drawn.std(1), deviation, rtol=0.05, atol=0)


class Constant(nn.Module):
    """Predicts fixed numbers, so that losses can be worked out by hand."""

    def __init__(self, state_space, context_space, action_space, n_modes):
        super().__init__()
        z = state_space.shape[0]
        self.mean = nn.Parameter(torch.tensor([[1.0] * z, [-1.0] * z]))
        self.logits = nn.Parameter(torch.tensor([3.0, 1.0]).log())  # 3/4 and 1/4
        self.raw_std = nn.Parameter(torch.zeros(2, z))
        self.term_logit = nn.Parameter(torch.tensor(-math.log(3.0)))  # 1/4

    def forward(self, x):
        rows = len(x)
        return MixtureParameters(
            self.mean.expand(rows, 2, -1),
            self.logits.expand(rows, 2),
            self.raw_std.expand(rows, 2, -1),
            self.term_logit.expand(rows),
        )


class TestLoss:
    @staticmethod
    def model(**config):
        # raw_std = 0 lies half-way between the logarithms of min_std and max_std.
        settings = {"n_modes": 2, "min_std": 0.25, "max_std": 1.0} | config
        return ensemble(1, 0, spaces.Box(-1, 1, (1,)), net=Constant, **settings)

    @staticmethod
    def batch(delta, terminated, mask=None):
        n = len(delta)
        state = torch.arange(float(n)).unsqueeze(1)
        return LatentTransitions(
            state,
            torch.zeros(n, 0),
            torch.zeros(n, 1),
            state + torch.tensor(delta).unsqueeze(1),
            torch.tensor(terminated),
            torch.ones(n) if mask is None else torch.tensor(mask),
        )

    @staticmethod
    def nll(delta, std=0.5):
        def normal(x):
            return math.exp(-0.5 * (x / std) ** 2) / (std * math.sqrt(2 * math.pi))

        return -math.log(0.75 * normal(delta - 1) + 0.25 * normal(delta + 1))

    def test_by_hand(self):
        output = self.model().loss(self.batch([1.0, -0.5], [False, True]))
        nll = (self.nll(1.0) + self.nll(-0.5)) / 2
        term = (-math.log(0.75) - math.log(0.25)) / 2
        assert float(output.metrics["nll"]) == pytest.approx(nll, rel=1e-5)
        assert float(output.metrics["term_loss"]) == pytest.approx(term, rel=1e-5)
        assert output.loss.item() == pytest.approx(nll + term, rel=1e-5)

    def test_termination_has_a_weight(self):
        batch = self.batch([1.0, -0.5], [False, True])
        plain, heavy = self.model(), self.model(term_loss_weight=3.0)
        term = plain.loss(batch).metrics["term_loss"]
        torch.testing.assert_close(
            heavy.loss(batch).loss, plain.loss(batch).loss + 2 * term
        )

    def test_rows_that_are_not_valid_count_nothing(self):
        model = self.model()
        both = self.batch([1.0, 77.0], [False, True], [1.0, 0.0])
        one = self.batch([1.0], [False])
        torch.testing.assert_close(model.loss(both).loss, model.loss(one).loss)
        none = self.batch([1.0, 77.0], [False, True], [0.0, 0.0])
        assert model.loss(none).loss.item() == 0.0

    def test_changes_are_predicted_in_units_of_their_root_mean_square(self):
        model, raw = self.model(), self.model(normalize_targets=False)
        data = self.batch([3.0, 3.0, -3.0], [False] * 3)
        for m in (model, raw):
            m.observe(data, 1)
        batch = self.batch([3.0], [False])
        # Scaled, not centred: 3 becomes 1, the mean of one mode.
        assert float(model.loss(batch).metrics["nll"]) == pytest.approx(
            self.nll(1.0), rel=1e-5
        )
        assert float(raw.loss(batch).metrics["nll"]) == pytest.approx(
            self.nll(3.0), rel=1e-5
        )
        prediction = model.predict(
            torch.tensor([[10.0]]), torch.zeros(1, 0), torch.zeros(1, 1)
        )
        torch.testing.assert_close(
            prediction.mean[0, 0, :, 0], torch.tensor([13.0, 7.0])
        )
        torch.testing.assert_close(prediction.std[0, 0, :, 0], torch.tensor([1.5, 1.5]))
        torch.testing.assert_close(prediction.weights[0, 0], torch.tensor([0.75, 0.25]))
        torch.testing.assert_close(prediction.term_prob[0], torch.tensor([0.25]))

    def test_deviations_stay_within_their_bounds(self):
        model = ensemble(Z, C, min_std=0.1, max_std=0.4)
        state, context, action = inputs()
        std = model.predict(100 * state, context, 100 * action).std
        assert (std > 0.1 - 1e-5).all() and (std < 0.4 + 1e-5).all()
        assert std.max() > 0.3 and std.min() < 0.2


class TestSymmetryBreaking:
    DURATION = 1000

    def model(self, n_total_env_steps=0, **config):
        settings = {"n_models": 2, "sb_start_duration": self.DURATION} | config
        model = ensemble(Z, C, **settings)
        data = transitions(64, Z, C, seed=3)
        scaled = data._replace(next_state=data.state + 4.0 * data.next_state)
        model.observe(scaled, n_total_env_steps)
        return model

    def learned(self, n_total_env_steps=0, **config):
        """The same weights without symmetry breaking."""
        model = self.model(n_total_env_steps, **config)
        plain = ensemble(Z, C, n_models=2)
        plain.load_state_dict(model.state_dict())
        return plain

    def linear(self, model, state, action):
        scale = model.delta_normalizer.std
        return state + model.config.sb_gain * scale * (action @ model.start_map.T)

    @pytest.mark.parametrize("steps", [0, 1, 499, 500])
    @pytest.mark.parametrize("gain", [1.0, 1.7])
    def test_up_to_half_time_predictions_are_the_linear_map(self, steps, gain):
        model = self.model(steps, sb_gain=gain, sb_std=0.3)
        assert model.learned_share() == 0.0
        state, context, action = inputs()
        prediction = model.predict(state, context, action)
        expected = self.linear(model, state, action)[:, None, None].expand(6, 2, 4, Z)
        torch.testing.assert_close(prediction.mean, expected)
        std = (0.3 * model.delta_normalizer.std).expand(6, 2, 4, Z)
        torch.testing.assert_close(prediction.std, std)

    def test_the_map_is_fixed_and_orthonormal(self):
        model = self.model()
        torch.testing.assert_close(
            model.start_map.T @ model.start_map, torch.eye(2), atol=1e-5, rtol=0
        )
        before = model.start_map.clone()
        adam = torch.optim.Adam(model.parameters())
        for _ in range(3):
            model.learn(transitions(8, Z, C), adam, 5)
        assert torch.equal(before, model.start_map)

    @pytest.mark.parametrize(
        ("steps", "share"),
        [(600, 0.2), (750, 0.5), (900, 0.8), (1000, 1.0), (10**6, 1.0)],
    )
    def test_then_they_are_blended_linearly(self, steps, share):
        model, plain = self.model(steps), self.learned(steps)
        assert model.learned_share() == pytest.approx(share)
        state, context, action = inputs()
        linear = self.linear(model, state, action)[:, None, None]
        found, learned = (m.predict(state, context, action) for m in (model, plain))
        torch.testing.assert_close(
            found.mean, torch.lerp(linear.expand_as(learned.mean), learned.mean, share)
        )
        start_std = (model.config.sb_std * model.delta_normalizer.std).expand_as(
            found.std
        )
        torch.testing.assert_close(found.std, torch.lerp(start_std, learned.std, share))
        torch.testing.assert_close(found.weights, learned.weights)
        torch.testing.assert_close(found.term_prob, learned.term_prob)

    @pytest.mark.parametrize("steps", [0, 750])
    def test_rollouts_use_it_too(self, steps, generator):
        model = self.model(steps, n_particles_per_model=3)
        state, context, _ = inputs()
        actions = torch.randn(6, 4, 2, generator=generator)
        rollout = model.rollout(state, context, actions, deterministic=True)
        here = state
        for t in range(4):
            prediction = model.predict(here, context, actions[:, t])
            here = (prediction.weights.unsqueeze(-1) * prediction.mean).sum(2)[:, 1]
            torch.testing.assert_close(
                rollout.state[:, 1, 2, t + 1], here, rtol=1e-4, atol=1e-4
            )

    def test_every_particle_follows_the_action_of_its_row(self, generator):
        model = self.model(sb_std=1e-4, n_particles_per_model=3)
        state, context, action = inputs()
        drawn = model.sample(state, context, action, generator)
        expected = self.linear(model, state, action)[:, None, None].expand(6, 2, 3, Z)
        torch.testing.assert_close(drawn, expected, atol=0.01, rtol=0)

    def test_draws_have_its_deviation(self, generator):
        model = self.model(sb_std=0.25, n_particles_per_model=20)
        state, context, action = (x[:1].expand(200, -1) for x in inputs())
        drawn = model.sample(state, context, action, generator)
        change = (drawn - self.linear(model, state, action)[:, None, None]) / (
            model.delta_normalizer.std
        )
        torch.testing.assert_close(
            change.std((0, 1, 2)), torch.full((Z,), 0.25), rtol=0.05, atol=0
        )

    def test_the_loss_never_sees_it(self):
        batch = transitions(20, Z, C)
        torch.testing.assert_close(
            self.model(0).loss(batch).loss, self.learned(0).loss(batch).loss
        )

    def test_progress_is_saved(self):
        model = self.model(900)
        loaded = ensemble(Z, C, seed=8, n_models=2, sb_start_duration=self.DURATION)
        loaded.load_state_dict(model.state_dict())
        assert loaded.learned_share() == pytest.approx(0.8)
        assert_same(model.predict(*inputs()), loaded.predict(*inputs()))

    def test_more_actions_than_states_are_refused(self):
        with pytest.raises(ConfigurationError, match="got 3 and 4"):
            ensemble(3, 0, spaces.Discrete(4), sb_start_duration=1)

    def test_switched_off_there_is_nothing_to_check(self):
        model = ensemble(3, 0, spaces.Discrete(4), sb_start_duration=0)
        assert model.learned_share() == 1.0

    def test_discrete_choices_are_directions_too(self):
        model = ensemble(3, 0, spaces.Discrete(3), sb_start_duration=10)
        state, context = torch.zeros(3, 3), torch.zeros(3, 0)
        mean = model.predict(state, context, torch.arange(3)).mean[:, 0, 0]
        torch.testing.assert_close(mean @ mean.T, torch.eye(3), atol=1e-5, rtol=0)


class TestConfig:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"n_models": 0},
            {"n_modes": 0},
            {"n_particles_per_model": 0},
            {"min_std": 0.0},
            {"min_std": 3.0},
            {"sb_std": 0.0},
            {"sb_start_duration": -1},
            {"state_noise": -0.1},
        ],
    )
    def test_impossible_numbers_are_named(self, wrong):
        with pytest.raises(ConfigurationError, match=str(next(iter(wrong.values())))):
            EnsembleConfig(**wrong)

    def test_same_global_seed_same_model(self):
        one, two, other = (
            ensemble(Z, C, seed=seed, sb_start_duration=9) for seed in (0, 0, 1)
        )
        assert_same(one.state_dict().values(), two.state_dict().values())
        assert not torch.equal(one.start_map, other.start_map)


def fit(model, batches, lr=5e-3):
    adam = torch.optim.Adam(model.parameters(), lr=lr)
    for batch in batches:
        output = model.learn(batch, adam, 1)
    return output


@pytest.mark.learning
@pytest.mark.parametrize("units", [1.0, 1e-3])
def test_learns_two_modes_and_when_episodes_end(units, generator):
    # One jumps by +1 with probability .7, else by -1, and falls off beyond x = 1.
    def sample(n):
        state = torch.empty(n, 1).uniform_(-2, 2, generator=generator)
        jump = torch.where(torch.rand(n, 1, generator=generator) < 0.7, 1.0, -1.0)
        noise = 0.05 * torch.randn(n, 1, generator=generator)
        return LatentTransitions(
            units * state,
            torch.zeros(n, 0),
            torch.zeros(n, 1),
            units * (state + jump + noise),
            state[:, 0] > 1.0,
            torch.ones(n),
        )

    actions = spaces.Box(-1, 1, (1,))
    model = ensemble(1, 0, actions, n_models=2, n_modes=3, net=WIDER_NET)
    output = fit(model, (sample(256) for _ in range(600)))
    # The best there is: entropies of the coin and of the noise, in normalised units.
    best = 0.611 + 0.5 * math.log(2 * math.pi * math.e * 0.05**2)
    assert output.metrics["nll"].item() < best + 0.3  # one Gaussian: best + 2.3
    assert output.metrics["term_loss"].item() < 0.1
    state = units * torch.tensor([[0.0], [1.8], [-1.5]])
    blank = (torch.zeros(3, 0), torch.zeros(3, 1))
    up = model.get_prob(state, *blank, state + units)
    down = model.get_prob(state, *blank, state - units)
    middle = model.get_prob(state, *blank, state)
    torch.testing.assert_close(
        up / (up + down), torch.full((3, 2), 0.7), atol=0.1, rtol=0
    )
    assert (middle < 0.05 * down).all()
    term_prob = model.predict(state, *blank).term_prob
    expected = torch.tensor([0.0, 1.0, 0.0]).unsqueeze(1).expand(3, 2)
    torch.testing.assert_close(term_prob, expected, atol=0.05, rtol=0)


def test_learning_makes_predictions_better(generator):
    def sample(n):
        data = transitions(
            n, 2, 1, seed=int(torch.randint(9999, (), generator=generator))
        )
        following = 0.8 * data.state + 0.5 * data.action + 0.3 * data.context
        return data._replace(next_state=following)

    model = ensemble(2, 1, n_modes=2, net=WIDER_NET)
    test = sample(200)

    def error():
        prediction = model.predict(test.state, test.context, test.action)
        mean = (prediction.weights.unsqueeze(-1) * prediction.mean).sum(2)[:, 0]
        return (mean - test.next_state).square().mean().item()

    before = error()
    fit(model, (sample(128) for _ in range(200)))
    assert error() < 0.01 * before


def test_is_built_from_spaces():
    model = ProbabilisticEnsemble(unbounded(2), unbounded(1), ACTIONS, device="cpu")
    assert (model.state_dim, model.context_dim, model.action_dim) == (2, 1, 2)
    assert (model.n_models, model.n_modes, model.n_particles) == (1, 4, 1)
