import random

import numpy as np
import pytest
import torch

from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.global_generators import (
    BorrowedGenerators,
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


# Generators that are lent


def borrowed(seed=0):
    return BorrowedGenerators(np.random.SeedSequence(seed), torch.device("cpu"))


def lent_draws(generators):
    with generators.lent():
        return np.random.normal(), np.random.randint(10**9), torch.rand(3).tolist()


def test_lent_streams_go_on_where_they_were_whatever_happens_outside():
    one, other = borrowed(), borrowed()
    with one.lent():
        whole = [(np.random.rand(), torch.rand(()).item()) for _ in range(3)]
    for expected in whole:
        np.random.rand(5)
        torch.manual_seed(np.random.randint(100))
        with other.lent():
            assert (np.random.rand(), torch.rand(()).item()) == expected


def test_seeds_differ():
    assert lent_draws(borrowed(0)) == lent_draws(borrowed(0))
    first, second = lent_draws(borrowed(0)), lent_draws(borrowed(1))
    assert all(a != b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("raises", [False, True])
def test_outside_nothing_is_seen_of_it(raises):
    generators = borrowed()
    np.random.normal()  # leaves a second number behind
    before = global_generator_states()
    expected = draws()
    set_global_generator_states(before)
    try:
        with generators.lent():
            first = np.random.rand(), torch.rand(()).item()
            if raises:
                raise KeyError
    except KeyError:
        pass
    assert draws() == expected
    with generators.lent():  # what was drawn before the error counts
        assert (np.random.rand(), torch.rand(()).item()) != first


def test_lent_streams_are_saved_and_loaded(tmp_path):
    generators, loaded = borrowed(), borrowed(1)
    with generators.lent():
        np.random.normal()  # leaves a second number behind
    state = generators.state_dict()
    save_checkpoint(tmp_path / "state", "generators", state)
    expected = lent_draws(generators)
    loaded.load_state_dict(load_checkpoint(tmp_path / "state", "generators"))
    assert lent_draws(loaded) == expected
    loaded.load_state_dict(state)  # a copy: drawing did not change it
    assert lent_draws(loaded) == expected
    assert lent_draws(loaded) != expected
    loaded.load_state_dict(state)
    assert lent_draws(loaded) == expected


def test_making_them_draws_nothing():
    before = global_generator_states()
    expected = draws()
    set_global_generator_states(before)
    borrowed()
    assert draws() == expected
