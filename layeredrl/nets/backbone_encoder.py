"""An encoder made of AMAGO's networks: latent states that remember and see."""

from collections.abc import Sequence
from typing import Any

import gin
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.encoder import (
    Encoder,
    Memory,
    TensorObservation,
    map_observation,
)
from layeredrl.nets.hidden_rows import (
    empty_hidden_state,
    gather_rows,
    hidden_rows_state,
    load_hidden_rows,
    scatter_rows,
)
from layeredrl.nets.image_centering import ImageCentering
from layeredrl.nets.latent_head import LatentHead
from layeredrl.nets.observation_parts import ONLY_KEY, ObservationParts
from layeredrl.nets.rl2 import rl2_features, rl2_space
from layeredrl.nets.traj_encoder import TrajEncoder, TrajEncoderType
from layeredrl.nets.tstep_encoder import TstepEncoderType
from layeredrl.nets.utils import padded
from layeredrl.utils.mapped_observations import vector_part


@gin.configurable
class BackboneEncoder(Encoder):
    """A time-step encoder, then a trajectory encoder if there is one, then two heads.

    Every observation, with the reward and action before it, becomes an embedding; the
    trajectory encoder adds what earlier embeddings of the episode tell. Latent state and
    context are each made of two blocks, either of which may be empty: columns of the
    observation as they are, and features that a linear layer reads off the embedding.
    What is known to be the state (positions, say) is best taken as it is; the learned
    features carry what has to be seen or remembered.
    """

    def __init__(
        self,
        mapped_env_obs_shape: tuple[int, ...] | dict[str, tuple[int, ...]],
        observation_space: spaces.Space,
        action_space: spaces.Space,
        partial_tstep_encoder: TstepEncoderType,
        partial_traj_encoder: TrajEncoderType | None = None,
        max_seq_len: int = 64,
        stretches_per_window: int = 4,
        state_keys: Sequence[str] = (),
        n_state_features: int = 0,
        context_keys: Sequence[str] = (),
        n_context_features: int = 0,
        center_images: bool = True,
        head_norm: str = "none",
        device: torch.device | str = "cpu",
    ):
        """Build the networks.

        Args:
            mapped_env_obs_shape: Shape of the mapped observation.
            observation_space: Space that these observations were flattened from.
            action_space: Actions of the level whose observations are encoded.
            partial_tstep_encoder: Called with the Dict space of the observation's parts
                and the Box of reward and action features.
            partial_traj_encoder: Called with the number of features of an encoded step
                and ``max_seq_len``; ``None`` for no memory: observations are then all
                that is looked at, previous rewards and actions being zeros.
            max_seq_len: Longest sequence that is trained on [decisions].
            stretches_per_window: How many stretches that are learned from share such a
                sequence.
            state_keys: Parts of the observation that enter the latent state as they are.
            n_state_features: Learned features of the latent state.
            context_keys: Parts of the observation that enter the context as they are.
            n_context_features: Learned features of the context.
            center_images: Whether the running mean is subtracted from pictures and the
                rest brought to unit scale (see :class:`~layeredrl.nets.ImageCentering`).
            head_norm: Normalisation of the learned features of state and of context (see
                ``nets.ff.Normalization``); keeps the scale of latents in place.
            device: Where everything is put.

        Raises:
            SpaceError: If the observations are not of that space, a key is not in it, or
                actions are neither ``Box`` nor ``Discrete``.
            ConfigurationError: If the latent state would be empty or a number is too
                small.
        """
        super().__init__()
        _check_sizes(state_keys, n_state_features, n_context_features, max_seq_len)
        self.parts = ObservationParts(observation_space, mapped_env_obs_shape)
        self._rl2_space = rl2_space(action_space)
        self.tstep_encoder = partial_tstep_encoder(self.parts.space, self._rl2_space)
        self.traj_encoder: TrajEncoder | None = None
        emb_dim = self.tstep_encoder.emb_dim
        if partial_traj_encoder is not None:
            self.traj_encoder = partial_traj_encoder(emb_dim, max_seq_len)
            emb_dim = self.traj_encoder.emb_dim
            self.max_seq_len = max_seq_len
            self.stretches_per_window = stretches_per_window
        self.images = nn.ModuleDict()
        if center_images:
            for name, shape in self.parts.layout.images.items():
                self.images[_module_name(name)] = ImageCentering(shape)
        columns = self.parts.columns_of
        self.state_head = LatentHead(
            columns(state_keys), emb_dim, n_state_features, head_norm
        )
        self.context_head = LatentHead(
            columns(context_keys), emb_dim, n_context_features, head_norm
        )
        self.latent_state_dim = self.state_head.out_dim
        self.context_dim = self.context_head.out_dim
        self.to(device)

    def forward(self, obs: TensorObservation) -> tuple[Tensor, Tensor]:
        """Encode observations, each as the first of an episode."""
        lead = vector_part(obs).shape[:-1]
        n = lead.numel()
        flat = map_observation(obs, lambda x: x.reshape(n, 1, *x.shape[len(lead) :]))
        vector = vector_part(flat)
        rl2s = vector.new_zeros(n, 1, *self._rl2_space.shape)
        times = torch.zeros(n, 1, dtype=torch.int64, device=vector.device)
        state, context = self._latents(flat, self._seen(flat), rl2s, times)
        return state.view(*lead, state.shape[-1]), context.view(
            *lead, context.shape[-1]
        )

    def step(
        self,
        obs: TensorObservation,
        prev_action: Tensor,
        prev_reward: Tensor,
        time_idx: Tensor,
        memory: Memory,
    ) -> tuple[Tensor, Tensor, Memory]:
        """Encode one more observation of each instance; the memory changes in place."""
        sequence = map_observation(obs, lambda x: x.unsqueeze(1))
        rl2s = self._told(prev_reward, prev_action).unsqueeze(1)
        embedding = self.tstep_encoder(self._seen(sequence), rl2s)
        if self.traj_encoder is not None:
            times = time_idx.view(-1, 1, 1)
            embedding, memory = self.traj_encoder(embedding, times, memory)
        state, context = self._heads(sequence, embedding)
        return state.squeeze(1), context.squeeze(1), memory

    def sequence(
        self,
        obs: TensorObservation,
        prev_actions: Tensor,
        prev_rewards: Tensor,
        time_idxs: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Encode whole stretches of episodes in one pass."""
        # Marked as padding, what is invalid stays out of running statistics of inputs.
        invalid = ~mask.bool()
        rl2s = padded(self._told(prev_rewards, prev_actions), invalid)
        seen = {key: padded(x, invalid) for key, x in self._seen(obs).items()}
        return self._latents(obs, seen, rl2s, time_idxs)

    def init_memory(self, n: int, device: torch.device | str) -> Memory:
        """Make the hidden state of instances that have seen nothing."""
        if self.traj_encoder is None:
            return None
        return empty_hidden_state(self.traj_encoder, n, torch.device(device))

    def reset_memory(self, memory: Memory, dones: np.ndarray) -> Memory:
        """Forget the past of instances whose episode ended."""
        if self.traj_encoder is None:
            return None
        return self.traj_encoder.reset_hidden_state(memory, dones)

    def gather_memory(self, memory: Memory, instances: np.ndarray) -> Memory:
        """Take out the memory of some instances."""
        if self.traj_encoder is None:
            return None
        return gather_rows(self.traj_encoder, memory, instances)

    def scatter_memory(
        self, memory: Memory, instances: np.ndarray, part: Memory
    ) -> Memory:
        """Put back what :meth:`gather_memory` took out."""
        if self.traj_encoder is None:
            return None
        return scatter_rows(self.traj_encoder, memory, instances, part)

    def memory_state(self, memory: Memory) -> Any:
        """Copy the memory for a checkpoint."""
        if self.traj_encoder is None:
            return None
        return hidden_rows_state(self.traj_encoder, memory)

    def load_memory_state(self, state: Any, device: torch.device | str) -> Memory:
        """Restore what :meth:`memory_state` returned."""
        if self.traj_encoder is None:
            return None
        return load_hidden_rows(self.traj_encoder, state, torch.device(device))

    def observe(self, obs: TensorObservation, next_obs: TensorObservation) -> None:
        """Follow the mean of pictures."""
        parts = self.parts.split(obs)
        for name in self.parts.layout.images if self.images else ():
            centering = self.images[_module_name(name)]
            assert isinstance(centering, ImageCentering)
            centering.observe(parts[name or ONLY_KEY])

    def _seen(self, obs: TensorObservation) -> dict[str, Tensor]:
        """Split observations and center their pictures."""
        parts = self.parts.split(obs)
        for name in self.parts.layout.images if self.images else ():
            image = parts[name or ONLY_KEY]
            parts[name or ONLY_KEY] = self.images[_module_name(name)](image)
        return parts

    def _told(self, prev_reward: Tensor, prev_action: Tensor) -> Tensor:
        """Make features of the last reward and action, (..., 1 + A)."""
        n_actions = self._rl2_space.shape[0] - 1
        if prev_action.shape[-1] != n_actions:
            raise ShapeError(
                f"the encoder was built for actions of {n_actions} features, the level's "
                f"have {prev_action.shape[-1]}; its action_space must be the level's"
            )
        rl2s = rl2_features(prev_reward, prev_action)
        # Without a trajectory encoder single observations are learned from: no past.
        return torch.zeros_like(rl2s) if self.traj_encoder is None else rl2s

    def _latents(
        self,
        obs: TensorObservation,
        seen: dict[str, Tensor],
        rl2s: Tensor,
        time_idxs: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Encode sequences from their parts, (B, T, Z) and (B, T, C)."""
        embedding = self.tstep_encoder(seen, rl2s)
        if self.traj_encoder is not None:
            embedding, _ = self.traj_encoder(embedding, time_idxs.unsqueeze(-1))
        return self._heads(obs, embedding)

    def _heads(
        self, obs: TensorObservation, embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Put together columns and learned features, (B, T, Z) and (B, T, C)."""
        vector = vector_part(obs)
        state = self.state_head(vector, embedding)
        return state, self.context_head(vector, embedding)


def _module_name(path: str) -> str:
    """Modules' names hold no dots."""
    return (path or ONLY_KEY).replace(".", "/")


def _check_sizes(
    state_keys: Sequence[str], n_state: int, n_context: int, max_seq_len: int
) -> None:
    if min(n_state, n_context) < 0 or max_seq_len < 3:
        raise ConfigurationError(
            "numbers of learned features must not be negative and max_seq_len must be at "
            f"least 3 (an observation, its successor and one before), got {n_state}, "
            f"{n_context} and {max_seq_len}"
        )
    if not state_keys and n_state == 0:
        raise ConfigurationError(
            "the latent state would be empty: name state_keys or learned features"
        )
