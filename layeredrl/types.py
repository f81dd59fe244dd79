"""The shared vocabulary: the dimension legend and the containers that rooms exchange.

Legend, used in every docstring of the package (feature axis last, time just before):

====  =====================================================================
B     batch of independent rows: environment instances or replay samples
T     time steps; ``T + 1`` where the start is included
K     candidate action sequences per instance
M     ensemble members
P     particles per member
N     mixture modes
H     control interval: decisions of a level per input from above
O     observation features
A     action features (a ``Discrete`` action counts one per choice, one-hot)
Z     latent state features
C     context features (constant within an episode)
====  =====================================================================

Masks are boolean unless said otherwise.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from torch import Tensor

Observation = np.ndarray | dict[str, np.ndarray]
"""A batch of mapped observations: (B, O) float32, or a dict with one entry per part.

The dict form is used only where pixels (or other keys of rank two or more) stay apart;
its vector part lives under the key ``"vector"``.
"""


class MixturePrediction(NamedTuple):
    """What a model says of the next latent state, as a mixture of Gaussians per member.

    Attributes:
        mean: Means of the next latent state (not of its change), (B, M, N, Z).
        weights: Mixture weights, non-negative, summing to one over modes, (B, M, N).
        std: Standard deviations per mode and feature, positive, (B, M, N, Z).
        term_prob: Probability that the transition terminates the episode, (B, M).
    """

    mean: Tensor
    weights: Tensor
    std: Tensor
    term_prob: Tensor


class Prediction(NamedTuple):
    """What a predictor says of one step.

    Attributes:
        s_mean: Means of the next latent state, (B, M, N, Z).
        weights: Mixture weights, (B, M, N).
        s_std: Standard deviations, (B, M, N, Z).
        reward: Expected reward of the step, (B,).
        term_prob: Termination probability, averaged over members, (B,).
    """

    s_mean: Tensor
    weights: Tensor
    s_std: Tensor
    reward: Tensor
    term_prob: Tensor


class LatentRollout(NamedTuple):
    """Imagined trajectories in latent space.

    Attributes:
        state: Latent states, the start state first, (B, M, P, T+1, Z).
        term_prob: Probability that step t ends the episode, (B, M, P, T).
    """

    state: Tensor
    term_prob: Tensor


class LatentTransitions(NamedTuple):
    """Single transitions in latent space, what a model learns from.

    Attributes:
        state: Latent states, (B, Z).
        context: Contexts, (B, C).
        action: Action features, (B, A).
        next_state: Latent states that followed, (B, Z).
        terminated: Whether the transition ended the episode, (B,) bool.
        validity_mask: Weight of each row, 1.0 or 0.0, (B,).
    """

    state: Tensor
    context: Tensor
    action: Tensor
    next_state: Tensor
    terminated: Tensor
    validity_mask: Tensor


class LossOutput(NamedTuple):
    """A loss and the numbers worth logging.

    Attributes:
        loss: Scalar to minimise.
        metrics: Detached scalars by name; tensors, so that logging decides when to sync.
    """

    loss: Tensor
    metrics: dict[str, Tensor]


class Transition(NamedTuple):
    """One finished decision of a level, for the listed environment instances.

    A decision may have taken several environment steps (a semi-MDP transition).

    Attributes:
        instances: Which environment instances the rows belong to, (B,) int64.
        obs: Mapped observation when the decision was taken, (B, O) float32.
        action: The decision: what was handed to the level below, (B, A) float32.
        level_input: What the level itself was asked to do when it decided, (B, I), or
            ``None`` at the top.
        reward: Sum over the environment steps i of ``gamma**i * r_i``, (B,) float64, with
            the owning level's ``gamma``.
        next_obs: Mapped observation after the last of these steps; the true final
            observation where the episode ended, never that of a reset, (B, O) float32.
        terminated: The environment ended the episode, (B,) bool.
        truncated: The episode was cut off from outside, (B,) bool.
        n_env_steps: How many environment steps the decision took, (B,) int64.
        info: Numbers from the environment's info at the last step, each (B, ...).
        path: Columns of the observation that the level asked for, after each environment
            step, NaN beyond ``n_env_steps``, (B, H, G) float32; ``None`` if it asked for
            none.
    """

    instances: np.ndarray
    obs: Observation
    action: np.ndarray
    level_input: np.ndarray | None
    reward: np.ndarray
    next_obs: Observation
    terminated: np.ndarray
    truncated: np.ndarray
    n_env_steps: np.ndarray
    info: Mapping[str, np.ndarray]
    path: np.ndarray | None = None


class Plan(NamedTuple):
    """What a planner intends.

    Attributes:
        actions: Planned actions in the units of the action space, (B, T, A).
        info: Everything needed to judge or draw the plan.
    """

    actions: Tensor
    info: "PlanInfo"


class PlanInfo(NamedTuple):
    """How a plan came about and what it promises.

    Attributes:
        mean: Mean of the optimizer's final sampling distribution, (B, T, A).
        std: Its standard deviation, (B, T, A).
        value: Objective value of the returned actions, (B,).
        predicted_return: Predicted sum of rewards alone, without bonuses, (B,).
        predicted_states: Latent states the plan is expected to visit, averaged over
            members and particles, (B, T+1, Z).
        predicted_rewards: Rewards per step, averaged likewise, (B, T).
        disagreement: Variance between members of their mean states, summed over
            features, (B, T+1).
        n_iterations: Optimizer iterations that were run.
    """

    mean: Tensor
    std: Tensor
    value: Tensor
    predicted_return: Tensor
    predicted_states: Tensor
    predicted_rewards: Tensor
    disagreement: Tensor
    n_iterations: int
