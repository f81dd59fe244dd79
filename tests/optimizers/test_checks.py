import numpy as np
import pytest

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers.checks import check_choice, check_count, check_range


@pytest.mark.parametrize("value", [1, 7, np.int64(3)])
def test_counts_pass(value):
    check_count("n", value)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None])
def test_other_counts_are_refused_and_shown(value):
    with pytest.raises(ConfigurationError, match=f"n must be .* got {value!r}"):
        check_count("n", value)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.25)])
def test_numbers_of_the_range_pass(value):
    check_range("x", value, 0, 1)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), "1", None])
def test_other_numbers_are_refused_and_shown(value):
    with pytest.raises(ConfigurationError, match=r"x must be in \[0, 1\], got"):
        check_range("x", value, 0, 1)


def test_ends_can_be_excluded():
    with pytest.raises(ConfigurationError, match=r"\(0, 1\], got 0"):
        check_range("x", 0, 0, 1, allow_low=False)
    with pytest.raises(ConfigurationError, match=r"\[0, 1\), got 1"):
        check_range("x", 1, 0, 1, allow_high=False)


def test_choices():
    check_choice("mode", "a", ("a", "b"))
    with pytest.raises(ConfigurationError, match="one of .* got 'c'"):
        check_choice("mode", "c", ("a", "b"))
