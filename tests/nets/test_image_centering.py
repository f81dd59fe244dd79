import torch

from layeredrl.nets import ImageCentering
from tests.same import assert_same

SHAPE = (4, 5, 3)


def pictures(n=200, seed=0):
    """The same background always, and one bright pixel somewhere."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, SHAPE, generator=generator).expand(n, *SHAPE).clone()
    where = torch.randint(0, 20, (n,), generator=generator)
    images.view(n, 20, 3)[torch.arange(n), where] = 255
    return images.to(torch.uint8)


def test_passes_pictures_on_before_it_has_seen_any():
    images = pictures()
    torch.testing.assert_close(ImageCentering(SHAPE)(images), images.float())


def test_what_is_left_deviates_by_128_around_128():
    centering, images = ImageCentering(SHAPE), pictures()
    centering.observe(images)
    seen = centering(images)
    torch.testing.assert_close(
        seen.mean(0), torch.full(SHAPE, 128.0), atol=1e-2, rtol=0
    )
    assert abs(float((seen - 128).square().mean().sqrt()) - 128) < 1
    assert seen.dtype == torch.float32


def test_is_one_shift_and_one_scale_for_all_pixels():
    """Pixels that hardly ever change are not blown up."""
    centering, images = ImageCentering(SHAPE), pictures()
    centering.observe(images)
    change = images[0].float() - images[1].float()
    ratio = (centering(images[0]) - centering(images[1]))[change != 0] / change[
        change != 0
    ]
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-4, atol=0)


def test_pictures_that_are_all_the_same_stay_finite():
    centering = ImageCentering(SHAPE)
    images = pictures(1).expand(8, *SHAPE)
    centering.observe(images)
    torch.testing.assert_close(centering(images), torch.full((8, *SHAPE), 128.0))


def test_any_leading_axes():
    centering, images = ImageCentering(SHAPE), pictures(6)
    centering.observe(images)
    torch.testing.assert_close(
        centering(images.view(2, 3, *SHAPE)).view(6, *SHAPE), centering(images)
    )


def test_statistics_are_saved():
    centering, other = ImageCentering(SHAPE), ImageCentering(SHAPE)
    centering.observe(pictures())
    other.load_state_dict(centering.state_dict())
    assert_same(other.state_dict(), centering.state_dict())
    assert torch.equal(other(pictures()), centering(pictures()))
