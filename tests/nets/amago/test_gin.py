"""Defaults can be overridden from a gin file, wherever the API pages say so."""

import copy
import pickle

import gin
import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.nets import actor_critic, cnn, policy_dists, traj_encoders, transformer
from layeredrl.nets.tstep_encoders import CNNTstepEncoder, FFTstepEncoder

RL2 = spaces.Box(-1, 1, (5,))
GAMMAS = torch.tensor([0.9, 0.99])
BINDINGS = """
# The names are those that users of AMAGO know, below any package.
traj_encoders.TformerTrajEncoder.n_layers = 1
traj_encoders.TformerTrajEncoder.d_model = 12
traj_encoders.TformerTrajEncoder.n_heads = 3
traj_encoders.TformerTrajEncoder.attention_type = @transformer.VanillaAttention
traj_encoders.TformerTrajEncoder.pos_emb = 'learned'
transformer.LearnablePosEmb.max_time_idx = 77
transformer.FlashAttention.window_size = (3, 0)
traj_encoders.FFTrajEncoder.d_model = 13
traj_encoders.GRUTrajEncoder.d_output = 14
traj_encoders.MambaTrajEncoder.d_model = 15
tstep_encoders.FFTstepEncoder.d_output = 16
tstep_encoders.CNNTstepEncoder.cnn_type = @cnn.GridworldCNN
tstep_encoders.CNNTstepEncoder.d_output = 17
cnn.GridworldCNN.channels = [2, 3, 4]
cnn.NatureishCNN.channels = (5, 6, 7)
cnn.IMPALAishCNN.post_group_norm = False
actor_critic.Actor.continuous_dist_type = @policy_dists.Beta
policy_dists.Beta.alpha_low = 3.0
policy_dists.TanhGaussian.std_high = 1.0
policy_dists.Discrete.clip_prob_low = 0.25
policy_dists.GMM.gmm_modes = 2
actor_critic.Actor.d_hidden = 8
actor_critic.NCritics.num_critics = 3
actor_critic.NCriticsTwoHot.output_bins = 9
actor_critic.NCriticsTwoHot.min_return = -1.0
actor_critic.NCriticsTwoHot.max_return = 1.0
actor_critic.PopArtLayer.beta = 0.25
"""


@pytest.fixture
def configured(tmp_path):
    path = tmp_path / "config.gin"
    path.write_text(BINDINGS)
    gin.parse_config_file(str(path))


def picture_encoder():
    pictures = spaces.Dict(observation=spaces.Box(0, 255, (9, 9, 3), np.uint8))
    return CNNTstepEncoder(pictures, RL2)


def test_a_file_overrides_defaults(configured):
    tformer = traj_encoders.TformerTrajEncoder(3, 8)
    attention = tformer.tformer.layers[0].attention_layer.self_attention
    assert isinstance(attention, transformer.VanillaAttention)
    assert tformer.emb_dim == 12 and len(tformer.tformer.layers) == 1
    table = tformer.tformer.position_embedding.embeddings
    assert table.weight.shape == (77, 12)
    assert transformer.FlashAttention().window_size == (3, 0)
    assert traj_encoders.FFTrajEncoder(3, 8).emb_dim == 13
    assert traj_encoders.GRUTrajEncoder(3, 8).emb_dim == 14
    assert traj_encoders.MambaTrajEncoder(3, 8).emb_dim == 15
    obs_space = spaces.Dict(o=spaces.Box(-1, 1, (3,)))
    assert FFTstepEncoder(obs_space, RL2).emb_dim == 16
    encoder = picture_encoder()
    assert isinstance(encoder.cnn, cnn.GridworldCNN) and encoder.emb_dim == 17
    assert encoder.cnn.conv3.weight.shape == (4, 3, 2, 2)
    assert cnn.NatureishCNN((40, 40, 3), False, "relu").conv3.out_channels == 7
    impala = cnn.IMPALAishCNN((40, 40, 3), False, "relu")
    assert not [k for k in impala.state_dict() if "norm" in k]


def test_a_file_overrides_heads(configured):
    actor = actor_critic.Actor(6, 2, False, GAMMAS)
    assert isinstance(actor.policy_dist, policy_dists.Beta)
    assert actor.policy_dist.alpha_low == 3 and actor.base.in_layer.out_features == 8
    assert policy_dists.TanhGaussian(2).std_high == 1
    assert policy_dists.GMM(2).gmm_modes == 2
    assert policy_dists.Discrete(3).clip_prob_low == 0.25
    assert len(actor_critic.NCritics(6, 2, False, GAMMAS)) == 3
    assert actor_critic.NCriticsTwoHot(6, 2, GAMMAS).bin_vals.shape == (9,)
    assert actor_critic.PopArtLayer(2).beta == 0.25


def test_arguments_win_over_the_file(configured):
    assert traj_encoders.FFTrajEncoder(3, 8, d_model=4).emb_dim == 4
    actor = actor_critic.Actor(
        6, 2, False, GAMMAS, continuous_dist_type=policy_dists.GMM
    )
    assert isinstance(actor.policy_dist, policy_dists.GMM)


def test_bindings_do_not_outlive_a_test():
    assert traj_encoders.FFTrajEncoder(3, 8).emb_dim == 256


def test_popart_cannot_be_switched_by_gin():
    with pytest.raises(ValueError, match="enabled"):
        gin.parse_config("PopArtLayer.enabled = False")


def test_configured_modules_survive_pickle_and_deepcopy(configured):
    for module in (
        traj_encoders.TformerTrajEncoder(3, 8),
        actor_critic.Actor(6, 2, False, GAMMAS),
        picture_encoder(),
    ):
        for copied in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
            assert type(copied) is type(module)
            for key, value in module.state_dict().items():
                assert torch.equal(copied.state_dict()[key], value)


def test_subclasses_of_users_see_the_bindings_of_the_base(configured):
    class Mine(traj_encoders.FFTrajEncoder):
        pass

    assert Mine(3, 8).emb_dim == 13
