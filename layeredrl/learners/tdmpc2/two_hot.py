"""Numbers as distributions over bins, so that their scale does not matter."""

import torch
from torch import Tensor, nn

from layeredrl.nets.utils import symexp, symlog


class TwoHot(nn.Module):
    """Regresses numbers by classification into bins, even in symlog of the number.

    A number is spread over the two bins around it, in proportion to how near they are
    (Hansen et al. 2024, section 3.1; Hafner et al. 2023, arXiv 2301.04104).

    Attributes:
        n_bins: Number of bins N.
    """

    centers: Tensor

    def __init__(self, n_bins: int, low: float, high: float):
        """Lay out the bins.

        Args:
            n_bins: Number of bins N, at least 2.
            low: Symlog of the first bin's number.
            high: Symlog of the last bin's number.
        """
        super().__init__()
        self._low = low
        self._per_bin = (n_bins - 1) / (high - low)
        self.n_bins = n_bins
        centers = torch.linspace(low, high, n_bins)
        self.register_buffer("centers", centers, persistent=False)

    def decode(self, logits: Tensor) -> Tensor:
        """Read the expected number off a distribution.

        Args:
            logits: (..., N).

        Returns:
            (...).
        """
        return symexp(logits.softmax(-1) @ self.centers)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy between the two-hot targets and the predictions.

        Args:
            logits: (..., N).
            target: Numbers that broadcast against (...); what lies beyond the bins counts
                as the outermost.

        Returns:
            Losses in nats, (...).
        """
        place = (symlog(target) - self._low) * self._per_bin
        place = place.clamp(0, self.n_bins - 1)
        below = place.long().clamp(0, self.n_bins - 2)
        share_above = place - below
        log_probs = logits.log_softmax(-1)
        pair = torch.stack([below, below + 1], dim=-1)
        picked = log_probs.gather(-1, pair.expand(*logits.shape[:-1], 2))
        return -torch.lerp(picked[..., 0], picked[..., 1], share_above)
