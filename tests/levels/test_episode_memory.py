import numpy as np
import torch

from layeredrl.levels.episode_memory import EpisodeMemory
from layeredrl.nets import IdentityEncoder
from layeredrl.utils.checkpoints import load_checkpoint, save_checkpoint
from tests.toy_levels import Diary

CPU = torch.device("cpu")
N = 3


def observations(*numbers):
    return np.array(numbers, np.float32)[:, None]


def make():
    encoder = Diary((1,))
    return EpisodeMemory(encoder, N, 2, CPU), encoder


def decide(memory, rows, numbers, action):
    rows = np.array(rows)
    state, _ = memory.encode(observations(*numbers), rows)
    memory.clock.note_action(np.full((len(rows), 2), action, np.float32), rows)
    return state[:, 1].tolist()  # what the diary remembers


def end(memory, rows, reward):
    memory.clock.note_reward(np.full(len(rows), reward), np.array(rows))


def test_memory_advances_with_own_action_reward_and_clock():
    memory, encoder = make()
    assert decide(memory, [0, 1], [10, 20], action=1) == [10, 20]
    end(memory, [0, 1], 0.5)
    # Half of what was, the observation, two actions of 1, the reward, one decision.
    assert decide(memory, [1, 0], [4, 2], action=3) == [
        10 + 4 + 2 + 0.5 + 1,
        5 + 2 + 2 + 0.5 + 1,
    ]
    end(memory, [0, 1], 2.0)
    assert decide(memory, [2, 0], [7, 1], action=0) == [7, 5.25 + 1 + 6 + 2 + 2]
    last = encoder.calls[-1]
    np.testing.assert_array_equal(last["time_idx"], [0, 2])
    np.testing.assert_array_equal(last["prev_action"], [[0, 0], [3, 3]])
    np.testing.assert_array_equal(last["prev_reward"], [0, 2])


def test_instances_at_rest_keep_their_memory():
    memory, _ = make()
    decide(memory, [0, 1, 2], [8, 8, 8], action=0)
    end(memory, [0, 1, 2], 0.0)
    for _ in range(3):
        decide(memory, [1], [1], action=5)
        end(memory, [1], 1.0)
    assert decide(memory, [0, 2], [0, 0], action=0) == [4 + 1, 4 + 1]


def test_a_reset_forgets_these_instances_only():
    memory, _ = make()
    decide(memory, [0, 1, 2], [8, 8, 8], action=1)
    end(memory, [0, 1, 2], 1.0)
    memory.reset(np.array([1]))
    fresh, kept = 3.0, 4 + 3 + 2 + 1 + 1
    assert decide(memory, [0, 1, 2], [3, 3, 3], action=0) == [kept, fresh, kept]


def test_step_by_step_equals_the_sequence():
    memory, encoder = make()
    rng = np.random.default_rng(0)
    obs, actions = rng.normal(size=(2, 3, 5, 1)).astype(np.float32)
    rewards = rng.normal(size=(3, 5)).astype(np.float32)
    rows, states = np.arange(N), []
    for t in range(5):
        states.append(memory.encode(obs[:, t], rows)[0])
        memory.clock.note_action(np.repeat(actions[:, t], 2, 1), rows)
        memory.clock.note_reward(rewards[:, t], rows)
    previous = torch.from_numpy(np.repeat(actions, 2, 2)[:, :-1])
    sequence, _ = encoder.sequence(
        torch.from_numpy(obs),
        torch.cat([torch.zeros(N, 1, 2), previous], 1),
        torch.cat([torch.zeros(N, 1), torch.from_numpy(rewards)[:, :-1]], 1),
        torch.arange(5).expand(N, 5),
        torch.ones(N, 5),
    )
    torch.testing.assert_close(torch.stack(states, 1), sequence)


def test_a_file_keeps_all_of_it(tmp_path):
    memory, _ = make()
    decide(memory, [0, 1], [8, 9], action=1)
    end(memory, [0], 1.0)
    save_checkpoint(tmp_path / "memory.pt", "memory", memory.state_dict())
    other, _ = make()
    other.load_state_dict(load_checkpoint(tmp_path / "memory.pt", "memory"))
    expected = decide(memory, [0, 1, 2], [3, 3, 3], action=0)
    assert decide(other, [0, 1, 2], [3, 3, 3], action=0) == expected
    assert expected == [4 + 3 + 2 + 1 + 1, 4.5 + 3 + 2, 3]


def test_encoders_without_memory_see_each_observation_by_itself():
    memory = EpisodeMemory(IdentityEncoder((1,)), N, 2, CPU)
    for _ in range(2):
        state, context = memory.encode(observations(1, 2), np.array([0, 1]))
        assert state.tolist() == [[1], [2]] and context.shape == (2, 0)
        end(memory, [0, 1], 1.0)
    assert memory.state_dict()["memory"] is None
    memory.load_state_dict(memory.state_dict())
