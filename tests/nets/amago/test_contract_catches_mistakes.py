"""The contract of trajectory encoders tells good from bad ones."""

import pytest
import torch
from torch import nn

from layeredrl.nets.traj_encoders import FFTrajEncoder, GRUTrajEncoder, TrajEncoder
from tests.nets import traj_encoder_contract as contract


class SeesTheFuture(FFTrajEncoder):
    def forward(self, seq, time_idxs=None, hidden_state=None, log_dict=None):
        out, hidden = super().forward(seq)
        return out + out.mean(1, keepdim=True), hidden


class MixesRows(FFTrajEncoder):
    def forward(self, seq, time_idxs=None, hidden_state=None, log_dict=None):
        out, hidden = super().forward(seq)
        return out + out.mean(0, keepdim=True), hidden


class NeverForgets(GRUTrajEncoder):
    def reset_hidden_state(self, hidden_state, dones):
        return hidden_state


class ForgetsAll(GRUTrajEncoder):
    def reset_hidden_state(self, hidden_state, dones):
        return None if dones.any() else hidden_state


class ForgetsAlways(GRUTrajEncoder):
    def forward(self, seq, time_idxs=None, hidden_state=None, log_dict=None):
        return super().forward(seq)


class IdleWeights(FFTrajEncoder):
    def __init__(self, tstep_dim, max_seq_len):
        super().__init__(tstep_dim, max_seq_len)
        self.idle = nn.Linear(3, 3)


class LearnsWhileActing(FFTrajEncoder):
    def __init__(self, tstep_dim, max_seq_len):
        super().__init__(tstep_dim, max_seq_len)
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, seq, time_idxs=None, hidden_state=None, log_dict=None):
        self.mean = self.mean + seq.detach().mean()
        return super().forward(seq)


class CannotBePickled(FFTrajEncoder):
    def __init__(self, tstep_dim, max_seq_len):
        super().__init__(tstep_dim, max_seq_len)
        self.function = lambda x: x


MISTAKES = {
    SeesTheFuture: contract.check_future_cannot_change_past,
    MixesRows: contract.check_rows_do_not_mix,
    NeverForgets: contract.check_staggered_resets,
    ForgetsAll: contract.check_reset_spares_other_rows,
    ForgetsAlways: contract.check_steps_equal_sequence,
    IdleWeights: contract.check_gradients_reach_everything,
    LearnsWhileActing: contract.check_evaluation_changes_nothing,
    CannotBePickled: contract.check_encoder_can_be_copied,
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistake_is_caught(kind):
    with pytest.raises((AssertionError, AttributeError)):
        MISTAKES[kind](kind)
    with pytest.raises((AssertionError, AttributeError)):
        contract.check_traj_encoder(kind)


def test_a_good_encoder_passes_as_a_whole():
    def factory(tstep_dim: int, max_seq_len: int) -> TrajEncoder:
        return FFTrajEncoder(tstep_dim, max_seq_len, d_model=8)

    contract.check_traj_encoder(factory)
