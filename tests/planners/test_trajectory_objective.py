import pytest
import torch

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.planners import ObjectiveConfig, TrajectoryObjective, disagreement
from layeredrl.predictors import RewardedRollout
from tests.planners import worlds

ZEROS = torch.zeros(1, 2)


def objective(predictor, state=ZEROS, context=None, auxiliary=(), **config):
    context = torch.zeros(len(state), 2) if context is None else context
    return TrajectoryObjective(
        predictor, state, context, ObjectiveConfig(**config), auxiliary
    )


def one(state, context, action):
    return torch.ones(state.shape[:-1])


def sequences(*rows):
    """Candidates (1, K, T, 2) whose second feature is zero."""
    first = torch.tensor(rows)
    return torch.stack([first, torch.zeros_like(first)], dim=-1).unsqueeze(0)


class TestReturns:
    def test_by_hand(self):
        # From x = 0 in half steps; pays where one is before the step, x = 0, .5, 0.
        world = worlds.predictor(lambda s, c, a: s[..., 0] + 0.1 * a[..., 0])
        values = objective(world)(sequences([1.0, -1.0, 0.0], [1.0, 1.0, 1.0]))
        assert values.tolist() == [[pytest.approx(0.5), pytest.approx(1.8)]]

    def test_discounts_per_planned_step(self):
        values = objective(worlds.predictor(one), gamma=0.5)(sequences([0.0] * 4))
        assert values.item() == pytest.approx(1 + 0.5 + 0.25 + 0.125)

    def test_rewards_count_while_one_is_alive(self):
        def term(state, context, action):
            return torch.full(state.shape[:-1], 0.5)

        world = worlds.predictor(one, term=term)
        assert objective(world)(sequences([0.0] * 3)).item() == 1.75
        found = objective(world, gamma=0.5)(sequences([0.0] * 3)).item()
        assert found == 1 + 0.25 + 0.0625

    def test_the_step_that_ends_it_is_paid(self):
        # Falls off when it steps from beyond x = 0.75.
        world = worlds.predictor(one, term=lambda s, c, a: s[..., 0] > 0.75)
        values = objective(world)(sequences([1.0] * 4, [1.0, 0.0, 0.0, 0.0]))
        assert values.tolist() == [[3.0, 4.0]]

    def test_each_instance_has_its_own_start_and_context(self, generator):
        state, context = (torch.randn(3, 2, generator=generator) for _ in range(2))
        candidates = torch.rand(3, 5, 4, 2, generator=generator)
        world = worlds.predictor()
        together = objective(world, state, context)(candidates)
        assert together.shape == (3, 5)
        for i in range(3):
            for k in range(5):
                alone = objective(world, state[i : i + 1], context[i : i + 1])(
                    candidates[i : i + 1, k : k + 1]
                )
                torch.testing.assert_close(together[i : i + 1, k : k + 1], alone)

    def test_members_and_particles_are_averaged(self):
        model = worlds.Quarrel(n_particles=500)
        world = worlds.predictor(lambda s, c, a: s[..., 1], model=model)
        world.generator = torch.Generator().manual_seed(0)
        candidates = torch.tensor([[[[0.0, 5.0], [0.0, 5.0]]]])
        # Members are at +5 and -5 before the second step: on average at 0.
        assert objective(world)(candidates).item() == 0.0
        drawn = objective(world, deterministic=False)(candidates).item()
        assert drawn != 0.0 and abs(drawn) < 0.2


class TestTerminalValue:
    @staticmethod
    def value(state, context, action):
        return 10 * state[..., 0] + action[..., 0]

    def test_of_the_last_state_is_added(self):
        world = worlds.predictor(one, val_func=self.value)
        candidates = sequences([1.0, 1.0, -0.5])
        assert objective(world)(candidates).item() == 3.0
        found = objective(world, terminal_value=True)(candidates)
        assert found.item() == pytest.approx(3 + 10 * 0.75 - 0.5)

    def test_is_discounted_and_weighted_by_survival(self):
        def term(state, context, action):
            return torch.full(state.shape[:-1], 0.2)

        world = worlds.predictor(
            lambda s, c, a: 0 * s[..., 0], term=term, val_func=self.value
        )
        candidates = sequences([1.0, 1.0])
        found = objective(world, terminal_value=True, gamma=0.5)(candidates)
        assert found.item() == pytest.approx(0.8**2 * 0.5**2 * 11.0)

    def test_without_a_value_function_is_zero(self):
        found = objective(worlds.predictor(one), terminal_value=True)
        assert found(sequences([1.0, 1.0])).item() == 2.0

    def test_particles_that_coincide_are_valued_once(self):
        rows = []

        def value(state, context, action):
            rows.append(state.shape[:-1].numel())
            return state[..., 0]

        world = worlds.predictor(model=worlds.Quarrel(n_particles=7), val_func=value)
        objective(world, terminal_value=True)(torch.zeros(1, 3, 2, 2))
        assert rows == [2 * 3]


