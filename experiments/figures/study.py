"""A planner watched for some episodes, and what its pictures have in common."""

from dataclasses import dataclass

from gymnasium import spaces
from gymnasium.vector import VectorEnv

from experiments.figures.view import View, view_of
from experiments.figures.walls import find_walls
from experiments.running.evaluation import evaluate_with_bar
from layeredrl.diagnostics import (
    EpisodeRecorder,
    OutcomeErrors,
    Recording,
    outcome_errors,
)
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import RunningPlannerLevel
from layeredrl.predictors import Predictor


@dataclass(frozen=True)
class Study:
    """What was recorded of a planner, and measured once for all pictures."""

    recording: Recording
    """Its episodes."""
    predictor: Predictor
    """What it plans with."""
    space: spaces.Space
    """Space of what it decides: skills, subgoals or actions."""
    n_repeats: int
    """Decisions for which it keeps each of them."""
    view: View | None
    """The plane to draw in; ``None`` if there is none."""
    errors: OutcomeErrors
    """Open-loop predictions against what happened."""


def study_agent(
    agent: Hierarchy,
    env: VectorEnv,
    n_episodes: int,
    seed: int,
    horizon: int | None = None,
) -> Study:
    """Play evaluation episodes, record them, and hold predictions against them.

    Args:
        agent: Its top level plans; usually an acting copy.
        env: Where it acts.
        n_episodes: Number of episodes.
        seed: Seeds the environment.
        horizon: Decisions that are looked ahead; ``None`` for those of a plan.

    Returns:
        What came out; with paths unless the encoder remembers.

    Raises:
        ConfigurationError: If the top level has no predictor, or no decision was finished.
    """
    level = planner_of(agent)
    keeps_paths = level.predictor.encoder.max_seq_len is None
    recorder = EpisodeRecorder(agent, keeps_paths)
    evaluate_with_bar("model", agent, env, n_episodes, seed, recorder)
    recording = recorder.recording()
    return Study(
        recording,
        level.predictor,
        level.spec.action_space,
        level.planner.n_repeats,
        view_of(recording, find_walls(env)),
        outcome_errors(recording, level.predictor, horizon),
    )


def planner_of(agent: Hierarchy) -> RunningPlannerLevel:
    """Find the level that plans with a predictor.

    Args:
        agent: A hierarchy.

    Returns:
        Its top level; below it nothing plans, as plans take no orders.

    Raises:
        ConfigurationError: If that is of another kind.
    """
    level = agent.levels[0]
    if isinstance(level, RunningPlannerLevel):
        return level
    kinds = ", ".join(type(level).__name__ for level in agent.levels)
    raise ConfigurationError(
        "there is no predictor to look at: the top level must plan with one, the levels "
        f"here are {kinds}"
    )
