"""The contract of encoders tells good ones from bad ones."""

import numpy as np
import pytest
import torch
from torch import nn

from layeredrl.nets import Encoder
from tests.nets import encoder_contract as contract
from tests.nets.encoder_contract import EncoderCase
from tests.toy_levels import Diary


class TooManyFeatures(Diary):
    def forward(self, obs):
        state, context = super().forward(obs)
        return state, torch.cat([context, state[..., :1]], -1)


class ForgetsAlways(Diary):
    def step(self, obs, prev_action, prev_reward, time_idx, memory):
        return super().step(obs, prev_action, prev_reward, time_idx, memory * 0)


class StartsElsewhere(Diary):
    def forward(self, obs):
        state, context = super().forward(obs)
        return state + 0.1, context


class ClaimsNoPast(Diary):
    def __init__(self, mapped_env_obs_shape):
        super().__init__(mapped_env_obs_shape)
        self.max_seq_len = None


class NeverForgets(Diary):
    def reset_memory(self, memory, dones):
        return memory


class ForgetsAll(Diary):
    def reset_memory(self, memory, dones):
        return torch.zeros_like(memory)


class TakesTheFirstRows(Diary):
    def gather_memory(self, memory, instances):
        return memory[: len(instances)]


class PutsBackInOrder(Diary):
    def scatter_memory(self, memory, instances, part):
        return super().scatter_memory(memory, np.sort(instances), part)


class SavesNothing(Diary):
    def memory_state(self, memory):
        return None

    def load_memory_state(self, state, device):
        return self.init_memory(contract.BATCH, device)


class SavesByReference(Diary):
    """Its state goes on with the memory."""

    def memory_state(self, memory):
        return memory

    def load_memory_state(self, state, device):
        return state

    def step(self, obs, prev_action, prev_reward, time_idx, memory):
        given = memory
        *latents, memory = super().step(obs, prev_action, prev_reward, time_idx, memory)
        return *latents, given.copy_(memory)

    def gather_memory(self, memory, instances):
        return memory if len(instances) == len(memory) else memory[instances]

    def scatter_memory(self, memory, instances, part):
        if part is not memory:
            memory[torch.from_numpy(instances)] = part
        return memory


class CountsPadding(Diary):
    def __init__(self, mapped_env_obs_shape):
        super().__init__(mapped_env_obs_shape)
        self.register_buffer("mean", torch.zeros(()))

    def sequence(self, obs, prev_actions, prev_rewards, time_idxs, mask):
        if self.training:
            self.mean += obs.detach().mean()
        return super().sequence(obs, prev_actions, prev_rewards, time_idxs, mask)


class SeesTheFuture(Diary):
    def sequence(self, obs, prev_actions, prev_rewards, time_idxs, mask):
        told = super().sequence(obs, prev_actions, prev_rewards, time_idxs, mask)
        return told[0] + obs.mean(1, keepdim=True).sum(-1, keepdim=True), told[1]


class MixesInstances(Diary):
    def sequence(self, obs, prev_actions, prev_rewards, time_idxs, mask):
        told = super().sequence(obs, prev_actions, prev_rewards, time_idxs, mask)
        return told[0] + told[0].mean(0), told[1]


class LearnsWhileActing(CountsPadding):
    def step(self, obs, prev_action, prev_reward, time_idx, memory):
        self.mean += obs.mean()
        return super().step(obs, prev_action, prev_reward, time_idx, memory)


class HidesItsWeights(Encoder):
    """What it drew is in no state_dict."""

    def __init__(self, mapped_env_obs_shape):
        super().__init__()
        self.latent_state_dim, self.context_dim = 2, 0
        self._weights = torch.randn(*mapped_env_obs_shape, 2)

    def forward(self, obs):
        return obs @ self._weights, obs[..., :0]


class GrowsWithoutBounds(Diary):
    FADING = 1e8


class Stops(Diary):
    """Its clock, a table, has an end, and it looks no further."""

    def step(self, obs, prev_action, prev_reward, time_idx, memory):
        state, context, memory = super().step(
            obs, prev_action, prev_reward, time_idx, memory
        )
        return nn.functional.hardtanh(state * 0), context, memory


MISTAKES = {
    TooManyFeatures: contract.check_shapes,
    ForgetsAlways: contract.check_steps_equal_sequence,
    StartsElsewhere: contract.check_forward_is_the_first_step,
    ClaimsNoPast: contract.check_what_the_past_is_to_it,
    NeverForgets: contract.check_any_instances_may_act,
    ForgetsAll: contract.check_any_instances_may_act,
    TakesTheFirstRows: contract.check_any_instances_may_act,
    PutsBackInOrder: contract.check_any_instances_may_act,
    SavesNothing: contract.check_memory_can_be_saved,
    SavesByReference: contract.check_memory_can_be_saved,
    CountsPadding: contract.check_padding_changes_nothing,
    SeesTheFuture: contract.check_future_cannot_change_past,
    MixesInstances: contract.check_instances_do_not_mix,
    LearnsWhileActing: contract.check_evaluation_changes_nothing,
    HidesItsWeights: contract.check_encoder_can_be_copied,
    GrowsWithoutBounds: contract.check_episodes_have_no_end,
    Stops: contract.check_episodes_have_no_end,
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistake_is_caught(kind):
    case = EncoderCase(lambda: kind((3,)))
    with pytest.raises(AssertionError):
        MISTAKES[kind](case)
    with pytest.raises(AssertionError):
        contract.check_encoder(case)


def test_no_check_is_idle():
    assert set(MISTAKES.values()) == set(contract.CONTRACT)


def test_a_good_encoder_passes_as_a_whole():
    contract.check_encoder(EncoderCase(lambda: Diary((3,))))
