import numpy as np
import pytest
import torch

from layeredrl.errors import ConfigurationError
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from layeredrl.utils.seeding import (
    integer_seed,
    numpy_generator,
    numpy_generator_state,
    seeded_initialization,
    set_numpy_generator_state,
    set_torch_generator_state,
    spawn,
    torch_generator,
)


def draw(seed):
    return numpy_generator(seed).integers(2**62, size=4).tolist()


def test_a_negative_seed_is_named():
    with pytest.raises(ConfigurationError, match="negative, got -1"):
        spawn(-1, 2)


def test_spawning_is_pure():
    root = np.random.SeedSequence(3)
    first = [draw(seed) for seed in spawn(root, 3)]
    assert [draw(seed) for seed in spawn(root, 3)] == first
    assert [draw(seed) for seed in spawn(3, 3)] == first
    assert root.n_children_spawned == 0


def test_more_children_leave_the_first_ones_as_they_are():
    assert [draw(s) for s in spawn(3, 5)][:2] == [draw(s) for s in spawn(3, 2)]


def test_children_differ_from_each_other_and_over_generations():
    first = spawn(3, 3)
    everyone = [*first, *spawn(first[0], 3), *spawn(first[1], 3), *spawn(4, 3)]
    assert len({tuple(draw(seed)) for seed in everyone}) == len(everyone)


def test_children_are_numpys_own():
    ours = [draw(seed) for seed in spawn(3, 2)]
    assert ours == [draw(seed) for seed in np.random.SeedSequence(3).spawn(2)]


def test_integer_seeds_suit_every_library():
    seeds = [integer_seed(seed) for seed in spawn(0, 100)]
    assert len(set(seeds)) == 100
    assert all(type(seed) is int and 0 <= seed < 2**31 for seed in seeds)


def test_torch_generators_repeat():
    seed = np.random.SeedSequence(5)
    one, two = (torch.rand(3, generator=torch_generator(seed)) for _ in range(2))
    torch.testing.assert_close(one, two, rtol=0, atol=0)
    other = torch.rand(3, generator=torch_generator(np.random.SeedSequence(6)))
    assert not torch.equal(one, other)


def test_numpy_generators_are_saved_as_plain_values(tmp_path):
    generator = numpy_generator(np.random.SeedSequence(1))
    generator.integers(3, size=3, dtype=np.int32)  # leaves half a word behind
    state = numpy_generator_state(generator)
    save_checkpoint(tmp_path / "g", "generator", state)
    expected = generator.integers(100, size=5, dtype=np.int32)
    other = numpy_generator(np.random.SeedSequence(2))
    set_numpy_generator_state(other, load_checkpoint(tmp_path / "g", "generator"))
    np.testing.assert_array_equal(other.integers(100, size=5, dtype=np.int32), expected)


def test_initialization_is_seeded_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    weights = []
    for seed in (1, 1, 2):
        with seeded_initialization(np.random.SeedSequence(seed)):
            weights.append(torch.nn.Linear(3, 3).weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(before, torch.get_rng_state())


def test_a_torch_generator_goes_on_where_it_was():
    one, other = (torch_generator(np.random.SeedSequence(i)) for i in (0, 1))
    torch.rand(3, generator=one)
    set_torch_generator_state(other, one.get_state())
    assert torch.equal(torch.rand(5, generator=one), torch.rand(5, generator=other))


def test_a_state_of_another_device_seeds_a_stream_and_that_is_told(caplog):
    drawn = []
    for byte in (1, 1, 2):  # a CUDA generator's state has 16 bytes
        generator = torch.Generator()
        set_torch_generator_state(generator, torch.full((16,), byte, dtype=torch.uint8))
        drawn.append(torch.rand(5, generator=generator))
    assert "another device" in caplog.text
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
