"""Names, order and defaults of parameters are those of the API pages."""

import inspect

import pytest

from layeredrl.nets import actor_critic, cnn, traj_encoders, tstep_encoders
from layeredrl.nets.cnn import NatureishCNN
from layeredrl.nets.policy_dists import TanhGaussian
from layeredrl.nets.transformer import FlashAttention

REQUIRED = inspect.Parameter.empty
PICTURE = {"img_shape": REQUIRED, "channels_first": REQUIRED, "activation": REQUIRED}
STEP = {"obs_space": REQUIRED, "rl2_space": REQUIRED}
TRAJ = {"tstep_dim": REQUIRED, "max_seq_len": REQUIRED}
HEAD = {"state_dim": REQUIRED, "action_dim": REQUIRED}

SIGNATURES = {
    cnn.CNN: PICTURE,
    cnn.DrQCNN: PICTURE,
    cnn.GridworldCNN: PICTURE
    | {"channels": (16, 32, 48), "kernels": (2, 2, 2), "strides": (1, 1, 1)},
    cnn.NatureishCNN: PICTURE
    | {"channels": (32, 64, 64), "kernels": (8, 4, 3), "strides": (4, 2, 1)},
    cnn.IMPALAishCNN: PICTURE
    | {"cnn_block_depths": (16, 32, 32), "post_group_norm": True},
    cnn.DrQv2Aug: {"pad": REQUIRED, "channels_first": REQUIRED},
    cnn.weight_init: {"m": REQUIRED},
    tstep_encoders.TstepEncoder: STEP,
    tstep_encoders.FFTstepEncoder: STEP
    | {
        "n_layers": 2,
        "d_hidden": 512,
        "d_output": 256,
        "norm": "layer",
        "activation": "leaky_relu",
        "hide_rl2s": False,
        "normalize_inputs": True,
        "specify_obs_keys": None,
    },
    tstep_encoders.CNNTstepEncoder: STEP
    | {
        "cnn_type": NatureishCNN,
        "channels_first": False,
        "img_features": 256,
        "rl2_features": 12,
        "d_output": 256,
        "out_norm": "layer",
        "activation": "leaky_relu",
        "hide_rl2s": False,
        "drqv2_aug": False,
        "aug_pct_of_batch": 0.75,
        "obs_key": "observation",
    },
    traj_encoders.TrajEncoder: TRAJ,
    traj_encoders.FFTrajEncoder: TRAJ
    | {
        "d_model": 256,
        "d_ff": None,
        "n_layers": 1,
        "dropout": 0.0,
        "activation": "leaky_relu",
        "norm": "layer",
    },
    traj_encoders.GRUTrajEncoder: TRAJ
    | {"d_hidden": 256, "n_layers": 2, "d_output": 256, "norm": "layer"},
    traj_encoders.MambaTrajEncoder: TRAJ
    | {
        "d_model": 256,
        "d_state": 16,
        "d_conv": 4,
        "expand": 2,
        "n_layers": 3,
        "norm": "layer",
    },
    traj_encoders.TformerTrajEncoder: TRAJ
    | {
        "d_model": 256,
        "n_heads": 8,
        "d_ff": 1024,
        "n_layers": 3,
        "dropout_ff": 0.05,
        "dropout_emb": 0.05,
        "dropout_attn": 0.0,
        "dropout_qkv": 0.0,
        "activation": "leaky_relu",
        "norm": "layer",
        "pos_emb": "fixed",
        "sigma_reparam": True,
        "normformer_norms": True,
        "head_scaling": True,
        "attention_type": FlashAttention,
        "max_time_idx": None,  # ours, at the end
    },
    actor_critic.Actor: HEAD
    | {
        "discrete": REQUIRED,
        "gammas": REQUIRED,
        "n_layers": 2,
        "d_hidden": 256,
        "activation": "leaky_relu",
        "dropout_p": 0.0,
        "continuous_dist_type": TanhGaussian,
    },
    actor_critic.NCritics: HEAD
    | {
        "discrete": REQUIRED,
        "gammas": REQUIRED,
        "num_critics": 4,
        "d_hidden": 256,
        "n_layers": 2,
        "dropout_p": 0.0,
        "activation": "leaky_relu",
    },
    actor_critic.NCriticsTwoHot: HEAD
    | {
        "gammas": REQUIRED,
        "num_critics": 4,
        "d_hidden": 256,
        "n_layers": 2,
        "dropout_p": 0.0,
        "activation": "leaky_relu",
        "min_return": None,
        "max_return": None,
        "output_bins": 128,
        "use_symlog": True,
    },
    actor_critic.PopArtLayer: {
        "gammas": REQUIRED,
        "beta": 5e-4,
        "init_nu": 100.0,
        "enabled": True,
    },
    actor_critic.gammas_as_input_seq: {
        "gammas": REQUIRED,
        "batch_size": REQUIRED,
        "length": REQUIRED,
    },
    cnn.CNN.forward: {
        "self": REQUIRED,
        "obs": REQUIRED,
        "from_float": False,
        "flatten": True,
    },
    cnn.DrQv2Aug.forward: {"self": REQUIRED, "x": REQUIRED},
    tstep_encoders.TstepEncoder.forward: {
        "self": REQUIRED,
        "obs": REQUIRED,
        "rl2s": REQUIRED,
        "log_dict": None,
    },
    actor_critic.Actor.forward: {"self": REQUIRED, "state": REQUIRED, "log_dict": None},
    actor_critic.PopArtLayer.forward: {
        "self": REQUIRED,
        "x": REQUIRED,
        "normalized": True,
    },
    actor_critic.PopArtLayer.update_stats: {
        "self": REQUIRED,
        "val": REQUIRED,
        "mask": REQUIRED,
    },
    actor_critic.PopArtLayer.normalize_values: {"self": REQUIRED, "val": REQUIRED},
    actor_critic.NCriticsTwoHot.raw_vals_to_labels: {
        "self": REQUIRED,
        "raw_td_target": REQUIRED,
    },
    actor_critic.NCriticsTwoHot.bin_dist_to_raw_vals: {
        "self": REQUIRED,
        "bin_dist": REQUIRED,
    },
}


@pytest.mark.parametrize("thing", SIGNATURES, ids=lambda t: t.__qualname__)
def test_signature(thing):
    parameters = inspect.signature(thing).parameters.values()
    expected = list(SIGNATURES[thing].items())
    assert [(p.name, p.default) for p in parameters] == expected


@pytest.mark.parametrize(
    "kind",
    [
        traj_encoders.TrajEncoder,
        traj_encoders.FFTrajEncoder,
        traj_encoders.GRUTrajEncoder,
        traj_encoders.MambaTrajEncoder,
        traj_encoders.TformerTrajEncoder,
    ],
)
def test_traj_encoder_methods(kind):
    times_needed = kind in (traj_encoders.TrajEncoder, traj_encoders.TformerTrajEncoder)
    forward = {
        "self": REQUIRED,
        "seq": REQUIRED,
        "time_idxs": REQUIRED if times_needed else None,
        "hidden_state": None,
        "log_dict": None,
    }
    for method, expected in (
        (kind.forward, forward),
        (
            kind.init_hidden_state,
            {"self": REQUIRED, "batch_size": REQUIRED, "device": REQUIRED},
        ),
        (
            kind.reset_hidden_state,
            {"self": REQUIRED, "hidden_state": REQUIRED, "dones": REQUIRED},
        ),
    ):
        parameters = inspect.signature(method).parameters.values()
        assert {p.name: p.default for p in parameters} == expected
    assert isinstance(inspect.getattr_static(kind, "emb_dim"), property)
