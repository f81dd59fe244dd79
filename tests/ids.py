"""Test ids that are the same in every process."""

import re


def stable(value):
    """A value's text without memory addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
