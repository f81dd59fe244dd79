"""From sequences of observations, actions and rewards to what policies and values read."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from layeredrl.errors import SpaceError
from layeredrl.learners.action_scaling import ActionScaling
from layeredrl.learners.learner import LearnerSpec
from layeredrl.nets.encoder import TensorObservation
from layeredrl.nets.hidden_rows import empty_hidden_state, gather_rows, scatter_rows
from layeredrl.nets.observation_parts import ONLY_KEY
from layeredrl.nets.rl2 import rl2_features, rl2_space
from layeredrl.nets.traj_encoder import TrajEncoderType
from layeredrl.nets.traj_encoders import TformerTrajEncoder
from layeredrl.nets.tstep_encoder import TstepEncoder, TstepEncoderType
from layeredrl.nets.tstep_encoders import CNNTstepEncoder, FFTstepEncoder
from layeredrl.nets.utils import padded
from layeredrl.utils.observation_maps import Shape
from layeredrl.utils.spaces import VECTOR_KEY


def small_tstep_encoder(obs_space: spaces.Dict, rl2_space: spaces.Box) -> TstepEncoder:
    """Build a small MLP, or a CNN where there is a picture.

    Args:
        obs_space: Parts of the observation.
        rl2_space: Features of the previous reward and action.

    Returns:
        The encoder.

    Raises:
        SpaceError: If there are several pictures, which ours cannot merge.
    """
    pictures = [name for name, part in obs_space.items() if part.dtype == np.uint8]
    if not pictures:
        return FFTstepEncoder(obs_space, rl2_space, d_hidden=128, d_output=64)
    if len(pictures) > 1:
        raise SpaceError(
            f"no encoder of ours sees several pictures, here {pictures}; give a "
            "tstep_encoder of your own, or one with an obs_key"
        )
    return CNNTstepEncoder(
        obs_space, rl2_space, rl2_features=32, d_output=128, obs_key=pictures[0]
    )


SMALL_TRANSFORMER = partial(
    TformerTrajEncoder,
    d_model=64,
    n_heads=4,
    d_ff=256,
    n_layers=2,
    dropout_ff=0.0,
    dropout_emb=0.0,
)
"""A trajectory encoder for tasks of a few dozen steps on a CPU."""


class Steps(NamedTuple):
    """What is known at some steps, in the units of the spaces.

    Attributes:
        obs: Observations, (B, L, O), or a dict of such.
        prev_action: Features of the action before, 0 at an episode's start, (B, L, A).
        prev_reward: Its reward, (B, L).
        time_idx: Decisions since the episode began, (B, L) int64.
        is_valid: Which steps count, (B, L) bool.
    """

    obs: TensorObservation
    prev_action: Tensor
    prev_reward: Tensor
    time_idx: Tensor
    is_valid: Tensor


class SequenceEncoder(nn.Module):
    """A time-step encoder, then a trajectory encoder.

    Every step is told the reward and the action before it. Where pictures stay apart, it
    is told the vector part of the observation in the same way, because encoders of
    pictures look at nothing else beside them.
    """

    def __init__(
        self,
        spec: LearnerSpec,
        tstep_encoder: TstepEncoderType,
        traj_encoder: TrajEncoderType,
        max_seq_len: int,
        scaling: ActionScaling | None,
    ):
        """Build the networks.

        Args:
            spec: Where it learns.
            tstep_encoder: Builds the encoder of single steps.
            traj_encoder: Builds the encoder that remembers.
            max_seq_len: Longest sequence [decisions].
            scaling: How actions are brought to the unit box; ``None`` where they are
                one-hot.

        Raises:
            SpaceError: If the encoder cannot see these observations.
        """
        super().__init__()
        self._scaling = scaling
        told = rl2_space(spec.action_space)
        self._tells_vector = isinstance(spec.obs_shape, dict)
        if isinstance(spec.obs_shape, dict):
            n_vector = spec.obs_shape[VECTOR_KEY][0]
            told = spaces.Box(-np.inf, np.inf, (told.shape[0] + n_vector,), np.float32)
        self.tstep_encoder = tstep_encoder(_parts(spec.obs_shape), told)
        self.traj_encoder = traj_encoder(self.tstep_encoder.emb_dim, max_seq_len)

    @property
    def emb_dim(self) -> int:
        """Features D of an encoded step."""
        return self.traj_encoder.emb_dim

    def forward(self, steps: Steps) -> Tensor:
        """Encode whole sequences in one pass.

        Args:
            steps: The sequences; what is not valid lies at their ends.

        Returns:
            Features, (B, L, D).
        """
        return self._encode(steps, None)[0]

    def step(
        self, steps: Steps, hidden_state: Any, instances: np.ndarray
    ) -> tuple[Tensor, Any]:
        """Encode one more step of some instances.

        Args:
            steps: The steps, with L = 1.
            hidden_state: The hidden state of all instances, which may change in place.
            instances: Which ones these are, (B,) int64.

        Returns:
            Features, (B, 1, D), and the hidden state of all instances.
        """
        own = gather_rows(self.traj_encoder, hidden_state, instances)
        features, own = self._encode(steps, own)
        return features, scatter_rows(self.traj_encoder, hidden_state, instances, own)

    def init_hidden_state(self, n_instances: int, device: torch.device) -> Any:
        """Make the hidden state of instances that have seen nothing.

        Args:
            n_instances: How many.
            device: Where it shall be.

        Returns:
            The hidden state; ``None`` without memory.
        """
        return empty_hidden_state(self.traj_encoder, n_instances, device)

    def _encode(self, steps: Steps, hidden_state: Any) -> tuple[Tensor, Any]:
        invalid = ~steps.is_valid
        parts = {
            key: padded(value, invalid) for key, value in _split(steps.obs).items()
        }
        features = self.tstep_encoder(parts, padded(self._told(steps), invalid))
        time_idx = steps.time_idx.unsqueeze(-1)
        return self.traj_encoder(features, time_idx, hidden_state)

    def _told(self, steps: Steps) -> Tensor:
        """Make the features that come beside the observation, (B, L, ...)."""
        action = steps.prev_action
        if self._scaling is not None:
            is_first = (steps.time_idx == 0).unsqueeze(-1)
            action = self._scaling.to_unit(action).masked_fill(is_first, 0.0)
        told = rl2_features(steps.prev_reward, action)
        if not self._tells_vector:
            return told
        assert isinstance(steps.obs, dict)
        return torch.cat([told, steps.obs[VECTOR_KEY]], dim=-1)


def _split(obs: TensorObservation) -> dict[str, Tensor]:
    """Name the parts as the encoder's space does."""
    if not isinstance(obs, dict):
        return {ONLY_KEY: obs}
    return {name or ONLY_KEY: value for name, value in obs.items()}


def _parts(shape: Shape) -> spaces.Dict:
    """Describe what is seen, by name."""
    if not isinstance(shape, dict):
        return spaces.Dict({ONLY_KEY: spaces.Box(-np.inf, np.inf, shape, np.float32)})
    parts: dict[str, spaces.Space] = {}
    for name, part in shape.items():
        is_vector = name == VECTOR_KEY
        low, high = (-np.inf, np.inf) if is_vector else (0, 255)
        dtype = np.float32 if is_vector else np.uint8
        parts[name or ONLY_KEY] = spaces.Box(low, high, part, dtype)
    return spaces.Dict(parts)
