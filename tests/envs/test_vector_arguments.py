import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from layeredrl.envs.vector_arguments import (
    check_action_shape,
    check_autoreset_mode,
    check_choices,
    check_reset_mask,
    spread_seeds,
    step_limit,
)
from layeredrl.errors import ConfigurationError, ShapeError


def test_autoreset_modes_by_name_or_member():
    assert check_autoreset_mode("SameStep") is AutoresetMode.SAME_STEP
    assert check_autoreset_mode(AutoresetMode.DISABLED) is AutoresetMode.DISABLED
    with pytest.raises(ConfigurationError, match="'never'; known: NextStep, SameStep"):
        check_autoreset_mode("never")


def test_step_limits():
    assert step_limit(7) == 7
    assert step_limit(None) == step_limit(-1) > 10**18
    with pytest.raises(ConfigurationError, match="positive, got 0"):
        step_limit(0)


def test_seeds_are_spread():
    assert spread_seeds(3, 2) == spread_seeds(np.int64(3), 2) == [3, 4]
    assert spread_seeds(None, 2) == [None, None]
    assert spread_seeds([5, None], 2) == [5, None]
    with pytest.raises(ConfigurationError, match="3 seeds for 2"):
        spread_seeds([1, 2, 3], 2)


def test_reset_masks():
    given = np.array([True, False])
    mask = check_reset_mask(given, 2)
    assert mask is not given and mask.tolist() == [True, False]
    assert check_reset_mask(None, 2).all()
    with pytest.raises(ShapeError, match=r"\(2,\), got \(3,\)"):
        check_reset_mask(np.ones(3, bool), 2)
    for wrong in (np.zeros(2, bool), np.ones(2)):
        with pytest.raises(ConfigurationError, match="boolean and true somewhere"):
            check_reset_mask(wrong, 2)


def test_actions_of_wrong_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"\(3, 2\), got \(2, 3\)"):
        check_action_shape(np.zeros((2, 3)), (3, 2))


def test_choices_are_whole_numbers_that_there_are():
    actions = np.array([0, 3, 2])
    assert check_choices(actions, 4) is actions
    for wrong, message in (
        ([0, 4, 9], "instance 1 is 4, expected 0 to 3"),
        ([0, 1, -1], "instance 2 is -1"),
        ([0.0, 1.0, 1.0], "must be integers, got float64"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            check_choices(np.array(wrong), 4)


def test_choices_that_do_not_count_are_ignored():
    actions = np.array([7, 3])
    ignored = np.array([True, False])
    assert check_choices(actions, 4, ignored).tolist() == [0, 3]
    assert actions.tolist() == [7, 3]
    with pytest.raises(ConfigurationError, match="instance 0 is 7"):
        check_choices(actions, 4, ~ignored)
