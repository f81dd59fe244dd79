"""Time-step encoders: order of features, statistics, augmentation, refusals."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from gymnasium import spaces
from torch import nn

from layeredrl.errors import (
    ConfigurationError,
    ObservationError,
    ShapeError,
    SpaceError,
)
from layeredrl.nets.cnn import GridworldCNN, IMPALAishCNN, NatureishCNN
from layeredrl.nets.tstep_encoders import (
    CNNTstepEncoder,
    FFTstepEncoder,
    TstepEncoder,
)
from layeredrl.nets.utils import MAGIC_PAD_VAL, symlog

RL2 = spaces.Box(-10, 10, (5,))
OBS = spaces.Dict(
    zeta=spaces.Box(-1, 1, (3,)),
    alpha=spaces.Box(-1, 1, (2, 4)),
    mid=spaces.Discrete(9),
)
B, L = 3, 6


def observation():
    return {
        "zeta": torch.randn(B, L, 3),
        "alpha": torch.randn(B, L, 2, 4, dtype=torch.float64),
        "mid": torch.randint(0, 9, (B, L)),
    }


def small(**kwargs):
    return FFTstepEncoder(OBS, RL2, d_hidden=16, d_output=8, **kwargs)


def test_ff_flattens_keys_in_alphabetical_order_then_rl2s():
    encoder = small(normalize_inputs=False, norm="none").eval()
    obs, rl2s = observation(), torch.randn(B, L, 5)
    alpha, mid = obs["alpha"].flatten(2).float(), obs["mid"].unsqueeze(-1).float()
    x = torch.cat((alpha, mid, obs["zeta"], rl2s), -1)
    torch.testing.assert_close(encoder(obs, rl2s), encoder.base(x))
    obs["mid"] = obs["mid"].unsqueeze(-1)  # (B, L, 1) is a scalar too
    torch.testing.assert_close(encoder(obs, rl2s), encoder.base(x))
    assert encoder.emb_dim == 8 and encoder(obs, rl2s).shape == (B, L, 8)


def test_ff_normalises_inputs_and_only_the_output_otherwise():
    encoder = small(norm="rmsnorm", activation="gelu", n_layers=1).eval()
    encoder.in_norm.mu, encoder.in_norm.nu = torch.randn(17), torch.full((17,), 9.0)
    obs, rl2s = observation(), torch.randn(B, L, 5)
    parts = (obs["alpha"].flatten(2).float(), obs["mid"].unsqueeze(-1).float())
    x = encoder.in_norm.normalise(torch.cat((*parts, obs["zeta"], rl2s), -1))
    base = encoder.base
    h = F.gelu(x @ base.in_layer.weight.T + base.in_layer.bias)
    h = h @ base.out_layer.weight.T + base.out_layer.bias
    expected = h / (h.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(encoder(obs, rl2s), expected)


def test_ff_keeps_statistics_in_training_only():
    encoder, obs, rl2s = small(), observation(), torch.randn(B, L, 5)
    encoder.eval()(obs, rl2s)
    assert encoder.in_norm._t == 1
    encoder.train()(obs, rl2s)
    assert encoder.in_norm._t == 2
    beta = 1e-4 / (1 - (1 - 1e-4) ** 2)
    mean = torch.cat((obs["zeta"], rl2s), -1).mean((0, 1)) * beta
    torch.testing.assert_close(encoder.in_norm.mu[-8:], mean, atol=1e-6, rtol=1e-3)
    skipping = small(normalize_inputs=False).train()
    skipping(obs, rl2s)
    assert skipping.in_norm._t == 2 and skipping.in_norm.mu.any()
    assert {k for k in skipping.state_dict() if "in_norm" in k} == {
        "in_norm.mu",
        "in_norm.nu",
        "in_norm._t",
    }


def test_ff_hides_rl2s_without_touching_the_callers():
    encoder, obs = small(hide_rl2s=True).eval(), observation()
    rl2s = torch.randn(B, L, 5)
    kept = rl2s.clone()
    assert torch.equal(encoder(obs, rl2s), encoder(obs, rl2s * 7))
    assert torch.equal(rl2s, kept)
    shown = small().eval()
    assert not torch.equal(shown(obs, rl2s), shown(obs, rl2s * 7))
    rl2s[0, 0, 0] = torch.nan
    assert encoder(obs, rl2s)[0, 0].isnan().all()


def test_ff_padding_counts_only_where_rl2s_are_hidden():
    obs = {k: torch.full_like(v, MAGIC_PAD_VAL) for k, v in observation().items()}
    rl2s = torch.full((B, L, 5), MAGIC_PAD_VAL)
    shown, hiding = small().train(), small(hide_rl2s=True).train()
    shown(obs, rl2s), hiding(obs, rl2s)
    assert shown.in_norm._t == 1 and not shown.in_norm.mu.any()
    assert hiding.in_norm._t == 2 and hiding.in_norm.mu[:12].all()
    assert all(v.isfinite().all() for v in shown.state_dict().values())


def test_ff_uses_only_the_keys_asked_for():
    encoder = small(specify_obs_keys=["zeta", "mid"])
    assert encoder.base.in_layer.in_features == 3 + 1 + 5
    obs, rl2s = observation(), torch.randn(B, L, 5)
    del obs["alpha"]
    assert encoder(obs, rl2s).shape == (B, L, 8)


def test_ff_default_state_dict():
    space = spaces.Dict(o=spaces.Box(-1, 1, (10,)))
    state = FFTstepEncoder(space, RL2).state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        "in_norm.mu": (15,),
        "in_norm.nu": (15,),
        "in_norm._t": (1,),
        "base.in_layer.weight": (512, 15),
        "base.in_layer.bias": (512,),
        "base.layers.0.weight": (512, 512),
        "base.layers.0.bias": (512,),
        "base.out_layer.weight": (256, 512),
        "base.out_layer.bias": (256,),
        "out_norm.norm.weight": (256,),
        "out_norm.norm.bias": (256,),
    }


def test_bad_spaces_and_names():
    with pytest.raises(SpaceError, match="Dict observation space, got Box"):
        FFTstepEncoder(RL2, RL2)
    with pytest.raises(SpaceError, match="rl2_space"):
        FFTstepEncoder(OBS, spaces.Discrete(3))
    with pytest.raises(SpaceError, match="no key 'beta'.*alpha"):
        small(specify_obs_keys=["beta"])
    with pytest.raises(SpaceError, match="no shape"):
        FFTstepEncoder(spaces.Dict(o=spaces.Text(3)), RL2)
    with pytest.raises(ConfigurationError, match="normalization 'batch'"):
        small(norm="batch")
    with pytest.raises(ConfigurationError, match="activation"):
        small(activation="nope")
    with pytest.raises(TypeError, match="abstract"):
        TstepEncoder(OBS, RL2)


def test_bad_observations():
    encoder, obs, rl2s = small(), observation(), torch.randn(B, L, 5)
    with pytest.raises(ObservationError, match="no 'mid'.*alpha"):
        encoder({k: v for k, v in obs.items() if k != "mid"}, rl2s)
    with pytest.raises(ShapeError, match=r"'zeta' of shape \(B, L\) \+ \(3,\)"):
        encoder(obs | {"zeta": torch.zeros(B, L, 4)}, rl2s)
    with pytest.raises(ShapeError, match="'mid'"):
        encoder(obs | {"mid": torch.zeros(B)}, rl2s)
    with pytest.raises(ShapeError, match="rl2s"):
        encoder(obs, torch.zeros(B, L, 4))
    with pytest.raises(ShapeError, match="rl2s"):
        encoder(obs, torch.zeros(B, L + 1, 5))


def picture_space(shape=(10, 10, 3), key="observation"):
    return spaces.Dict({key: spaces.Box(0, 255, shape, np.uint8)})


def picture_encoder(space=None, **kwargs):
    space = picture_space() if space is None else space
    kwargs = {"cnn_type": GridworldCNN, "img_features": 6, "d_output": 7, **kwargs}
    return CNNTstepEncoder(space, RL2, **kwargs)


def pictures(batch=4, shape=(10, 10, 3), key="observation"):
    return {key: torch.randint(0, 256, (batch, 2, *shape), dtype=torch.uint8)}


@pytest.mark.parametrize("channels_first", [False, True])
def test_cnn_encoder_by_hand(channels_first):
    shape = (3, 10, 10) if channels_first else (10, 10, 3)
    encoder = picture_encoder(
        picture_space(shape, "eye"),
        channels_first=channels_first,
        obs_key="eye",
        activation="relu",
        rl2_features=4,
    )
    obs, rl2s = pictures(shape=shape, key="eye"), 50 * torch.randn(4, 2, 5)
    log = {}
    out = encoder(obs, rl2s, log_dict=log)
    features = encoder.cnn(obs["eye"])
    merged = (encoder.img_features(features), encoder.rl2_features(symlog(rl2s)))
    merged = encoder.merge(torch.cat(merged, -1).relu())
    torch.testing.assert_close(out, encoder.out_norm(merged))
    torch.testing.assert_close(encoder({"eye": obs["eye"].float()}, rl2s), out)
    assert out.shape == (4, 2, 7) and encoder.emb_dim == 7
    assert log["activation-cnn_out-max"] == features.max()
    assert log["activation-img_features-mean"] == encoder.img_features(features).mean()
    assert log["activation-tstep_encoder_prenorm-std"] == merged.std()
    assert len(log) == 12


def test_cnn_encoder_hides_rl2s_on_a_copy():
    encoder = picture_encoder(hide_rl2s=True).eval()
    obs, rl2s = pictures(), torch.randn(4, 2, 5)
    kept = rl2s.clone()
    assert torch.equal(encoder(obs, rl2s), encoder(obs, 3 * rl2s))
    assert torch.equal(rl2s, kept)


@pytest.mark.parametrize(
    ("batch", "share", "n_shifted"),
    [(4, 0.75, 3), (4, 1.0, 4), (4, 0.5, 2), (4, 0.0, 1), (1, 0.0, 1), (10, 0.7, 6)],
)
def test_share_of_the_batch_that_is_shifted(batch, share, n_shifted):
    encoder = picture_encoder(drqv2_aug=True, aug_pct_of_batch=share)
    img = pictures(batch)["observation"].float()
    augmented = encoder._augment(img)
    # 10 * (1 - 0.7) is a little above 3, which makes 4 plain sequences
    assert torch.equal(augmented[: batch - n_shifted], img[: batch - n_shifted])
    torch.manual_seed(0)
    augmented = encoder._augment(img)
    torch.manual_seed(0)
    expected = encoder.augmentation(img[batch - n_shifted :])
    assert torch.equal(augmented[batch - n_shifted :], expected)


def test_pictures_are_shifted_in_training_only():
    encoder, rl2s = picture_encoder(drqv2_aug=True), torch.zeros(4, 2, 5)
    obs = pictures()
    assert torch.equal(encoder.eval()(obs, rl2s), encoder(obs, rl2s))
    shifted, plain = encoder.train()(obs, rl2s), encoder.eval()(obs, rl2s)
    assert torch.equal(shifted[0], plain[0]) and not torch.equal(shifted, plain)
    still = picture_encoder().train()
    assert torch.equal(still(obs, rl2s), still(obs, rl2s))


def test_cnn_default_state_dict():
    state = CNNTstepEncoder(picture_space((84, 84, 3)), RL2).state_dict()
    shapes = {k: tuple(v.shape) for k, v in state.items() if not k.startswith("cnn.")}
    assert shapes == {
        "img_features.weight": (256, 3136),
        "img_features.bias": (256,),
        "rl2_features.weight": (12, 5),
        "rl2_features.bias": (12,),
        "merge.weight": (256, 268),
        "merge.bias": (256,),
        "out_norm.norm.weight": (256,),
        "out_norm.norm.bias": (256,),
    }
    cnn = NatureishCNN((84, 84, 3), False, "relu").state_dict()
    assert {k.removeprefix("cnn.") for k in state} >= set(cnn)
    assert len(state) == len(shapes) + len(cnn)


def test_bad_settings_of_the_cnn_encoder():
    for share in (-0.1, 1.1):
        with pytest.raises(ConfigurationError, match=r"in \[0, 1\], got"):
            picture_encoder(aug_pct_of_batch=share)
    with pytest.raises(ConfigurationError, match="cnn_type.*Linear"):
        picture_encoder(cnn_type=torch.nn.Linear)
    with pytest.raises(ConfigurationError, match="cnn_type.*'grid'"):
        picture_encoder(cnn_type="grid")
    with pytest.raises(SpaceError, match="no key 'eye'"):
        picture_encoder(obs_key="eye")
    with pytest.raises(SpaceError, match="rank 3"):
        picture_encoder(picture_space((10, 10)))
    with pytest.raises(SpaceError, match="square"):
        picture_encoder(picture_space((10, 11, 3)), drqv2_aug=True)
    with pytest.raises(SpaceError, match="IMPALAishCNN cannot take"):
        picture_encoder(picture_space((4, 4, 3)), cnn_type=IMPALAishCNN)
    with pytest.raises(ConfigurationError, match="normalization"):
        picture_encoder(out_norm="nope")
    with pytest.raises(ConfigurationError, match="activation"):
        picture_encoder(activation="nope")


def test_bad_pictures():
    encoder, rl2s = picture_encoder(), torch.zeros(4, 2, 5)
    with pytest.raises(ObservationError, match="no 'observation'"):
        encoder({"eye": pictures()["observation"]}, rl2s)
    with pytest.raises(ShapeError, match=r"\(10, 10, 3\)"):
        encoder(pictures(shape=(10, 9, 3)), rl2s)
    with pytest.raises(ShapeError, match="rl2s"):
        encoder(pictures(), rl2s[:3])


@pytest.mark.slow
def test_encoders_compile_without_graph_breaks():
    torch._dynamo.reset()
    encoder, obs = small(), observation()
    compiled = torch.compile(encoder, fullgraph=True, backend="aot_eager")
    rl2s = torch.randn(B, L, 5)
    out = compiled(obs, rl2s)
    assert encoder.in_norm._t == 2
    out.sum().backward()
    encoder, obs = picture_encoder(drqv2_aug=True), pictures()
    compiled = torch.compile(encoder, fullgraph=True, backend="aot_eager")
    compiled(obs, torch.zeros(4, 2, 5)).sum().backward()


def test_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        ff, cnn = small(), picture_encoder()
        out = ff(observation(), torch.randn(B, L, 5))
        pictured = cnn(pictures(), torch.randn(4, 2, 5))
    (out.float().sum() + pictured.float().sum()).backward()
    assert out.isfinite().all() and pictured.isfinite().all()
    assert ff.in_norm.mu.dtype == torch.float32


def test_the_picture_network_may_come_with_other_sizes():
    space = spaces.Dict({"observation": spaces.Box(0, 255, (48, 48, 3), np.uint8)})
    rl2_space = spaces.Box(-1, 1, (2,))
    cnn_type = partial(NatureishCNN, channels=(4, 8, 8))
    encoder = CNNTstepEncoder(space, rl2_space, cnn_type=cnn_type)
    assert encoder.cnn.conv1.out_channels == 4
    with pytest.raises(ConfigurationError, match="cnn_type"):
        CNNTstepEncoder(space, rl2_space, cnn_type=partial(nn.Linear, 3))
