import random

import numpy as np
import torch

from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.global_generators import (
    global_generator_states,
    set_global_generator_states,
)


def draws():
    return (
        random.random(),
        random.gauss(0, 1),
        np.random.normal(),  # leaves a second number behind
        np.random.randint(10**9),
        torch.rand(3).tolist(),
    )


def test_all_generators_continue_where_they_were(tmp_path):
    before = global_generator_states()
    try:
        draws()
        save_checkpoint(tmp_path / "states", "generators", global_generator_states())
        expected = draws()
        draws()
        set_global_generator_states(load_checkpoint(tmp_path / "states", "generators"))
        assert draws() == expected
    finally:
        set_global_generator_states(before)
