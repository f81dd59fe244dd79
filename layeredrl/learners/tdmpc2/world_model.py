"""The networks of TD-MPC2: a world imagined in latent space, values and a policy."""

import torch
from torch import Tensor, nn

from layeredrl.learners.tdmpc2.layers import MemberMLP, normed_mlp
from layeredrl.learners.tdmpc2.policy import PolicyPrior
from layeredrl.learners.tdmpc2.sizes import ModelSize
from layeredrl.learners.tdmpc2.two_hot import TwoHot

_N_VALUE_FUNCTIONS = 5


class WorldModel(nn.Module):
    """Everything that TD-MPC2 learns, but for the target values.

    All networks but the encoder and the policy take what :meth:`joined` puts together.

    Attributes:
        encode: Observations without conditions (..., O) to latent states (..., Z).
        dynamics: To the next latent state (..., Z).
        reward: To logits of the reward (..., N), see :attr:`two_hot`.
        termination: To the logit of the end of the episode, (..., 1); ``None`` if
            episodes never terminate.
        values: To logits of the value, (M, ..., N).
        policy: Latent states and conditions, side by side, to actions.
        two_hot: Reads logits.
        discount: Running mean of what a decision costs the future, 0-dim: decisions can
            take several environment steps, and how many is not predicted.
        latent_dim: Features of a latent state Z.
    """

    discount: Tensor

    def __init__(
        self,
        obs_dim: int,
        condition_dim: int,
        action_dim: int,
        size: ModelSize,
        two_hot: TwoHot,
        is_episodic: bool,
        gamma: float,
    ):
        """Build the networks.

        Args:
            obs_dim: Features of an observation O, without the condition.
            condition_dim: Features that say what to do C; 0 is legal.
            action_dim: Action features A.
            size: Widths of the networks.
            two_hot: Reads logits of rewards and values.
            is_episodic: Whether episodes can terminate.
            gamma: Discount per environment step.
        """
        super().__init__()
        self.latent_dim = size.latent_dim
        in_dim = size.latent_dim + condition_dim + action_dim
        hidden, latent = size.hidden_sizes, (size.latent_dim, size.simplex_dim)
        self.encode = normed_mlp(obs_dim, size.encoder_sizes, *latent)
        self.dynamics = normed_mlp(in_dim, hidden, *latent)
        self.reward = normed_mlp(in_dim, hidden, two_hot.n_bins)
        # All bins alike stand for zero, which is where estimates should start.
        nn.init.zeros_(self.reward[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.reward[-1].bias)  # type: ignore[arg-type]
        self.termination = normed_mlp(in_dim, hidden, 1) if is_episodic else None
        self.values = MemberMLP(_N_VALUE_FUNCTIONS, in_dim, hidden, two_hot.n_bins)
        self.policy = PolicyPrior(size.latent_dim + condition_dim, hidden, action_dim)
        self.two_hot = two_hot
        self.register_buffer("discount", torch.tensor(gamma))

    def joined(self, state: Tensor, condition: Tensor, action: Tensor) -> Tensor:
        """Put together what the networks take.

        Args:
            state: Latent states (..., Z).
            condition: What to do there (..., C).
            action: Actions in [-1, 1], (..., A).

        Returns:
            (..., Z + C + A).
        """
        return torch.cat([state, condition, action], dim=-1)

    def draw_values(self, generator: torch.Generator | None) -> Tensor:
        """Draw two of the value functions.

        Args:
            generator: Source of randomness; without one they are always the same.

        Returns:
            Which ones, (2,) int64.
        """
        device = self.discount.device
        if generator is None:
            return torch.arange(2, device=device)
        members = torch.randperm(_N_VALUE_FUNCTIONS, generator=generator, device=device)
        return members[:2]
