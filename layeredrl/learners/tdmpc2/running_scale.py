"""How far apart values are, as a slowly moving average."""

import torch
from torch import Tensor, nn


class RunningScale(nn.Module):
    """Distance between the 5th and the 95th percentile, at least one.

    Values divided by it can be weighed against an entropy, whatever a task's rewards.
    """

    value: Tensor
    percentiles: Tensor

    def __init__(self, rate: float):
        """Start at one.

        Args:
            rate: Share of the newest values in the average, (0, 1].
        """
        super().__init__()
        self._rate = rate
        self.register_buffer("value", torch.ones(()))
        percentiles = torch.tensor([0.05, 0.95])
        self.register_buffer("percentiles", percentiles, persistent=False)

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Take values into account.

        Args:
            values: The newest ones, (B,).
        """
        low, high = values.quantile(self.percentiles)
        self.value.lerp_((high - low).clamp(min=1.0), self._rate)
