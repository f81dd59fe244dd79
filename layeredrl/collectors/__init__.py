"""Collectors: environments stepped, learning timed, results measured."""

from layeredrl.collectors.collector import Collector
from layeredrl.collectors.env_stepper import EnvStepper, Step
from layeredrl.collectors.episodes import Episode, EpisodeTracker, summarize
from layeredrl.collectors.evaluator import evaluate, wilson_interval
from layeredrl.collectors.metrics_log import MetricsLog

__all__ = [
    "Collector",
    "EnvStepper",
    "Episode",
    "EpisodeTracker",
    "MetricsLog",
    "Step",
    "evaluate",
    "summarize",
    "wilson_interval",
]
