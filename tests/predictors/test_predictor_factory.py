from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.models import EnsembleConfig, KnownDynamics, ProbabilisticEnsemble
from layeredrl.nets import (
    EncoderNet,
    FixedEncoderNet,
    GoalReward,
    IdentityEncoder,
    RewardNet,
    ValueNet,
)
from layeredrl.predictors import PredictorFactory, RewardPredictor, StaticPredictor
from tests.toys import ACTIONS

CPU = torch.device("cpu")


def factory(**parts):
    recipes = {
        "partial_model": ProbabilisticEnsemble,
        "partial_val_func": ValueNet,
        "partial_rew_func": RewardNet,
        "partial_encoder": partial(
            FixedEncoderNet, latent_state_dims=(0, 1, 2), context_dims=(3,)
        ),
        "partial_predictor": RewardPredictor,
    }
    return PredictorFactory(**(recipes | parts))


@pytest.mark.parametrize(("actions", "n"), [(ACTIONS, 2), (spaces.Discrete(5), 5)])
@pytest.mark.parametrize(
    ("encoder", "dims"),
    [
        (IdentityEncoder, (4, 0)),
        (partial(FixedEncoderNet, latent_state_dims=(1,), context_dims=(0, 2)), (1, 2)),
        (partial(EncoderNet, latent_state_dim=3, context_dim=1), (3, 1)),
    ],
)
def test_parts_get_the_dimensions_of_the_encoder(actions, n, encoder, dims):
    predictor = factory(partial_encoder=encoder)((4,), actions, CPU, None)
    assert (predictor.latent_state_dim, predictor.context_dim) == dims
    assert (predictor.model.state_dim, predictor.model.context_dim) == dims
    assert predictor.model.action_dim == n
    obs, act = torch.randn(6, 4), torch.zeros(6, n)
    assert predictor.predict(obs, act).reward.shape == (6,)
    assert predictor.value(obs, act).shape == (6,)


def test_parts_are_called_as_documented():
    calls = {}

    def recording(name, build):
        def recipe(*args, **kwargs):
            calls[name] = args, kwargs
            return build(*args, **kwargs)

        return recipe

    built = factory(
        partial_model=recording("model", ProbabilisticEnsemble),
        partial_val_func=recording("val_func", ValueNet),
        partial_rew_func=recording("rew_func", RewardNet),
        partial_encoder=recording("encoder", IdentityEncoder),
        partial_predictor=recording("predictor", RewardPredictor),
    )((4,), ACTIONS, CPU, "writer")
    assert calls["encoder"] == (((4,),), {"device": CPU})
    assert calls["val_func"] == ((4, 0), {"device": CPU})
    assert calls["rew_func"] == ((4, 0, 2), {"device": CPU})
    (state, context, actions), keywords = calls["model"]
    assert keywords == {"device": CPU} and actions is ACTIONS
    assert state.shape == (4,) and context.shape == (0,)
    assert not state.is_bounded("below") and state.dtype == np.float32
    args, keywords = calls["predictor"]
    assert args == () and keywords == {
        "model": built.model,
        "val_func": built.val_func,
        "rew_func": built.rew_func,
        "encoder": built.encoder,
        "latent_state_dim": 4,
        "context_dim": 0,
        "device": CPU,
        "writer": "writer",
    }


def test_without_a_value_function():
    predictor = factory(partial_val_func=None)((4,), ACTIONS, CPU, None)
    assert predictor.val_func is None


def test_static_predictors_and_plain_functions():
    predictor = factory(
        partial_model=partial(KnownDynamics, function=lambda s, c, a: s),
        partial_val_func=lambda state_dim, context_dim, device: torch.nn.Identity(),
        partial_rew_func=lambda s, c, a, device: GoalReward(
            lambda ag, dg, info: ag[:, 0]
        ),
        partial_predictor=StaticPredictor,
    )((4,), ACTIONS, CPU, None)
    assert isinstance(predictor, StaticPredictor)
    reward = predictor.predict_reward(torch.ones(2, 4), torch.zeros(2, 2))
    assert reward.tolist() == [1.0, 1.0]


def test_each_call_makes_a_new_predictor():
    build = factory()
    one, two = (build((4,), ACTIONS, CPU, None) for _ in range(2))
    pointers = [{p.data_ptr() for p in x.parameters()} for x in (one, two)]
    assert not pointers[0] & pointers[1]


def test_two_configurations_do_not_influence_each_other():
    small = factory(
        partial_model=partial(ProbabilisticEnsemble, config=EnsembleConfig(1, 1))
    )
    large = factory(
        partial_model=partial(ProbabilisticEnsemble, config=EnsembleConfig(3, 5))
    )
    sizes = []
    for build in (small, large, small):
        model = build((4,), ACTIONS, CPU, None).model
        sizes.append((model.n_models, model.n_modes))
    assert sizes == [(1, 1), (3, 5), (1, 1)]


@pytest.mark.parametrize(
    "part",
    ["partial_model", "partial_rew_func", "partial_encoder", "partial_predictor"],
)
@pytest.mark.parametrize("recipe", [None, 3])
def test_recipes_that_cannot_be_called_are_named(part, recipe):
    with pytest.raises(ConfigurationError, match=f"{part} must be callable"):
        factory(**{part: recipe})


def test_impossible_spaces_are_named():
    with pytest.raises(SpaceError, match="MultiBinary"):
        factory()((4,), spaces.MultiBinary(2), CPU, None)
    with pytest.raises(SpaceError, match="flat observations"):
        factory()({"vector": (3,), "image": (8, 8, 3)}, ACTIONS, CPU, None)
    with pytest.raises(ConfigurationError, match="latent_state_dim"):
        factory(partial_encoder=lambda shape, device: torch.nn.Identity())(
            (4,), ACTIONS, CPU, None
        )
