"""Actor and critic heads."""

from layeredrl.nets.actor import Actor
from layeredrl.nets.critics import NCritics, gammas_as_input_seq
from layeredrl.nets.popart_layer import PopArtLayer
from layeredrl.nets.two_hot_critics import NCriticsTwoHot

__all__ = [
    "Actor",
    "NCritics",
    "NCriticsTwoHot",
    "PopArtLayer",
    "gammas_as_input_seq",
]
