"""Diagnostics: what was planned, what happened, and how sure the model could be of it."""

from layeredrl.diagnostics.ahead import errors_in_std, numbers_ahead
from layeredrl.diagnostics.calibration import (
    Calibration,
    CalibrationConfig,
    calibrate,
    imagine,
)
from layeredrl.diagnostics.outcomes import OutcomeErrors, open_loop, outcome_errors
from layeredrl.diagnostics.pit import (
    coverage,
    mixture_pit,
    pit_histogram,
    sample_pit,
    uniform_distance,
)
from layeredrl.diagnostics.recorder import EpisodeRecorder, record_episodes
from layeredrl.diagnostics.recording import Recording
from layeredrl.diagnostics.rewards import RewardErrors, reward_errors
from layeredrl.diagnostics.skill_effects import (
    SkillBins,
    SkillOutcomes,
    mean_per_bin,
    skill_bins,
    skill_outcomes,
    spread_rows,
    spread_skills,
)
from layeredrl.diagnostics.summary import summarize_diagnostics
from layeredrl.diagnostics.windows import (
    Windows,
    typical_change,
    window_tensors,
    windows_of,
)

__all__ = [
    "Calibration",
    "CalibrationConfig",
    "EpisodeRecorder",
    "OutcomeErrors",
    "Recording",
    "RewardErrors",
    "SkillBins",
    "SkillOutcomes",
    "Windows",
    "calibrate",
    "coverage",
    "errors_in_std",
    "imagine",
    "mean_per_bin",
    "mixture_pit",
    "numbers_ahead",
    "open_loop",
    "outcome_errors",
    "pit_histogram",
    "record_episodes",
    "reward_errors",
    "sample_pit",
    "skill_bins",
    "skill_outcomes",
    "spread_rows",
    "spread_skills",
    "summarize_diagnostics",
    "typical_change",
    "uniform_distance",
    "window_tensors",
    "windows_of",
]