class TestDisagreement:
    candidates = torch.tensor([[[[0.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]]]])

    def test_by_hand(self):
        world = worlds.predictor(model=worlds.Quarrel())
        rollout, _ = objective(world).rollout(self.candidates[0], n_candidates=2)
        # Members at +-1 and +-3: variances 1 and 9.
        assert disagreement(rollout).tolist() == [[0, 0, 0], [0, 1, 9]]

    @pytest.mark.parametrize(
        ("weight", "value"), [(0.0, 0.0), (-0.5, -5.0), (2.0, 20.0)]
    )
    def test_is_a_penalty_or_a_bonus(self, weight, value):
        world = worlds.predictor(lambda s, c, a: 0 * s[..., 0], model=worlds.Quarrel())
        found = objective(world, disagreement_weight=weight)(self.candidates)
        assert found.tolist() == [[0.0, value]]

    def test_of_a_single_member_is_zero(self):
        rollout, _ = objective(worlds.predictor()).rollout(self.candidates[0], 2)
        assert not disagreement(rollout).any()

    def test_is_not_that_of_particles(self):
        states = torch.zeros(1, 2, 2, 3, 1)
        states[0, :, 0], states[0, :, 1] = 5.0, -5.0
        rollout = RewardedRollout(
            states, torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
        )
        assert not disagreement(rollout).any()


class TestAuxiliaryRewards:
    def test_are_added(self):
        def effort(rollout, context, actions):
            return -actions.square().sum((1, 2))

        def far(rollout, context, actions):
            return 100 * rollout.state[:, 0, 0, -1, 0]

        world = worlds.predictor(one)
        found = objective(world, auxiliary=[effort, far])(
            sequences([1.0, 1.0], [0.0, -1.0])
        )
        assert found.tolist() == [[2 - 2 + 100, 2 - 1 - 50]]

    def test_get_the_contexts_of_their_rows(self):
        context = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
        world = worlds.predictor(lambda s, c, a: 0 * s[..., 0])
        found = objective(
            world, torch.zeros(2, 2), context, [lambda rollout, c, a: c[:, 0]]
        )(torch.zeros(2, 3, 2, 2))
        assert found.tolist() == [[1.0] * 3, [2.0] * 3]

    def test_of_wrong_shape_are_named(self):
        # (6, 1) would silently become (6, 6).
        found = objective(worlds.predictor(), auxiliary=[lambda r, c, a: a[:, :1, 0]])
        with pytest.raises(ShapeError, match=r"\(6,\), got \(6, 1\)"):
            found(torch.zeros(1, 6, 2, 2))


@pytest.mark.parametrize("gamma", [-0.1, 1.1])
def test_impossible_discounts_are_refused(gamma):
    with pytest.raises(ConfigurationError, match=str(gamma)):
        ObjectiveConfig(gamma=gamma)


@pytest.mark.parametrize(
    "config, interval, expected",
    [
        ({}, 3, 1.0),
        ({"terminal_value": True}, 1, 0.9),
        ({"terminal_value": True}, 3, 0.9**3),
        ({"terminal_value": True, "gamma": 0.5}, 3, 0.5),
        ({"gamma": 0.5}, 1, 0.5),
    ],
)
def test_the_discount_follows_the_value(config, interval, expected):
    world = worlds.predictor(lambda s, c, a: torch.ones(s.shape[:-1]))
    world.gamma, world.decision_interval = 0.9, interval
    found = objective(world, **config)(sequences([0.0] * 3)).item()
    assert found == pytest.approx(1 + expected + expected**2)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_refused(weight):
    with pytest.raises(ConfigurationError, match=f"must be finite, got {weight}"):
        ObjectiveConfig(disagreement_weight=weight)


def test_what_the_predictor_cannot_tell_is_refused():
    known = worlds.predictor()
    assert known.val_func is None and known.model.n_models == 1
    ObjectiveConfig().check(known)
    with pytest.raises(ConfigurationError, match="needs a predictor with a value"):
        ObjectiveConfig(terminal_value=True).check(known)
    with pytest.raises(ConfigurationError, match="-0.5 needs a model with several"):
        ObjectiveConfig(disagreement_weight=-0.5).check(known)
