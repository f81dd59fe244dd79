import pytest
import torch

from layeredrl.optimizers import shift_sequences


def test_the_first_step_goes_and_the_last_is_repeated():
    sequences = torch.arange(12.0).view(2, 3, 2)
    shifted = shift_sequences(sequences)
    assert shifted[0].tolist() == [[2.0, 3.0], [4.0, 5.0], [4.0, 5.0]]
    shifted.zero_()
    assert sequences[0, 1].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("n_steps", range(4))
def test_several_steps_are_as_many_single_ones(n_steps):
    sequences = torch.arange(12.0).view(2, 3, 2)
    expected = sequences
    for _ in range(n_steps):
        expected = shift_sequences(expected)
    assert shift_sequences(sequences, n_steps).equal(expected)


def test_one_step_stays():
    sequences = torch.ones(2, 4, 1, 3)
    assert shift_sequences(sequences).equal(sequences)
