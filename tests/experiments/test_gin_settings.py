import gin
import numpy as np
import pytest
from gymnasium import spaces

from experiments.running.gin_settings import configure_gin, gin_is_named, unused_gin
from layeredrl.errors import ConfigurationError
from layeredrl.nets import ProbFCDynamics


@pytest.fixture(autouse=True)
def no_gin_afterwards():
    yield
    gin.clear_config()


def dynamics(**kwargs):
    box = spaces.Box(-np.inf, np.inf, (2,))
    return ProbFCDynamics(box, spaces.Box(-1, 1, (0,)), box, n_modes=1, **kwargs)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("NoSuchNet.width=1", "No configurable matching 'NoSuchNet'"),
        ("ProbFCDynamics.colour=1", "parameter named 'colour'"),
        ("ProbFCDynamics.hidden_sizes", "expected"),
        ("ProbFCDynamics.hidden_sizes=(a", "malformed"),
        ("nowhere.gin", "Unable to open file: nowhere.gin"),
    ],
)
def test_what_gin_cannot_use_is_named_in_one_line(entry, complaint):
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        configure_gin([entry])
    assert entry in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["'a'", "(8, None)", "7"])
def test_values_that_build_nothing_are_named(value):
    configure_gin([f"ProbFCDynamics.hidden_sizes={value}"])
    with pytest.raises(ConfigurationError) as caught, gin_is_named():
        dynamics()
    assert f"ProbFCDynamics.hidden_sizes = {value}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_fails_without_gins_doing_is_shown_in_full():
    configure_gin(["RewardNet.hidden_sizes=(8,)"])
    with pytest.raises(TypeError), gin_is_named():
        dynamics(hidden_sizes="a")
    with pytest.raises(ZeroDivisionError), gin_is_named():
        1 / 0  # noqa: B018


def test_what_nothing_used_is_told():
    configure_gin(["ProbFCDynamics.hidden_sizes=(8,)", "RewardNet.hidden_sizes=(8,)"])
    dynamics()
    assert unused_gin() == ["RewardNet.hidden_sizes"]
