"""All that is measured and drawn of a planner's model."""

from typing import NamedTuple

from experiments.figures.album import Album
from experiments.figures.calibration import calibration_figure
from experiments.figures.outcomes import model_figure, outcome_figure
from experiments.figures.rewards import reward_figure
from experiments.figures.rollouts import rollout_figure
from experiments.figures.study import Study
from layeredrl.diagnostics import (
    Calibration,
    CalibrationConfig,
    RewardErrors,
    calibrate,
    reward_errors,
)

_MOST_WINDOWS = 600


class ModelChecks(NamedTuple):
    """What was measured.

    Attributes:
        calibration: How sure the model is, and how sure it could be.
        rewards: Predicted against received; ``None`` where none are predicted.
    """

    calibration: Calibration
    rewards: RewardErrors | None


def check_model(study: Study, seed: int) -> ModelChecks:
    """Measure what :class:`Study` does not.

    Args:
        study: What was recorded.
        seed: Seeds what is drawn.

    Returns:
        Calibration and rewards.
    """
    recording, predictor = study.recording, study.predictor
    horizon = study.errors.distance.shape[1]
    has_rewards = predictor.rew_func is not None
    config = CalibrationConfig(horizon, max_windows=_MOST_WINDOWS)
    return ModelChecks(
        calibrate(recording, predictor, seed, config),
        reward_errors(recording, predictor, horizon) if has_rewards else None,
    )


def draw_model(album: Album, study: Study, checks: ModelChecks) -> None:
    """Draw how good the model is.

    Args:
        album: Where the pictures go: ``model``, ``rollouts``, ``outcomes``, ``calibration``
            and ``rewards``.
        study: What was recorded.
        checks: What was measured of it.
    """
    recording, errors = study.recording, study.errors
    title = "Open-loop predictions of the learned model"
    album.add("model", model_figure(recording, errors, title))
    rollouts = rollout_figure(recording, errors, checks.calibration, study.view)
    album.add("rollouts", rollouts)
    album.add("outcomes", outcome_figure(recording, errors, study.space))
    album.add("calibration", calibration_figure(checks.calibration))
    if checks.rewards is not None:
        album.add("rewards", reward_figure(checks.rewards))
