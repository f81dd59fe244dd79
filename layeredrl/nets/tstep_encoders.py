"""Time-step encoders: a dict observation and the last reward and action, fused per step."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gin
import torch
from gymnasium import spaces
from torch import Tensor, nn

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.nets.cnn import CNN, DrQv2Aug, NatureishCNN
from layeredrl.nets.ff import MLP, Normalization
from layeredrl.nets.tstep_encoder import TstepEncoder, key_shape
from layeredrl.nets.utils import (
    InputNorm,
    activation_switch,
    log_activations,
    symlog,
)

CNNType = type[CNN] | partial[Any]
"""A class of picture networks, or a ``partial`` of one with other sizes."""

__all__ = ["CNNTstepEncoder", "FFTstepEncoder", "TstepEncoder"]


@gin.configurable
class FFTstepEncoder(TstepEncoder):
    """Flattens all parts of the observation into an MLP."""

    def __init__(
        self,
        obs_space: spaces.Space,
        rl2_space: spaces.Space,
        n_layers: int = 2,
        d_hidden: int = 512,
        d_output: int = 256,
        norm: str = "layer",
        activation: str = "leaky_relu",
        hide_rl2s: bool = False,
        normalize_inputs: bool = True,
        specify_obs_keys: Sequence[str] | None = None,
    ) -> None:
        """Build the input normalisation and the MLP.

        Args:
            obs_space: Dict space of the observations.
            rl2_space: Box space of the previous reward and action features.
            n_layers: Number of hidden layers.
            d_hidden: Features of each hidden layer.
            d_output: Features of an encoded step.
            norm: Normalisation of the output (see ``nets.ff.Normalization``).
            activation: Name of the activation (see ``nets.utils.activation_switch``).
            hide_rl2s: Replace the reward and action features by zeros.
            normalize_inputs: Normalise inputs by running statistics, which are updated
                on every forward in training mode.
            specify_obs_keys: Parts of the observation to use; ``None`` uses all.

        Raises:
            SpaceError: A key is not in the observation space.
            ConfigurationError: The normalisation or activation is unknown.
        """
        super().__init__(obs_space, rl2_space)
        if not isinstance(obs_space, spaces.Dict):
            raise SpaceError(f"expected a Dict observation space, got {obs_space}")
        keys = obs_space if specify_obs_keys is None else specify_obs_keys
        self.obs_keys = sorted(keys)
        shapes = [key_shape(self.obs_space, key) for key in self.obs_keys]
        d_inp = sum(map(math.prod, shapes)) + self.rl2_dim
        self.hide_rl2s = hide_rl2s
        self.in_norm = InputNorm(d_inp, skip=not normalize_inputs)
        self.base = MLP(d_inp, d_hidden, n_layers, d_output, activation)
        self.out_norm = Normalization(norm, d_output)
        self._emb_dim = d_output

    @property
    def emb_dim(self) -> int:
        """Number of features of an encoded step."""
        return self._emb_dim

    def inner_forward(
        self, obs: Mapping[str, Tensor], rl2s: Tensor, log_dict: dict | None = None
    ) -> Tensor:
        """Flatten, normalise and encode; keys go in alphabetical order, rl2s last."""
        parts = [self._checked(key, obs) for key in self.obs_keys]
        lead = parts[0].shape[:2] if parts else rl2s.shape[:2]
        rl2s = self._checked_rl2s(rl2s, lead)
        if self.hide_rl2s:
            rl2s = rl2s * 0
        # (B, L) becomes (B, L, 1), all other parts (B, L, features)
        flat = [part.unsqueeze(-1).flatten(2).float() for part in parts]
        x = torch.cat([*flat, rl2s.float()], -1)
        if self.training:
            self.in_norm.update(x)
        return self.out_norm(self.base(self.in_norm.normalise(x)))


@gin.configurable
class CNNTstepEncoder(TstepEncoder):
    """Sends one picture per step through a CNN and merges the rl2s."""

    def __init__(
        self,
        obs_space: spaces.Space,
        rl2_space: spaces.Space,
        cnn_type: CNNType = NatureishCNN,
        channels_first: bool = False,
        img_features: int = 256,
        rl2_features: int = 12,
        d_output: int = 256,
        out_norm: str = "layer",
        activation: str = "leaky_relu",
        hide_rl2s: bool = False,
        drqv2_aug: bool = False,
        aug_pct_of_batch: float = 0.75,
        obs_key: str = "observation",
    ) -> None:
        """Build the CNN and the layers that merge its features with the rl2s.

        Args:
            obs_space: Dict space with the picture under ``obs_key``.
            rl2_space: Box space of the previous reward and action features.
            cnn_type: Class of the picture network, or a ``partial`` of one with other
                sizes.
            channels_first: Whether the channels come first in pictures.
            img_features: Features that are made of a picture.
            rl2_features: Features that are made of the previous reward and action.
            d_output: Features of an encoded step.
            out_norm: Normalisation of the output (see ``nets.ff.Normalization``).
            activation: Name of the activation (see ``nets.utils.activation_switch``).
            hide_rl2s: Replace the reward and action features by zeros.
            drqv2_aug: Shift pictures at random in training; they must be square.
            aug_pct_of_batch: Share of the batch that is shifted, in [0, 1]; at least one
                sequence always is.
            obs_key: Which part of the observation is the picture.

        Raises:
            SpaceError: There is no picture under ``obs_key``, or one that is too small, or
                not square though it shall be shifted.
            ConfigurationError: ``aug_pct_of_batch`` is outside [0, 1], ``cnn_type`` is no
                CNN, or the normalisation or activation is unknown.
        """
        super().__init__(obs_space, rl2_space)
        kind = cnn_type.func if isinstance(cnn_type, partial) else cnn_type
        if not (isinstance(kind, type) and issubclass(kind, CNN)):
            raise ConfigurationError(f"cnn_type is no subclass of CNN: {cnn_type!r}")
        if not 0 <= aug_pct_of_batch <= 1:
            raise ConfigurationError(
                f"aug_pct_of_batch must be in [0, 1], got {aug_pct_of_batch}"
            )
        shape = key_shape(self.obs_space, obs_key)
        if len(shape) != 3:
            raise SpaceError(f"expected pictures of rank 3 in {obs_key!r}, got {shape}")
        sides = shape[1:] if channels_first else shape[:2]
        if drqv2_aug and sides[0] != sides[1]:
            raise SpaceError(f"drqv2_aug needs square pictures, got {shape}")
        self.obs_key, self.hide_rl2s = obs_key, hide_rl2s
        self.drqv2_aug, self.aug_pct_of_batch = drqv2_aug, aug_pct_of_batch
        self.augmentation = DrQv2Aug(4, channels_first)
        self.cnn = cnn_type(
            img_shape=shape, channels_first=channels_first, activation=activation
        )
        self.img_features = nn.Linear(self._cnn_features(), img_features)
        self.rl2_features = nn.Linear(self.rl2_dim, rl2_features)
        self.merge = nn.Linear(img_features + rl2_features, d_output)
        self.out_norm = Normalization(out_norm, d_output)
        self.activation = activation_switch(activation)
        self._emb_dim = d_output

    @torch.no_grad()
    def _cnn_features(self) -> int:
        """Find by a trial how many features the CNN gives per picture."""
        try:
            return self.cnn(self.cnn.blank_img).shape[-1]
        except RuntimeError as error:
            raise SpaceError(
                f"{type(self.cnn).__name__} cannot take pictures of shape "
                f"{self.cnn.img_shape}: {error}"
            ) from error

    @property
    def emb_dim(self) -> int:
        """Number of features of an encoded step."""
        return self._emb_dim

    def inner_forward(
        self, obs: Mapping[str, Tensor], rl2s: Tensor, log_dict: dict | None = None
    ) -> Tensor:
        """Augment in training, encode the pictures, merge the rl2s.

        Pictures are uint8 or float, from 0 to 255.
        """
        img = self._checked(self.obs_key, obs).float()
        rl2s = self._checked_rl2s(rl2s, img.shape[:2])
        if self.drqv2_aug and self.training:
            img = self._augment(img)
        features = self.cnn(img / 128.0 - 1.0, flatten=True, from_float=True)
        log_activations(log_dict, "cnn_out", features)
        features = self.img_features(features)
        log_activations(log_dict, "img_features", features)
        if self.hide_rl2s:
            rl2s = rl2s * 0
        merged = torch.cat((features, self.rl2_features(symlog(rl2s))), -1)
        merged = self.merge(self.activation(merged))
        log_activations(log_dict, "tstep_encoder_prenorm", merged)
        return self.out_norm(merged)

    def _augment(self, img: Tensor) -> Tensor:
        """Shift the pictures of the last sequences of the batch, at least of one."""
        n = img.shape[0]
        n_plain = math.ceil(n * (1 - self.aug_pct_of_batch))
        n_plain = max(0, min(n - 1, n_plain))
        return torch.cat((img[:n_plain], self.augmentation(img[n_plain:])))
