"""The residual picture network of IMPALA."""

from collections.abc import Sequence

import gin
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError
from layeredrl.nets.cnn_base import CNN
from layeredrl.nets.utils import activation_switch


class _ResidualBlock(nn.Module):
    """``norm(x + conv2(act(conv1(act(x)))))`` at a constant number of channels."""

    def __init__(self, depth: int, activation: str, group_norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(depth, depth, kernel_size=3, padding="same")
        self.conv2 = nn.Conv2d(depth, depth, kernel_size=3, padding="same")
        self.norm = nn.GroupNorm(4, depth) if group_norm else nn.Identity()
        self.activation = activation_switch(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; x and the result are (n, depth, h, w)."""
        hidden = self.conv1(self.activation(x))
        return self.norm(x + self.conv2(self.activation(hidden)))


class _ImpalaBlock(nn.Module):
    """A convolution, a halving of the picture, two residual blocks."""

    def __init__(
        self, d_inp: int, depth: int, activation: str, group_norm: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(d_inp, depth, kernel_size=3, padding="same")
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)
        self.residual1 = _ResidualBlock(depth, activation, group_norm)
        self.residual2 = _ResidualBlock(depth, activation, group_norm)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block: (n, d_inp, h, w) to (n, depth, (h-1)//2, (w-1)//2)."""
        return self.residual2(self.residual1(self.pool(self.conv(x))))


@gin.configurable(module="layeredrl.nets.cnn")
class IMPALAishCNN(CNN):
    """The residual network of IMPALA (https://arxiv.org/abs/1802.01561)."""

    def __init__(
        self,
        img_shape: Sequence[int],
        channels_first: bool,
        activation: str,
        cnn_block_depths: Sequence[int] = (16, 32, 32),
        post_group_norm: bool = True,
    ) -> None:
        """Build one block per depth.

        Args:
            img_shape: Shape of one picture, (H, W, C) or (C, H, W).
            channels_first: Whether the channels come first in pictures.
            activation: Name of the activation.
            cnn_block_depths: Output channels of the blocks.
            post_group_norm: End each residual block with a group norm of four groups.

        Raises:
            ConfigurationError: A depth is no multiple of four under group norm.
        """
        super().__init__(img_shape, channels_first, activation)
        if post_group_norm and any(depth % 4 for depth in cnn_block_depths):
            raise ConfigurationError(
                f"with post_group_norm depths are multiples of 4, got {cnn_block_depths}"
            )
        widths = [self.n_channels, *cnn_block_depths]
        self.blocks = nn.ModuleList(
            _ImpalaBlock(widths[i], widths[i + 1], activation, post_group_norm)
            for i in range(len(cnn_block_depths))
        )

    def conv_forward(self, imgs: Tensor) -> Tensor:
        """Apply the blocks."""
        for block in self.blocks:
            imgs = block(imgs)
        return imgs
