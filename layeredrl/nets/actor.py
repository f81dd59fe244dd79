"""The policy head."""

import gin
from torch import Tensor, nn
from torch.distributions import Distribution

from layeredrl.errors import ConfigurationError
from layeredrl.nets.ff import MLP
from layeredrl.nets.policy_dists import Discrete, PolicyOutput, TanhGaussian


@gin.configurable(module="layeredrl.nets.actor_critic")
class Actor(nn.Module):
    """A small MLP from a state to a distribution over actions for each gamma."""

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        discrete: bool,
        gammas: Tensor,
        n_layers: int = 2,
        d_hidden: int = 256,
        activation: str = "leaky_relu",
        dropout_p: float = 0.0,
        continuous_dist_type: type[PolicyOutput] = TanhGaussian,
    ) -> None:
        """Build the MLP.

        Args:
            state_dim: Features of the state.
            action_dim: Action features, or number of choices.
            discrete: Whether actions are one of several choices.
            gammas: Discount factors, (G,); only their number matters.
            n_layers: Number of hidden layers.
            d_hidden: Features of each hidden layer.
            activation: Name of the activation (see ``nets.utils.activation_switch``).
            dropout_p: Probability of dropping a hidden feature, in [0, 1].
            continuous_dist_type: Kind of distribution where actions are not discrete.

        Raises:
            ConfigurationError: The kind of distribution does not fit the actions, or the
                activation is unknown.
        """
        super().__init__()
        kind: type[PolicyOutput] = Discrete if discrete else continuous_dist_type
        if not (isinstance(kind, type) and issubclass(kind, PolicyOutput)):
            raise ConfigurationError(
                f"continuous_dist_type is no subclass of PolicyOutput: {kind!r}"
            )
        self.policy_dist = kind(d_action=action_dim)
        if self.policy_dist.is_discrete != discrete:
            raise ConfigurationError(
                f"{kind.__name__} is for discrete actions, these are continuous"
            )
        self.num_gammas = len(gammas)
        self.action_dim, self.discrete = action_dim, discrete
        self.actions_differentiable = self.policy_dist.actions_differentiable
        d_output = self.policy_dist.input_dimension * self.num_gammas
        self.base = MLP(state_dim, d_hidden, n_layers, d_output, activation, dropout_p)

    def forward(self, state: Tensor, log_dict: dict | None = None) -> Distribution:
        """Give the action distribution of each gamma.

        Args:
            state: (B, L, state_dim), or any other leading axes.
            log_dict: Receives 0-dim tensors worth logging, if given.

        Returns:
            A distribution with samples (B, L, G, action_dim); discrete ones are indices,
            (B, L, G, 1).
        """
        vec = self.base(state).unflatten(-1, (self.num_gammas, -1))
        return self.policy_dist(vec, log_dict=log_dict)
