"""What the tests of the AMAGO networks share."""

import gin
import pytest
import torch


@pytest.fixture(autouse=True)
def fresh_gin_and_seed():
    """Leave no gin binding behind, and start from the same random numbers."""
    torch.manual_seed(0)
    gin.clear_config()
    yield
    gin.clear_config()
