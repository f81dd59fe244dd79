"""Picture networks: what they compute, how they start, what they refuse."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from layeredrl.errors import ConfigurationError, ObservationError, ShapeError
from layeredrl.nets.cnn import (
    CNN,
    DrQCNN,
    GridworldCNN,
    IMPALAishCNN,
    NatureishCNN,
    weight_init,
)

KINDS = [DrQCNN, NatureishCNN, GridworldCNN, IMPALAishCNN]


def scrambled(module):
    torch.manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return module


def pictures(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def convolve(state, name, x, **kwargs):
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **kwargs)


def chain(state, x, strides, activation):
    for i, stride in enumerate(strides, 1):
        x = activation(convolve(state, f"conv{i}", x, stride=stride))
    return x


def impala(state, x, activation, group_norm=True):
    for i in range(3):
        block = f"blocks.{i}"
        x = F.max_pool2d(convolve(state, f"{block}.conv", x, padding=1), 3, 2)
        for j in (1, 2):
            name = f"{block}.residual{j}"
            h = convolve(state, f"{name}.conv1", activation(x), padding=1)
            x = x + convolve(state, f"{name}.conv2", activation(h), padding=1)
            if group_norm:
                scale = state[f"{name}.norm.weight"], state[f"{name}.norm.bias"]
                x = F.group_norm(x, 4, *scale)
    return x


REFERENCES = {
    DrQCNN: partial(chain, strides=(2, 1, 1, 1)),
    NatureishCNN: partial(chain, strides=(4, 2, 1)),
    GridworldCNN: partial(chain, strides=(1, 1, 1)),
    IMPALAishCNN: impala,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["leaky_relu", "gelu"])
def test_features_of_pictures(kind, activation):
    cnn = scrambled(kind((40, 36, 3), False, activation))
    obs = pictures(2, 3, 40, 36, 3)
    x = (obs.flatten(0, 1).permute(0, 3, 1, 2).float() - 128) / 128
    maps = REFERENCES[kind](cnn.state_dict(), x, activation=getattr(F, activation))
    expected = maps.reshape(2, 3, -1)  # channel, then row, then column
    torch.testing.assert_close(cnn(obs), expected, atol=1e-5, rtol=1e-5)
    unflattened = cnn(obs, flatten=False)
    assert unflattened.shape == (2, 3, *maps.shape[1:])
    torch.testing.assert_close(unflattened.flatten(2), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(cnn.conv_forward(x), maps, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_channels_first_gives_the_same(kind):
    last, first = kind((40, 40, 2), False, "relu"), kind((2, 40, 40), True, "relu")
    first.load_state_dict(last.state_dict())
    obs = pictures(2, 2, 40, 40, 2)
    torch.testing.assert_close(first(obs.permute(0, 1, 4, 2, 3)), last(obs))


def test_impala_without_group_norm():
    cnn = scrambled(IMPALAishCNN((30, 30, 3), False, "relu", post_group_norm=False))
    assert not [k for k in cnn.state_dict() if "norm" in k]
    x = torch.randn(2, 3, 30, 30)
    expected = impala(cnn.state_dict(), x, F.relu, group_norm=False)
    torch.testing.assert_close(cnn.conv_forward(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_other_sizes_pass(kind):
    cnn = kind((40, 40, 3), False, "relu")
    assert cnn(pictures(1, 1, 48, 56, 3)).shape[-1] > cnn(cnn.blank_img).shape[-1]


def test_scale_of_pictures():
    cnn = GridworldCNN((4, 4, 1), False, "relu", channels=(1, 1, 1))
    for conv in (cnn.conv1, cnn.conv2, cnn.conv3):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
        conv.weight.data[..., 0, 0] = 1
    assert cnn(pictures(1, 1, 4, 4, 1).fill_(255)).item() == 0.9921875
    scaled = torch.full((1, 1, 4, 4, 1), 0.5)
    assert cnn(scaled, from_float=True).item() == 0.5


def test_blank_img():
    cnn = GridworldCNN((9, 8, 3), False, "relu")
    assert cnn.blank_img.shape == (1, 1, 9, 8, 3)
    assert cnn.blank_img.dtype == torch.uint8 and not cnn.blank_img.any()


def conv_shapes(**convs):
    shapes = {}
    for name, shape in convs.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


@pytest.mark.parametrize(
    ("kind", "img_shape", "n_features", "shapes"),
    [
        (
            DrQCNN,
            (84, 84, 3),
            39200,
            conv_shapes(
                conv1=(32, 3, 3, 3),
                conv2=(32, 32, 3, 3),
                conv3=(32, 32, 3, 3),
                conv4=(32, 32, 3, 3),
            ),
        ),
        (
            NatureishCNN,
            (84, 84, 3),
            3136,
            conv_shapes(
                conv1=(32, 3, 8, 8), conv2=(64, 32, 4, 4), conv3=(64, 64, 3, 3)
            ),
        ),
        (
            GridworldCNN,
            (9, 9, 3),
            1728,
            conv_shapes(
                conv1=(16, 3, 2, 2), conv2=(32, 16, 2, 2), conv3=(48, 32, 2, 2)
            ),
        ),
    ],
)
def test_default_sizes(kind, img_shape, n_features, shapes):
    cnn = kind(img_shape, False, "leaky_relu")
    assert {k: tuple(v.shape) for k, v in cnn.state_dict().items()} == shapes
    assert cnn(cnn.blank_img).shape == (1, 1, n_features)


def test_default_sizes_of_impala():
    cnn = IMPALAishCNN((84, 84, 3), False, "leaky_relu")
    assert cnn(cnn.blank_img).shape == (1, 1, 2592)
    state = {k: tuple(v.shape) for k, v in cnn.state_dict().items()}
    expected = {}
    for i, (c, d) in enumerate([(3, 16), (16, 32), (32, 32)]):
        expected |= {f"blocks.{i}.conv.weight": (d, c, 3, 3)}
        expected |= {f"blocks.{i}.conv.bias": (d,)}
        for r in ("residual1", "residual2"):
            for conv in ("conv1", "conv2"):
                expected |= {f"blocks.{i}.{r}.{conv}.weight": (d, d, 3, 3)}
                expected |= {f"blocks.{i}.{r}.{conv}.bias": (d,)}
            expected |= {f"blocks.{i}.{r}.norm.weight": (d,)}
            expected |= {f"blocks.{i}.{r}.norm.bias": (d,)}
    assert state == expected


def test_weight_init():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Linear(6, 4), nn.GroupNorm(2, 4))
    net.apply(weight_init)
    conv, linear = net[0], net[1]
    middle = conv.weight[:, :, 2, 2].detach().clone()
    gain2 = 2 / (1 + 0.01**2)
    torch.testing.assert_close(middle.T @ middle, gain2 * torch.eye(3))
    conv.weight.data[:, :, 2, 2] = 0
    assert not conv.weight.any() and not conv.bias.any()
    torch.testing.assert_close(linear.weight @ linear.weight.T, torch.eye(4))
    assert not linear.bias.any() and net[2].weight.tolist() == [1] * 4
    with pytest.raises(ConfigurationError, match="not square"):
        weight_init(nn.Conv2d(3, 8, (3, 5)))
    weight_init(nn.Conv2d(2, 2, 3, bias=False))


@pytest.mark.parametrize("kind", KINDS)
def test_which_networks_start_orthogonal(kind):
    cnn = kind((36, 36, 3), False, "relu")
    bias_is_zero = not any(p.any() for k, p in cnn.named_parameters() if "bias" in k)
    assert bias_is_zero == (kind in (DrQCNN, NatureishCNN))


def test_wrong_rank_type_and_channels():
    cnn = GridworldCNN((9, 9, 3), False, "relu")
    for bad in (pictures(2, 9, 9, 3), pictures(1, 1, 3, 9, 9), pictures(1, 1, 9, 9, 4)):
        with pytest.raises(ShapeError, match=r"\(B, L, H, W, 3\), got"):
            cnn(bad)
    with pytest.raises(ObservationError, match="uint8.*float32"):
        cnn(torch.zeros(1, 1, 9, 9, 3))
    with pytest.raises(ShapeError, match=r"\(B, L, 3, H, W\)"):
        GridworldCNN((3, 9, 9), True, "relu")(pictures(1, 1, 9, 9, 3))


def test_wrong_settings():
    with pytest.raises(ConfigurationError, match="rank 3"):
        GridworldCNN((9, 9), False, "relu")
    with pytest.raises(ConfigurationError, match="activation"):
        DrQCNN((9, 9, 3), False, "nope")
    for kind in (NatureishCNN, GridworldCNN):
        for what in ("channels", "kernels", "strides"):
            with pytest.raises(ConfigurationError, match=f"{what} must have 3"):
                kind((36, 36, 3), False, "relu", **{what: [2, 2]})
    with pytest.raises(ConfigurationError, match="multiples of 4"):
        IMPALAishCNN((36, 36, 3), False, "relu", cnn_block_depths=[6])
    assert IMPALAishCNN((36, 36, 3), False, "relu", [6], post_group_norm=False)
    with pytest.raises(TypeError, match="abstract"):
        CNN((9, 9, 3), False, "relu")


@pytest.mark.parametrize("kind", KINDS)
def test_one_adaptive_activation_per_place(kind):
    cnn = kind((36, 36, 3), False, "adaptive")
    trained = {k for k in cnn.state_dict() if "numerator" in k}
    blocks = [f"blocks.{i}.residual{j}." for i in range(3) for j in (1, 2)]
    places = ["", *blocks] if kind is IMPALAishCNN else [""]
    assert trained == {f"{place}activation.numerator" for place in places}
