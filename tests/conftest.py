"""What every test shares: one thread, and no pull from global generators."""

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import pytest  # noqa: E402
import torch  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
