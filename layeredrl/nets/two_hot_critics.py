"""The value head that gives a distribution over value bins.

Legend of these pages: B batch, L length (time), G number of gammas, A action features, K
action samples, C critics, N output bins.
"""

import warnings

import gin
import torch
from torch import Tensor
from torch.distributions import Categorical

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.critic_ensemble import Ensemble
from layeredrl.nets.critics import StateActionCritic
from layeredrl.nets.utils import symexp, symlog

_FAR_RETURN = 100_000.0


@gin.configurable(module="layeredrl.nets.actor_critic")
class NCriticsTwoHot(StateActionCritic):
    """A small ensemble of MLPs that gives a distribution over value bins.

    By default the bins reach far and are dense around zero, as in DreamerV3.
    """

    bin_vals: Tensor

    def __init__(
        self,
        state_dim: int,
        action_dim: int,
        gammas: Tensor,
        num_critics: int = 4,
        d_hidden: int = 256,
        n_layers: int = 2,
        dropout_p: float = 0.0,
        activation: str = "leaky_relu",
        min_return: float | None = None,
        max_return: float | None = None,
        output_bins: int = 128,
        use_symlog: bool = True,
    ) -> None:
        """Build the ensemble and lay out the bins.

        Args:
            state_dim: Features of the state.
            action_dim: Action features, or number of choices.
            gammas: Discount factors, (G,).
            num_critics: Number of critics.
            d_hidden: Features of each hidden layer.
            n_layers: Number of hidden layers.
            dropout_p: Probability of dropping a hidden feature, in [0, 1].
            activation: Name of the activation (see ``nets.utils.activation_switch``).
            min_return: Value of the first bin; ``None`` means -100000, with a warning.
            max_return: Value of the last bin; ``None`` means 100000, with a warning.
            output_bins: Number of bins, N.
            use_symlog: Space the bins evenly in symlog of the value.

        Raises:
            ConfigurationError: ``min_return`` is not below ``max_return``, there are
                fewer than two bins, or the activation is unknown.
        """
        net = Ensemble(
            state_dim + 1 + action_dim,
            d_hidden,
            n_layers,
            output_bins,
            n_members=num_critics,
            activation=activation,
            dropout_p=dropout_p,
        )
        super().__init__(state_dim, action_dim, gammas, net)
        if output_bins < 2:
            raise ConfigurationError(f"expected at least 2 bins, got {output_bins}")
        low, high = _return_bounds(min_return, max_return)
        self.use_symlog = use_symlog
        if use_symlog:
            low, high = symlog(low), symlog(high)
        bins = torch.linspace(low, high, output_bins)
        self.register_buffer("bin_vals", bins, persistent=False)

    def forward(
        self, state: Tensor, action: Tensor, log_dict: dict | None = None
    ) -> Categorical:
        """Estimate values.

        Args:
            state: (B, L, state_dim).
            action: Action samples, (K, B, L, G, A).
            log_dict: Nothing is logged.

        Returns:
            A distribution over the N bins, of batch shape (K, B, L, C, G).

        Raises:
            ShapeError: A shape is another one.
        """
        logits = self._outputs(state, action)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        probs = logits.softmax(-1).clamp(1e-6, 0.999)
        # Normalised by torch; checking that costs another pass over all bins.
        return Categorical(probs=probs, validate_args=False)

    def bin_dist_to_raw_vals(self, bin_dist: Categorical) -> Tensor:
        """Give the value that a distribution over the bins stands for.

        Args:
            bin_dist: Distribution over the N bins, of any batch shape (...).

        Returns:
            The expectation over bins, then freed of the symlog, (..., 1).

        Raises:
            ConfigurationError: ``bin_dist`` is no ``Categorical``.
        """
        if not isinstance(bin_dist, Categorical):
            raise ConfigurationError(
                f"expected a Categorical, got {type(bin_dist).__name__}"
            )
        mean = (bin_dist.probs * self.bin_vals).sum(-1, keepdim=True)
        return symexp(mean) if self.use_symlog else mean

    def raw_vals_to_labels(self, raw_td_target: Tensor) -> Tensor:
        """Spread each value over the two bins around it.

        Args:
            raw_td_target: Values, (..., 1).

        Returns:
            Weights of the bins, (..., N); they sum to one, and to the value if it lies
            within the bins.

        Raises:
            ShapeError: The last axis is not of size one.
        """
        if not raw_td_target.ndim or raw_td_target.shape[-1] != 1:
            raise ShapeError(f"expected (..., 1), got {tuple(raw_td_target.shape)}")
        t = raw_td_target.squeeze(-1).to(self.bin_vals.dtype)
        t = symlog(t) if self.use_symlog else t
        n_bins = len(self.bin_vals)
        above = torch.searchsorted(self.bin_vals, t.contiguous(), right=True)
        below = (above - 1).clamp(0, n_bins - 1)
        above = above.clamp(0, n_bins - 1)
        to_below = (self.bin_vals[below] - t).abs()
        to_above = (self.bin_vals[above] - t).abs()
        outside = below == above
        gap = (to_below + to_above).masked_fill(outside, 1)
        weight_above = (to_below / gap).masked_fill(outside, 0)
        weight_below = (to_above / gap).masked_fill(outside, 1)
        labels = t.new_zeros((*t.shape, n_bins))
        labels.scatter_add_(-1, below.unsqueeze(-1), weight_below.unsqueeze(-1))
        labels.scatter_add_(-1, above.unsqueeze(-1), weight_above.unsqueeze(-1))
        return labels.masked_fill(t.isnan().unsqueeze(-1), torch.nan)


def _return_bounds(low: float | None, high: float | None) -> tuple[float, float]:
    """Fill in the bounds that are not given."""
    if low is None or high is None:
        warnings.warn(
            f"return bounds {low} to {high}: unset ones become +-{_FAR_RETURN:.0f}; "
            "tighter ones may learn faster",
            stacklevel=3,
        )
    low = -_FAR_RETURN if low is None else low
    high = _FAR_RETURN if high is None else high
    if low >= high:
        raise ConfigurationError(
            f"min_return must be below max_return, got {low} and {high}"
        )
    return low, high
