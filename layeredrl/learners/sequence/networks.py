"""All networks of a sequence actor-critic."""

import copy
from typing import TYPE_CHECKING, Any

import torch
from gymnasium import spaces
from torch import nn

from layeredrl.errors import SpaceError
from layeredrl.learners.action_scaling import ActionScaling
from layeredrl.learners.learner import LearnerSpec
from layeredrl.learners.sequence.encoder import SequenceEncoder
from layeredrl.learners.sequence.values import SequenceValues, follow
from layeredrl.nets.actor import Actor
from layeredrl.utils.spaces import action_dim

if TYPE_CHECKING:
    from layeredrl.learners.sequence.config import SequenceActorCriticConfig


class SequenceNetworks(nn.Module):
    """One encoder under an actor and critics, and slowly following copies of these two.

    Attributes:
        encoder: Turns sequences into features; it has no copy.
        actor: The policy that acts.
        target_actor: The policy that bootstraps.
        values: The critics.
    """

    def __init__(
        self,
        config: "SequenceActorCriticConfig",
        spec: LearnerSpec,
        scaling: ActionScaling | None,
    ):
        """Build the networks, in evaluation mode.

        Args:
            config: Their kinds and sizes.
            spec: Where they learn.
            scaling: How actions are brought to the unit box; ``None`` where they are
                one-hot.

        Raises:
            SpaceError: If the encoder cannot see these observations.
        """
        super().__init__()
        self._tau = config.tau
        discrete = isinstance(spec.action_space, spaces.Discrete)
        dim = action_dim(spec.action_space)
        self.encoder = SequenceEncoder(
            spec, config.tstep_encoder, config.traj_encoder, config.max_seq_len, scaling
        )
        n_layers, d_hidden = config.actor_hidden
        self.actor = Actor(
            self.encoder.emb_dim,
            dim,
            discrete,
            torch.tensor(config.gammas),
            n_layers=n_layers,
            d_hidden=d_hidden,
            continuous_dist_type=config.policy_dist,
        )
        self.target_actor = copy.deepcopy(self.actor).requires_grad_(False)
        self.values = SequenceValues(config, self.encoder.emb_dim, dim, discrete)
        self.to(spec.device).eval()

    def follow(self) -> None:
        """Let the target networks follow by one step."""
        follow(self.target_actor, self.actor, self._tau)
        follow(self.values.target, self.values.online, self._tau)

    def learned_parameters(self) -> list[nn.Parameter]:
        """List what the optimizer changes.

        Returns:
            All parameters but those of target networks.
        """
        return [p for p in self.parameters() if p.requires_grad]

    def acting_state(self) -> dict[str, Any]:
        """Copy what acting needs.

        Returns:
            The weights and statistics of encoder and actor.
        """
        return {
            "encoder": copy.deepcopy(dict(self.encoder.state_dict())),
            "actor": copy.deepcopy(dict(self.actor.state_dict())),
        }

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`acting_state` returned.

        Args:
            state: The state.
        """
        self.encoder.load_state_dict(state["encoder"])
        self.actor.load_state_dict(state["actor"])


def unit_scaling(spec: LearnerSpec) -> ActionScaling | None:
    """Find how actions are brought to the unit box.

    Args:
        spec: Says what the actions are.

    Returns:
        The scaling; ``None`` for ``Discrete`` actions, which are one-hot.

    Raises:
        SpaceError: If actions are neither ``Discrete`` nor a bounded ``Box``.
    """
    if not isinstance(spec.action_space, spaces.Discrete | spaces.Box):
        raise SpaceError(
            f"actions must live in a bounded Box or Discrete, got {spec.action_space}"
        )
    if isinstance(spec.action_space, spaces.Discrete):
        return None
    return ActionScaling(spec.action_space, spec.device)
