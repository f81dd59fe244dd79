"""Pictures without what is the same in all of them."""

import torch
from torch import Tensor, nn

from layeredrl.utils.normalization import RunningNormalizer

# Pictures of AMAGO's encoders run from 0 to 255 and are brought to [-1, 1] there.
_MIDDLE = 128.0


class ImageCentering(nn.Module):
    """Subtracts the mean picture and scales what remains to unit variance.

    Where little changes from picture to picture (a robot before a wall), what does change
    would otherwise hardly move the features of an untrained network. Subtracting the mean
    is as old as Krizhevsky et al. 2012.
    """

    def __init__(self, shape: tuple[int, ...]):
        """Start with a grey mean picture.

        Args:
            shape: Shape of a picture.
        """
        super().__init__()
        self._shape = shape
        self.pixels = RunningNormalizer(torch.Size(shape).numel())
        self.pixels.mean.fill_(_MIDDLE)
        self.pixels.variance.fill_(_MIDDLE**2)

    def forward(self, images: Tensor) -> Tensor:
        """Center pictures.

        Args:
            images: Pictures from 0 to 255, uint8 or float, (..., *shape).

        Returns:
            Pictures around 128, whose values deviate by 128 on average, float32 of the
            same shape.
        """
        scale = _MIDDLE / self.pixels.variance.mean().sqrt().clamp(min=1.0).float()
        return (images - self.pixels.mean.view(self._shape)) * scale + _MIDDLE

    @torch.no_grad()
    def observe(self, images: Tensor) -> None:
        """Follow the data.

        Args:
            images: Pictures from 0 to 255, (B, *shape).
        """
        self.pixels.update(images.flatten(1))
