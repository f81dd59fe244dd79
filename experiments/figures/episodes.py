"""An episode played to be shown: with its plans, the environment's own pictures, or both."""

import logging
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from experiments.figures.animation import episode_gif, pictures_gif
from experiments.figures.view import View, view_of
from experiments.figures.walls import find_walls
from layeredrl.collectors import Step, evaluate
from layeredrl.diagnostics import EpisodeRecorder
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import RunningPlannerLevel

logger = logging.getLogger(__name__)


def animate_episode(
    agent: Hierarchy, env: VectorEnv, seed: int, title: str, view: View | None = None
) -> bytes:
    """Play an evaluation episode and animate it.

    Args:
        agent: Acts; usually an acting copy.
        env: Where it acts. Its own pictures are shown, too, if it renders ``rgb_array``.
        seed: Seeds the environment.
        title: Written above plans.
        view: The plane to draw plans in; ``None`` finds one for this episode.

    Returns:
        The GIF, empty if it cannot be made small enough.

    Raises:
        ConfigurationError: If there is nothing to show: no plans in a plane, no pictures.
    """
    level, renders = agent.levels[0], can_render(env)
    recorder: EpisodeRecorder | None = None
    if isinstance(level, RunningPlannerLevel):
        keeps_paths = level.predictor.encoder.max_seq_len is None
        recorder = EpisodeRecorder(agent, keeps_paths)
    pictures: list[np.ndarray] = []

    def watch(obs: Any, actions: np.ndarray, step: Step, playing: np.ndarray) -> None:
        if recorder is not None:
            recorder(obs, actions, step, playing)
        if renders:
            rendered: Any = env.render()
            pictures.append(np.asarray(rendered[0]))

    evaluate(agent, env, 1, seed, on_step=watch)
    if recorder is not None:
        recording = recorder.recording()
        view = view or view_of(recording, find_walls(env))
        if view is not None or pictures:
            return episode_gif(recording, view, title, pictures)
    if not pictures:
        raise ConfigurationError(
            "there is nothing to animate: no plans in a plane, and no pictures of the "
            "environment (render_mode='rgb_array' makes some)"
        )
    return pictures_gif(pictures)


def can_render(env: VectorEnv) -> bool:
    """Try it once, as packages or displays may be missing.

    Args:
        env: The environment.

    Returns:
        Whether it shows pictures.
    """
    if env.render_mode != "rgb_array":
        return False
    try:
        env.render()
    except Exception as error:  # anything; pictures are not worth losing the rest
        logger.warning("%s cannot be rendered: %s", env, error)
        return False
    return True
