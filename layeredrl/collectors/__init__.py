"""Collectors: environments stepped, learning timed, results measured."""

from layeredrl.collectors.collector import Collector
from layeredrl.collectors.env_stepper import EnvStepper, Step
from layeredrl.collectors.episode_replay import EpisodeReplay
from layeredrl.collectors.episodes import Episode, EpisodeTracker, summarize
from layeredrl.collectors.evaluator import evaluate, wilson_interval
from layeredrl.collectors.experience import Experience, LocalExperience
from layeredrl.collectors.interrupts import InterruptGuard
from layeredrl.collectors.metrics_log import MetricsLog
from layeredrl.collectors.run_checkpoints import RunCheckpoints
from layeredrl.collectors.stopwatch import Stopwatch

__all__ = [
    "Collector",
    "EnvStepper",
    "Episode",
    "EpisodeReplay",
    "EpisodeTracker",
    "Experience",
    "InterruptGuard",
    "LocalExperience",
    "MetricsLog",
    "RunCheckpoints",
    "Step",
    "Stopwatch",
    "evaluate",
    "summarize",
    "wilson_interval",
]
