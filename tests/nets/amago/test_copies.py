"""Every module survives pickle and deepcopy; nothing slow is imported."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.nets import actor_critic, cnn, ff, policy_dists, transformer, utils
from layeredrl.nets.critic_ensemble import Ensemble
from layeredrl.nets.mamba import Mamba
from layeredrl.nets.tstep_encoders import CNNTstepEncoder, FFTstepEncoder

GAMMAS = torch.tensor([0.9, 0.99])
RL2 = spaces.Box(-1, 1, (5,))
VECTORS = spaces.Dict(o=spaces.Box(-1, 1, (3,)), i=spaces.Discrete(4))
PICTURES = spaces.Dict(observation=spaces.Box(0, 255, (9, 9, 3), np.uint8))

MAKERS = {
    "AdaptiveActivation": utils.AdaptiveActivation,
    "InputNorm": lambda: utils.InputNorm(3),
    "Normalization": lambda: ff.Normalization("rmsnorm", 3),
    "unitball": lambda: ff.Normalization("unitball-detach", 3),
    "MLP": lambda: ff.MLP(3, 4, 2, 5, "gelu"),
    "FFBlock": lambda: ff.FFBlock(3, 4, 0.1, "relu"),
    "DrQCNN": lambda: cnn.DrQCNN((36, 36, 3), False, "relu"),
    "NatureishCNN": lambda: cnn.NatureishCNN((36, 36, 3), False, "adaptive"),
    "GridworldCNN": lambda: cnn.GridworldCNN((9, 9, 3), False, "gelu"),
    "IMPALAishCNN": lambda: cnn.IMPALAishCNN((36, 36, 3), False, "relu"),
    "DrQv2Aug": lambda: cnn.DrQv2Aug(4, False),
    "FFTstepEncoder": lambda: FFTstepEncoder(VECTORS, RL2),
    "CNNTstepEncoder": lambda: CNNTstepEncoder(
        PICTURES, RL2, cnn_type=cnn.GridworldCNN, drqv2_aug=True
    ),
    "SigmaReparam": lambda: transformer.SigmaReparam(3, 4),
    "VanillaAttention": transformer.VanillaAttention,
    "FlashAttention": transformer.FlashAttention,
    "FixedPosEmb": lambda: transformer.FixedPosEmb(4),
    "LearnablePosEmb": lambda: transformer.LearnablePosEmb(4, 5),
    "Mamba": lambda: Mamba(4, 3, 2, 2),
    "Ensemble": lambda: Ensemble(3, 4, 2, 1, n_members=2),
    "NCritics": lambda: actor_critic.NCritics(3, 2, False, GAMMAS),
    "NCriticsTwoHot": lambda: actor_critic.NCriticsTwoHot(
        3, 2, GAMMAS, min_return=0, max_return=1
    ),
    "PopArtLayer": lambda: actor_critic.PopArtLayer(2),
    **{
        kind.__name__: lambda kind=kind: actor_critic.Actor(
            3, 2, kind is policy_dists.Discrete, GAMMAS, continuous_dist_type=kind
        )
        for kind in (
            policy_dists.Discrete,
            policy_dists.TanhGaussian,
            policy_dists.GMM,
            policy_dists.Beta,
            policy_dists.Multibinary,
        )
    },
}


@pytest.mark.parametrize("name", MAKERS)
def test_pickle_and_deepcopy(name):
    module = MAKERS[name]()
    for copied in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert type(copied) is type(module)
        tensors = (*module.state_dict().items(), *module.named_buffers())
        others = dict((*copied.state_dict().items(), *copied.named_buffers()))
        for key, value in tensors:
            assert torch.equal(others[key], value)
            assert others[key].data_ptr() != value.data_ptr() or not value.numel()


def test_imports_are_quick():
    """No more than torch plus 0.3 s of processor time."""
    code = """
import time, torch
start = time.process_time()
import layeredrl.nets.actor_critic
import layeredrl.nets.traj_encoders
import layeredrl.nets.tstep_encoders
print(time.process_time() - start)
"""
    command = [sys.executable, "-c", code]
    runs = (subprocess.run(command, capture_output=True, check=True) for _ in range(3))
    assert any(float(run.stdout) < 0.3 for run in runs)
