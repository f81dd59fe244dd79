"""What each skill does: sets of skills to look at, their outcomes, errors by skill."""

from typing import NamedTuple

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.diagnostics.calibration import imagine
from layeredrl.errors import ConfigurationError
from layeredrl.predictors import Predictor
from layeredrl.utils.action_sampling import check_bounded
from layeredrl.utils.distributions import prediction_moments
from layeredrl.utils.spaces import action_dim, inner_bounds

N_IMAGINED = 100
"""Trajectories whose ends stand for a distribution without a closed form."""


class SkillBins(NamedTuple):
    """Skills sorted into bins.

    Attributes:
        center: A skill that stands for each bin, features (N, A).
        bin_of: The bin of each of the given skills, (D,) int64.
        shape: How the bins are laid out: (n, n) for two features, else (N,).
    """

    center: np.ndarray
    bin_of: np.ndarray
    shape: tuple[int, ...]


class SkillOutcomes(NamedTuple):
    """Where skills are expected to lead.

    Attributes:
        mean: Mean of the latent state after the skill, (B, K, Z).
        std: Its standard deviation, over members and modes, (B, K, Z).
    """

    mean: np.ndarray
    std: np.ndarray


def spread_skills(space: spaces.Space, n: int = 16) -> np.ndarray:
    """Choose skills that show what there is.

    Args:
        space: A bounded ``Box``, or ``Discrete``.
        n: Number of skills K; for ``Discrete``, and for a ``Box`` of more than two
            features, as many at most.

    Returns:
        Features (K, A): all choices; evenly spaced ones for one feature; a ring within
        the bounds for two; else the ends of the axes, both ways.

    Raises:
        ConfigurationError: If ``n`` is less than 2.
        SpaceError: If a ``Box`` is not bounded.
    """
    if n < 2:
        raise ConfigurationError(f"at least 2 skills are needed, got n={n}")
    check_bounded(space)
    dim = action_dim(space)
    if isinstance(space, spaces.Discrete):
        return np.eye(dim, dtype=np.float32)[:n]
    assert isinstance(space, spaces.Box)
    if dim == 1:
        unit = np.linspace(-1.0, 1.0, n)[:, None]
    elif dim == 2:
        angle = 2 * np.pi * np.arange(n) / n
        unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    else:
        unit = _axis_ends(dim)[:n]
    low, high = inner_bounds(space)
    return ((low + high) / 2 + unit * (high - low) / 2).astype(np.float32)


def skill_bins(
    skills: np.ndarray, space: spaces.Space, bins_per_feature: int = 5
) -> SkillBins:
    """Sort skills into bins.

    Args:
        skills: Features (D, A).
        space: A bounded ``Box``, or ``Discrete``.
        bins_per_feature: For one or two features.

    Returns:
        One bin per choice; a grid for one or two features; else one for each feature and
        sign, which holds the skills that lean most to that side.

    Raises:
        ConfigurationError: If there would be no bins.
        SpaceError: If a ``Box`` is not bounded.
    """
    if bins_per_feature < 1:
        raise ConfigurationError(
            f"bins_per_feature must be at least 1, got {bins_per_feature}"
        )
    check_bounded(space)
    dim = action_dim(space)
    if isinstance(space, spaces.Discrete):
        center = np.eye(dim, dtype=np.float32)
        return SkillBins(center, skills.argmax(-1), (dim,))
    assert isinstance(space, spaces.Box)
    low, high = inner_bounds(space)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-12)
    unit = (skills - middle) / half
    if dim > 2:
        lean = np.abs(unit).argmax(-1)
        negative = np.take_along_axis(unit, lean[:, None], -1)[:, 0] < 0
        center = middle + _axis_ends(dim) * half
        return SkillBins(center, 2 * lean + negative, (2 * dim,))
    n = bins_per_feature
    cell = np.clip(((unit + 1) / 2 * n).astype(np.int64), 0, n - 1)
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    grid = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1)
    index = np.ravel_multi_index(tuple(cell.T), (n,) * dim)
    return SkillBins(middle + grid.reshape(-1, dim) * half, index, (n,) * dim)


def mean_per_bin(values: np.ndarray, bins: SkillBins) -> tuple[np.ndarray, np.ndarray]:
    """Average numbers of decisions by their skill.

    Args:
        values: One number per skill that was sorted, (D,); NaN is left out.
        bins: Their bins.

    Returns:
        Means, NaN where a bin has none, and how many there are, both of ``bins.shape``.
    """
    known = np.isfinite(values)
    n = len(bins.center)
    count = np.bincount(bins.bin_of[known], minlength=n)
    total = np.bincount(bins.bin_of[known], values[known], minlength=n)
    mean = np.full(n, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.reshape(bins.shape), count.reshape(bins.shape)


@torch.no_grad()
def skill_outcomes(
    predictor: Predictor,
    state: np.ndarray,
    context: np.ndarray,
    skills: np.ndarray,
    n_repeats: int = 1,
    generator: torch.Generator | None = None,
) -> SkillOutcomes:
    """Predict where each skill leads from each state.

    Args:
        predictor: Holds the model.
        state: Latent states (B, Z).
        context: Contexts (B, C).
        skills: Features (K, A).
        n_repeats: Steps of the model for which a skill is kept.
        generator: Draws trajectories where that is more than one, on the predictor's
            device; ``None`` for torch's global one.

    Returns:
        Mean and spread of the mixture over all members: exact for one step, else those of
        ``N_IMAGINED`` trajectories.
    """
    model, device = predictor.model, predictor.device
    shape = (len(state), len(skills), model.state_dim)
    states, contexts = (
        torch.from_numpy(np.repeat(x, len(skills), axis=0)).to(device)
        for x in (state, context)
    )
    action = torch.from_numpy(np.tile(skills, (len(state), 1))).to(device)
    if n_repeats == 1:
        moments = prediction_moments(model.predict(states, contexts, action))
        mean, std = (x.cpu().numpy() for x in moments)
    else:
        kept = action.unsqueeze(1).expand(-1, n_repeats, -1)
        ends = imagine(model, states, contexts, kept, N_IMAGINED, generator)[:, :, -1]
        mean, std = ends.mean(1), ends.std(1)
    return SkillOutcomes(mean.reshape(shape), std.reshape(shape))


def spread_rows(points: np.ndarray, n: int) -> np.ndarray:
    """Choose points that are far from each other (farthest-point sampling).

    Args:
        points: Points (D, F).
        n: How many; as many as there are at most.

    Returns:
        Their rows, the first one nearest to the middle, (n,) int64.
    """
    chosen = [int(np.linalg.norm(points - points.mean(0), axis=-1).argmin())]
    gap = np.linalg.norm(points - points[chosen[0]], axis=-1)
    while len(chosen) < min(n, len(points)):
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, np.linalg.norm(points - points[chosen[-1]], axis=-1))
    return np.array(chosen)


def _axis_ends(dim: int) -> np.ndarray:
    """Unit vectors, both ways: +e0, -e0, +e1, ... (2A, A)."""
    return np.repeat(np.eye(dim), 2, axis=0) * np.tile([1.0, -1.0], dim)[:, None]
