"""Pictures of carts with poles, drawn with numpy for many instances at once."""

import numpy as np

SHAPE = (120, 300)
_GROUND = 90.0
_CART_HALF = np.array([7.0, 12.0])
_POLE_RADIUS = 2.5
_AIR, _TRACK, _CART, _POLE = (
    np.array(colour, dtype=np.float64)
    for colour in ((255, 255, 255), (62, 66, 78), (34, 94, 200), (240, 150, 40))
)


def draw_cart_poles(
    places: np.ndarray, pole_length: float, half_track: float
) -> np.ndarray:
    """Draw carts and poles from the side.

    Args:
        places: Place of each cart and angle of its pole from upright [rad], (B, 2).
        pole_length: Length of a pole, in the unit of places.
        half_track: How far the track goes to each side.

    Returns:
        Pictures, (B, height, width, 3) uint8.
    """
    scale = SHAPE[1] / (2 * half_track)
    down, right = np.indices(SHAPE) + 0.5
    cart = np.stack(
        [np.full(len(places), _GROUND), places[:, 0] * scale + SHAPE[1] / 2], axis=1
    )
    direction = np.stack([-np.cos(places[:, 1]), np.sin(places[:, 1])], axis=1)
    # Pixels relative to each cart's middle, (B, height, width, 2).
    pixels = np.stack([down, right], axis=-1) - cart[:, None, None]
    along = np.einsum("bhwi,bi->bhw", pixels, direction)
    along = np.clip(along, 0.0, pole_length * scale)[..., None]
    from_pole = np.linalg.norm(pixels - along * direction[:, None, None], axis=-1)
    from_cart = (np.abs(pixels) - _CART_HALF).max(axis=-1)
    frames = np.tile(_AIR, (len(places), *SHAPE, 1))
    frames[:, int(_GROUND)] = _TRACK
    for outside, colour in ((from_cart, _CART), (from_pole - _POLE_RADIUS, _POLE)):
        cover = np.clip(0.5 - outside, 0.0, 1.0)[..., None]
        frames += cover * (colour - frames)
    return np.rint(frames).astype(np.uint8)
