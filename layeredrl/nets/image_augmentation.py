"""Random shifts of pictures, as in DrQ-v2."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ShapeError


class DrQv2Aug(nn.Module):
    """Pads pictures by their border and crops them at a random place.

    Every picture gets a shift of its own, also within a sequence.  Applies in training and
    evaluation alike: the caller decides when to augment.  The shifts are one draw from
    torch's global generator.
    """

    def __init__(self, pad: int, channels_first: bool) -> None:
        """Choose how far pictures may be shifted.

        Args:
            pad: Largest shift in each direction [pixels].
            channels_first: Whether the channels come first in pictures.

        Raises:
            ConfigurationError: ``pad`` is negative.
        """
        super().__init__()
        if pad < 0:
            raise ConfigurationError(f"pad must not be negative, got {pad}")
        self.pad = pad
        self.channels_first = channels_first

    def forward(self, x: Tensor) -> Tensor:
        """Shift every picture at random.

        Args:
            x: Square pictures, (B, L, H, H, C) or, channels first, (B, L, C, H, H); other
                types than floats are made float32.

        Returns:
            Float pictures of the same shape.

        Raises:
            ShapeError: The rank is not five, or the pictures are not square.
        """
        if x.ndim != 5:
            raise ShapeError(f"expected pictures of rank 5, got {tuple(x.shape)}")
        if not x.is_floating_point():
            x = x.float()
        if not self.channels_first:
            x = x.permute(0, 1, 4, 2, 3)
        height, width = x.shape[-2:]
        if height != width:
            raise ShapeError(f"expected square pictures, got {height} x {width}")
        shifted = self._shift(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return shifted if self.channels_first else shifted.permute(0, 1, 3, 4, 2)

    def _shift(self, imgs: Tensor) -> Tensor:
        """Shift pictures of shape (n, C, H, H)."""
        n, height = imgs.shape[0], imgs.shape[-1]
        side = height + 2 * self.pad
        margin = 1 - 1 / side
        line = torch.linspace(
            -margin, margin, side, dtype=imgs.dtype, device=imgs.device
        )
        line = line[:height]
        rows, columns = torch.meshgrid(line, line, indexing="ij")
        base = torch.stack((columns, rows), -1)  # (H, H, 2): x, then y
        shift = torch.randint(
            0, 2 * self.pad + 1, (n, 1, 1, 2), dtype=imgs.dtype, device=imgs.device
        )
        return F.grid_sample(
            F.pad(imgs, (self.pad,) * 4, mode="replicate"),
            base + shift * (2.0 / side),
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
