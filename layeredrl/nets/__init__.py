"""Tensors in, tensors out: encoders, dynamics, rewards and values."""

from layeredrl.nets.backbone_encoder import BackboneEncoder
from layeredrl.nets.encoder import Encoder
from layeredrl.nets.encoder_net import EncoderNet
from layeredrl.nets.fitted_function import FittedFunction
from layeredrl.nets.fixed_encoder_net import FixedEncoderNet
from layeredrl.nets.goal_reward import GoalReward, known_goal_reward
from layeredrl.nets.identity_encoder import IdentityEncoder
from layeredrl.nets.image_centering import ImageCentering
from layeredrl.nets.latent_function import LatentFunction, PlainFunction
from layeredrl.nets.member_stack import MemberBatched, MemberStack
from layeredrl.nets.mlp import MLP, MemberLinear
from layeredrl.nets.plain_encoder import PlainEncoder
from layeredrl.nets.prob_fc_dynamics import MixtureParameters, ProbFCDynamics
from layeredrl.nets.reached_reward_net import ReachedRewardNet
from layeredrl.nets.regressor import Regressor
from layeredrl.nets.reward_net import RewardNet
from layeredrl.nets.transition_reward import TransitionReward
from layeredrl.nets.value_net import ValueNet

__all__ = [
    "BackboneEncoder",
    "Encoder",
    "EncoderNet",
    "FittedFunction",
    "FixedEncoderNet",
    "GoalReward",
    "IdentityEncoder",
    "ImageCentering",
    "LatentFunction",
    "MLP",
    "MemberBatched",
    "MemberLinear",
    "MemberStack",
    "MixtureParameters",
    "PlainEncoder",
    "PlainFunction",
    "ProbFCDynamics",
    "ReachedRewardNet",
    "Regressor",
    "RewardNet",
    "TransitionReward",
    "ValueNet",
    "known_goal_reward",
]
