"""What every test shares: one thread, no gin bindings, no pull from global generators."""

import os

os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import gin  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_gin_bindings_left():
    yield
    gin.clear_config()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
