"""What becomes of skills when agents are pushed aside in the middle of them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from experiments.disturbances.mazes import PushedMaze, Pushes
from experiments.reports.statistics import Estimate, estimate
from experiments.running.environments import make_vector_env
from experiments.running.evaluation import evaluate_with_bar
from experiments.trained.rebuilding import find_trained, load_agent
from layeredrl.diagnostics import EpisodeRecorder, Recording
from layeredrl.diagnostics.outcomes import open_loop
from layeredrl.diagnostics.windows import windows_of
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import RunningPlannerLevel

_INDEX = 2
"""Which skill of an episode is disturbed. It is the same one in all instances, so that nothing
that draws random numbers for several of them tells both runs apart before."""
_ROOM = 2.0
"""Episodes per push: some are dropped, as walls stop pushes."""
_WHOLE = 0.9
"""Share of its length from which on a push counts."""


class Disturbed(NamedTuple):
    """Skills in which agents were pushed, beside the same skills left alone.

    Attributes:
        method: Name of the experiment.
        label: What they are skills of.
        pushed: Distance from where the skill was predicted to lead to, at its start and after
            each environment step, (D, H+1).
        calm: The same without the push, (D, H+1).
        push: How far agents were pushed, (D,).
        way: How far the skills were predicted to lead, (D,).
        step: Environment step within the skill after which the push came.
    """

    method: str
    label: str
    pushed: np.ndarray
    calm: np.ndarray
    push: np.ndarray
    way: np.ndarray
    step: int

    def numbers(self) -> dict[str, Any]:
        """Sum up, with 95 % bootstrap intervals over pushes.

        Returns:
            Plain values by name; distances in units of position. ``corrected`` is the share
            of the push that is gone when the skill ends.
        """
        pushed, calm = self.pushed[:, -1], self.calm[:, -1]
        means = {
            "end_pushed": pushed,
            "end_calm": calm,
            "push": self.push,
            "way": self.way,
            "corrected": 1.0 - (pushed - calm) / self.push,
        }
        shown = {name: _plain(estimate(x, np.mean)) for name, x in means.items()}
        return {"label": self.label, "n_pushes": len(pushed), **shown}


def disturb(
    place: Path, n_pushes: int, length: float, seed: int, device: str = "cpu"
) -> Disturbed:
    """Push agents of one run.

    Args:
        place: Run folder or checkpoint.
        n_pushes: How often.
        length: How far [cells].
        seed: Root of starts, goals, left or right.
        device: Where networks live.

    Returns:
        What became of their skills.

    Raises:
        ConfigurationError: If the run is of another environment or has no planner over
            skills on top, or walls stop too many pushes.
        RunFolderError: If there is no such run.
        CheckpointError: If the checkpoint is foreign.
    """
    trained = find_trained(place)
    shared = trained.shared()
    torch.set_num_threads(shared.torch_threads)
    n = int(np.ceil(_ROOM * n_pushes))
    kwargs = shared.parsed_env_kwargs()
    env = make_vector_env(shared.env_id, n, kwargs)
    level = _planner_of(load_agent(trained, env, device, seed)[0], place)
    env.close()
    interval = level.spec.decision_interval * level.planner.n_repeats
    generator = np.random.default_rng(seed)
    pushes = _draw_pushes(n, interval, length, generator)
    kwargs |= {"max_episode_steps": interval * (_INDEX + 1)}
    method = trained.experiment or "skills"
    label = f"{method}, seed {shared.seed}"
    distances = []
    for share, what in ((0.0, "left alone"), (1.0, "pushed")):
        env = make_vector_env(shared.env_id, n, kwargs)
        mazes = PushedMaze(env, pushes._replace(length=share * pushes.length))
        # Loaded anew, so that both searches draw the same numbers.
        agent, _ = load_agent(trained, mazes, device, seed)
        recorder = EpisodeRecorder(agent)
        n_steps = kwargs["max_episode_steps"]
        evaluate_with_bar(f"{label}, {what}", agent, mazes, n, seed, recorder, n_steps)
        distances.append(_distances(recorder.recording(), level))
        env.close()
    (calm, way), (pushed, _) = distances
    moved = np.linalg.norm(mazes.pushed, axis=-1)
    rows = np.flatnonzero(moved >= _WHOLE * length)[:n_pushes]
    if len(rows) < n_pushes:
        raise ConfigurationError(
            f"walls stopped all but {len(rows)} of {n} pushes; a length below {length} "
            "would do"
        )
    return Disturbed(
        method,
        label,
        pushed=pushed[rows],
        calm=calm[rows],
        push=moved[rows],
        way=way[rows],
        step=interval // 2,
    )


def _planner_of(agent: Hierarchy, place: Path) -> RunningPlannerLevel:
    level = agent.levels[0]
    if not isinstance(level, RunningPlannerLevel) or len(agent.levels) < 2:
        raise ConfigurationError(f"{place} has no planner over skills on top")
    return level


def _draw_pushes(
    n: int, interval: int, length: float, generator: np.random.Generator
) -> Pushes:
    """When, how far, and to which side."""
    since = np.full(n, _INDEX * interval)
    side = generator.choice([-1.0, 1.0], n)
    return Pushes(since, since + interval // 2, side * length)


def _distances(
    recording: Recording, level: RunningPlannerLevel
) -> tuple[np.ndarray, np.ndarray]:
    """How far from its predicted end each agent was, (D, H+1), and how far that was, (D,)."""
    n = level.planner.n_repeats
    columns = recording.position_columns()
    assert columns is not None and recording.path is not None
    first = np.flatnonzero(recording.time == n * _INDEX)
    windows = windows_of(recording, n)
    rows = np.searchsorted(windows.start, first)
    windows = type(windows)(*(x[rows] for x in windows))
    # What was decided at first, even where something else is decided before its time is over.
    windows = windows._replace(action=np.repeat(windows.action[:, :1], n, axis=1))
    end = open_loop(recording, level.predictor, windows)[:, -1, columns]
    paths = recording.path[first[:, None] + np.arange(n)][..., columns]
    start, after = paths[:, 0, 0], paths[:, :, 1:].reshape(len(first), -1, len(columns))
    path = np.concatenate([start[:, None], after], axis=1)
    distance = np.linalg.norm(path - end[:, None], axis=-1)
    return distance, np.linalg.norm(end - start, axis=-1)


def _plain(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "ci95": found.interval and list(found.interval)}
