"""The predictors' signatures are those of their API page."""

import inspect
import json
from pathlib import Path

import pytest
import torch

from layeredrl import predictors
from layeredrl.predictors import Predictor, PredictorFactory, RewardPredictor

DOCUMENTED = json.loads(
    (Path(__file__).parents[1] / "data" / "predictor_signatures.json").read_text()
)
# What comes after what the page has, each with a default.
FURTHER = {
    "RewardPredictor.__init__": ["hindsight"],
    # May also be called as `Predictor.learn` is, so that a level can hold either.
    "StaticPredictor.learn": ["model_batch_size", "n_total_env_steps"],
}


def expected(entry):
    """Name and default of a documented parameter."""
    if isinstance(entry, str):
        return entry, inspect.Parameter.empty
    name, default = entry
    return name, torch.device("cpu") if name == "device" else default


def find(name):
    owner, _, attribute = name.partition(".")
    found = getattr(predictors, owner)
    return getattr(found, attribute) if attribute else found


@pytest.mark.parametrize("name", DOCUMENTED)
def test_signature(name):
    parameters = list(inspect.signature(find(name)).parameters.values())
    owner, _, attribute = name.partition(".")
    is_method = attribute and not isinstance(
        inspect.getattr_static(getattr(predictors, owner), attribute), staticmethod
    )
    if is_method:
        assert parameters.pop(0).name == "self"
    documented = [expected(entry) for entry in DOCUMENTED[name]]
    further = parameters[len(documented) :]
    assert [(p.name, p.default) for p in parameters[: len(documented)]] == documented
    assert all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in parameters)
    assert [p.name for p in further] == FURTHER.get(name, [])
    assert all(p.default is not inspect.Parameter.empty for p in further)


@pytest.mark.parametrize("name", [n for n in DOCUMENTED if n.endswith("__init__")])
def test_classes_are_called_as_their_constructors(name):
    kind = find(name.partition(".")[0])
    parameters = list(inspect.signature(kind).parameters.values())
    documented = [expected(entry) for entry in DOCUMENTED[name]]
    found = [(p.name, p.default) for p in parameters]
    assert found[: len(documented)] == documented
    assert [n for n, _ in found[len(documented) :]] == FURTHER.get(name, [])


def test_kinds_and_abstract_methods():
    assert issubclass(RewardPredictor, Predictor)
    assert issubclass(Predictor, torch.nn.Module)
    assert Predictor.__abstractmethods__ == {"learn", "loss"}
    assert isinstance(
        inspect.getattr_static(Predictor, "sample_partial_trajectories"), staticmethod
    )
    assert not issubclass(PredictorFactory, torch.nn.Module)
