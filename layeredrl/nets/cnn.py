"""Convolutional networks for pixels: time and batch go in, features per step come out."""

from collections.abc import Sequence

import gin
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.cnn_base import CNN, weight_init
from layeredrl.nets.image_augmentation import DrQv2Aug
from layeredrl.nets.impala_cnn import IMPALAishCNN

__all__ = [
    "CNN",
    "DrQCNN",
    "DrQv2Aug",
    "GridworldCNN",
    "IMPALAishCNN",
    "NatureishCNN",
    "weight_init",
]


@gin.configurable
class DrQCNN(CNN):
    """The network of DrQ-v2 (https://arxiv.org/abs/2107.09645)."""

    def __init__(
        self, img_shape: Sequence[int], channels_first: bool, activation: str
    ) -> None:
        """Build four convolutions of 32 channels.

        Args:
            img_shape: Shape of one picture, (H, W, C) or (C, H, W).
            channels_first: Whether the channels come first in pictures.
            activation: Name of the activation.
        """
        super().__init__(img_shape, channels_first, activation)
        self.conv1 = nn.Conv2d(self.n_channels, 32, kernel_size=3, stride=2)
        self.conv2 = nn.Conv2d(32, 32, kernel_size=3)
        self.conv3 = nn.Conv2d(32, 32, kernel_size=3)
        self.conv4 = nn.Conv2d(32, 32, kernel_size=3)
        self.apply(weight_init)

    def conv_forward(self, imgs: Tensor) -> Tensor:
        """Apply the convolutions, each followed by the activation."""
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            imgs = self.activation(conv(imgs))
        return imgs


class _ThreeConvCNN(CNN):
    """Three convolutions without padding, an activation after each."""

    def __init__(
        self,
        img_shape: Sequence[int],
        channels_first: bool,
        activation: str,
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
    ) -> None:
        """Build three convolutions; the lists have one entry for each."""
        super().__init__(img_shape, channels_first, activation)
        for what, values in (
            ("channels", channels),
            ("kernels", kernels),
            ("strides", strides),
        ):
            if len(values) != 3:
                raise ConfigurationError(f"{what} must have 3 entries, got {values}")
        widths = [self.n_channels, *channels]
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(widths[i], widths[i + 1], kernels[i], strides[i])
            for i in range(3)
        )

    def conv_forward(self, imgs: Tensor) -> Tensor:
        """Apply the convolutions, each followed by the activation."""
        for conv in (self.conv1, self.conv2, self.conv3):
            imgs = self.activation(conv(imgs))
        return imgs


@gin.configurable
class NatureishCNN(_ThreeConvCNN):
    """The small network of DQN, with sizes to choose."""

    def __init__(
        self,
        img_shape: Sequence[int],
        channels_first: bool,
        activation: str,
        channels: Sequence[int] = (32, 64, 64),
        kernels: Sequence[int] = (8, 4, 3),
        strides: Sequence[int] = (4, 2, 1),
    ) -> None:
        """Build three convolutions.

        Args:
            img_shape: Shape of one picture, (H, W, C) or (C, H, W).
            channels_first: Whether the channels come first in pictures.
            activation: Name of the activation.
            channels: Output channels of the three convolutions.
            kernels: Their kernel sizes [pixels].
            strides: Their strides [pixels].
        """
        super().__init__(
            img_shape, channels_first, activation, channels, kernels, strides
        )
        self.apply(weight_init)


@gin.configurable
class GridworldCNN(_ThreeConvCNN):
    """A tiny network for the maps of grid worlds."""

    def __init__(
        self,
        img_shape: Sequence[int],
        channels_first: bool,
        activation: str,
        channels: Sequence[int] = (16, 32, 48),
        kernels: Sequence[int] = (2, 2, 2),
        strides: Sequence[int] = (1, 1, 1),
    ) -> None:
        """Build three convolutions.

        Args:
            img_shape: Shape of one picture, (H, W, C) or (C, H, W).
            channels_first: Whether the channels come first in pictures.
            activation: Name of the activation.
            channels: Output channels of the three convolutions.
            kernels: Their kernel sizes [pixels].
            strides: Their strides [pixels].
        """
        super().__init__(
            img_shape, channels_first, activation, channels, kernels, strides
        )
