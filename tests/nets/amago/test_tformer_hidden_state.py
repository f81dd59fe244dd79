"""The ring buffer of keys and values."""

import torch

from layeredrl.nets.transformer import TformerHiddenState

CPU = torch.device("cpu")


def fresh(batch=2, n_slots=4):
    return TformerHiddenState(3, batch, n_slots, 2, 5, dtype=torch.float32, device=CPU)


def test_starts_empty():
    state = fresh()
    keys, values, seq_lens = state[1]
    assert keys.shape == values.shape == (2, 4, 2, 5)
    assert state.key_cache.shape == state.val_cache.shape == (3, 2, 4, 2, 5)
    assert seq_lens is state.seq_lens and seq_lens.dtype == torch.int32
    assert not keys.any() and seq_lens.tolist() == [0, 0] and state.n_slots == 4
    # what is written next is the current step, nothing else is there
    assert state.ages().tolist() == [[0, -1, -1, -1]] * 2


def test_remembers_the_latest_steps_of_each_row():
    state = fresh(batch=3)
    history = [[], [], []]
    generator = torch.Generator().manual_seed(0)
    for t in range(30):
        for layer in range(3):
            entry = torch.full((3, 2, 5), float(t + 100 * layer))
            state.write(layer, entry, -entry)
        for row in history:
            row.append(t)
        ages = state.ages()
        for row in range(3):
            kept = history[row][-4:]
            for layer in range(3):
                keys, values, _ = state[layer]
                got = {
                    int(age): keys[row, slot, 0, 0].item()
                    for slot, age in enumerate(ages[row])
                    if age >= 0
                }
                expected = {t - entry: entry + 100.0 * layer for entry in kept}
                assert got == expected
                assert torch.equal(values[row], -keys[row])
        state.advance()
        assert state.seq_lens.tolist() == [min(len(row), 3) for row in history]
        dones = torch.rand(3, generator=generator) < 0.15
        state.reset(dones)
        history = [[] if d else h for d, h in zip(dones, history, strict=True)]


def test_nothing_is_copied():
    state = fresh()
    pointers = [getattr(state, name).data_ptr() for name in vars(state)]
    for _ in range(9):
        state.write(0, torch.ones(2, 2, 5), torch.ones(2, 2, 5))
        state.advance()
        state.reset(torch.tensor([True, False]))
    assert [getattr(state, name).data_ptr() for name in vars(state)] == pointers


def test_carries_no_gradient_and_keeps_its_precision():
    state = fresh()
    entry = torch.ones(2, 2, 5, dtype=torch.bfloat16, requires_grad=True)
    state.write(0, entry, entry)
    assert state.key_cache.dtype == torch.float32
    assert not state.key_cache.requires_grad


def test_a_single_slot_sees_only_the_current_step():
    state = fresh(n_slots=1)
    for _ in range(3):
        assert state.ages().tolist() == [[0], [0]]
        state.advance()
    assert state.seq_lens.tolist() == [0, 0]
