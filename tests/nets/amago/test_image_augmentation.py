"""Random shifts of pictures."""

import pytest
import torch
import torch.nn.functional as F

from layeredrl.errors import ConfigurationError, ShapeError
from layeredrl.nets.cnn import DrQv2Aug


def shifted_by_cropping(x, pad, seed):
    """Draw the shifts that the augmentation draws; cut them out of padded pictures."""
    torch.manual_seed(seed)
    flat = x.flatten(0, 1)
    shifts = torch.randint(0, 2 * pad + 1, (len(flat), 1, 1, 2), dtype=x.dtype)
    padded = F.pad(flat, (pad,) * 4, mode="replicate")
    side, out = x.shape[-1], []
    for picture, shift in zip(padded, shifts.flatten(1).int().tolist(), strict=True):
        left, top = shift
        out.append(picture[:, top : top + side, left : left + side])
    return torch.stack(out).reshape(x.shape)


@pytest.mark.parametrize("pad", [0, 1, 4])
def test_pictures_are_crops_of_padded_pictures(pad):
    x = torch.rand(2, 3, 2, 11, 11)
    expected = shifted_by_cropping(x, pad, seed=3)
    torch.manual_seed(3)
    shifted = DrQv2Aug(pad, channels_first=True)(x)
    torch.testing.assert_close(shifted, expected, atol=1e-4, rtol=0)
    if pad == 0:
        torch.testing.assert_close(shifted, x, atol=1e-5, rtol=0)


def test_every_frame_has_its_own_shift():
    one = torch.rand(1, 1, 1, 12, 12)
    torch.manual_seed(0)
    shifted = DrQv2Aug(4, True)(one.expand(1, 40, 1, 12, 12))
    assert len(shifted.flatten(2).mul(1e3).round().unique(dim=1)[0]) > 20


def test_one_draw_from_the_global_generator():
    x = torch.rand(3, 2, 2, 8, 8)
    torch.manual_seed(0)
    torch.randint(0, 9, (6, 1, 1, 2), dtype=torch.float32)
    expected = torch.rand(3)
    torch.manual_seed(0)
    DrQv2Aug(4, True)(x)
    assert torch.equal(torch.rand(3), expected)


def test_channels_last_bytes_and_evaluation():
    x = torch.randint(0, 256, (2, 2, 9, 9, 3), dtype=torch.uint8)
    augmentation = DrQv2Aug(2, channels_first=False).eval()
    torch.manual_seed(1)
    shifted = augmentation(x)
    assert shifted.dtype == torch.float32 and shifted.shape == x.shape
    first = x.permute(0, 1, 4, 2, 3).float()
    expected = shifted_by_cropping(first, 2, seed=1).permute(0, 1, 3, 4, 2)
    torch.testing.assert_close(shifted, expected, atol=1e-2, rtol=0)
    assert not list(augmentation.parameters()) and not augmentation.state_dict()


def test_refuses_pictures_that_are_not_square():
    with pytest.raises(ShapeError, match="square pictures, got 8 x 9"):
        DrQv2Aug(4, True)(torch.rand(1, 1, 3, 8, 9))
    with pytest.raises(ShapeError, match="square"):
        DrQv2Aug(4, False)(torch.rand(1, 1, 9, 8, 3))
    with pytest.raises(ShapeError, match="rank 5"):
        DrQv2Aug(4, True)(torch.rand(1, 3, 8, 8))
    with pytest.raises(ConfigurationError, match="negative"):
        DrQv2Aug(-1, True)
