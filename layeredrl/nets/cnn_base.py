"""The base of the picture networks, and the initial weights that DrQ gives them.

Legend of these pages: B batch, L length (time), H and W picture height and width, C
channels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, ObservationError, ShapeError
from layeredrl.nets.utils import activation_switch


def weight_init(m: nn.Module) -> None:
    """Initialise one layer as DrQ does; use as ``net.apply(weight_init)``.

    Linear layers get an orthogonal weight and no bias.  Convolutions start as an orthogonal
    map of the middle pixel, scaled for leaky ReLU, all else zero.

    Args:
        m: A layer; kinds other than ``Linear`` and ``Conv2d`` are left alone.

    Raises:
        ConfigurationError: The kernel of a convolution is not square.
    """
    if isinstance(m, nn.Linear):
        nn.init.orthogonal_(m.weight)
        if m.bias is not None:
            nn.init.zeros_(m.bias)
    elif isinstance(m, nn.Conv2d):
        if m.kernel_size[0] != m.kernel_size[1]:
            raise ConfigurationError(f"kernel is not square: {m.kernel_size}")
        nn.init.zeros_(m.weight)
        if m.bias is not None:
            nn.init.zeros_(m.bias)
        mid = m.kernel_size[0] // 2
        gain = nn.init.calculate_gain("leaky_relu")
        nn.init.orthogonal_(m.weight.data[:, :, mid, mid], gain)


class CNN(nn.Module, ABC):
    """Base of the picture networks; a subclass implements :meth:`conv_forward`."""

    def __init__(
        self, img_shape: Sequence[int], channels_first: bool, activation: str
    ) -> None:
        """Remember what pictures look like.

        Args:
            img_shape: Shape of one picture, (H, W, C) or (C, H, W); only its number of
                channels binds.
            channels_first: Whether the channels come first in pictures.
            activation: Name of the activation (see ``nets.utils.activation_switch``).

        Raises:
            ConfigurationError: The shape is not of rank three, or the activation is
                unknown.
        """
        super().__init__()
        if len(img_shape) != 3:
            raise ConfigurationError(
                f"expected a picture shape of rank 3, got {tuple(img_shape)}"
            )
        self.img_shape = tuple(img_shape)
        self.channels_first = channels_first
        self.n_channels = self.img_shape[0 if channels_first else 2]
        self.activation = activation_switch(activation)

    @property
    def blank_img(self) -> Tensor:
        """A black picture of one step, (1, 1) + img_shape, uint8."""
        device = next((p.device for p in self.parameters()), None)
        return torch.zeros((1, 1, *self.img_shape), dtype=torch.uint8, device=device)

    @abstractmethod
    def conv_forward(self, imgs: Tensor) -> Tensor:
        """Map pictures to feature maps.

        Args:
            imgs: Float pictures, (n, C, H, W), of any height and width.

        Returns:
            Feature maps, (n, c, h, w).
        """

    def forward(
        self, obs: Tensor, from_float: bool = False, flatten: bool = True
    ) -> Tensor:
        """Map sequences of pictures to sequences of features.

        Args:
            obs: Pictures, (B, L, H, W, C) or, channels first, (B, L, C, H, W); uint8, or
                float with ``from_float``.
            from_float: Take ``obs`` as it is, instead of mapping uint8 to [-1, 1).
            flatten: Flatten the feature maps: channel slowest, then row, then column.

        Returns:
            (B, L, c * h * w), or without ``flatten`` (B, L, c, h, w).

        Raises:
            ShapeError: ``obs`` has another rank or number of channels.
            ObservationError: ``obs`` is not uint8 and ``from_float`` is off.
        """
        channel_axis = 2 if self.channels_first else 4
        if obs.ndim != 5 or obs.shape[channel_axis] != self.n_channels:
            sizes = "(B, L, {0}, H, W)" if self.channels_first else "(B, L, H, W, {0})"
            raise ShapeError(
                f"expected pictures {sizes.format(self.n_channels)}, got "
                f"{tuple(obs.shape)}"
            )
        if not from_float:
            if obs.dtype != torch.uint8:
                raise ObservationError(
                    f"expected uint8 pictures, got {obs.dtype}; pass from_float=True for "
                    "pictures that are scaled already"
                )
            obs = obs.float() / 128.0 - 1.0
        if not self.channels_first:
            obs = obs.permute(0, 1, 4, 2, 3)
        features = self.conv_forward(obs.flatten(0, 1))
        if flatten:
            features = features.flatten(1)
        return features.unflatten(0, obs.shape[:2])
