import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.optimizers import CEM, ICEM, CEMConfig, ICEMConfig
from layeredrl.planners import CEMPlanner
from tests.planners import worlds
from tests.toys import ACTIONS, unbounded


def build(space=ACTIONS, **kwargs):
    return CEMPlanner(worlds.predictor(), space, 2, np.random.SeedSequence(0), **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "kind"),
    [
        ({}, ICEM),
        ({"use_icem": False}, CEM),
        ({"search": ICEMConfig(n_candidates=8)}, ICEM),
        ({"search": CEMConfig(n_candidates=8), "use_icem": False}, CEM),
    ],
)
def test_the_method_is_chosen_by_a_flag(kwargs, kind):
    assert type(build(**kwargs).optimizer) is kind


@pytest.mark.parametrize(
    "kwargs",
    [{"search": CEMConfig()}, {"search": ICEMConfig(), "use_icem": False}],
)
def test_numbers_of_the_other_method_are_refused(kwargs):
    with pytest.raises(ConfigurationError, match="needs a I?CEMConfig, got"):
        build(**kwargs)


@pytest.mark.parametrize("space", [unbounded(2), spaces.Discrete(3)])
def test_spaces_without_bounds_are_refused(space):
    with pytest.raises(SpaceError):
        build(space)
