"""All pictures of a finished run."""

import logging
import math
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from experiments.figures.album import Album
from experiments.figures.animation import episode_gif
from experiments.figures.learning import draw_learning_curve
from experiments.figures.models import check_model, draw_model
from experiments.figures.plans import plan_figure
from experiments.figures.skills import skills_figure
from experiments.figures.study import Study, study_agent
from experiments.running.training import TrainedRun
from layeredrl.collectors import Step, evaluate
from layeredrl.diagnostics import EpisodeRecorder, summarize_diagnostics

logger = logging.getLogger(__name__)

_N_PLANNER_EPISODES = 5
_N_SKILL_EPISODES = 20


def draw_planner_run(run: TrainedRun) -> None:
    """Draw plans, the model and the learning curve, and measure how good the model is.

    Pictures go into the run folder and TensorBoard; numbers into ``result.json`` under
    ``diagnostics``, and into TensorBoard.

    Args:
        run: A finished run whose top level plans.
    """
    _draw(run, _N_PLANNER_EPISODES)


def draw_skill_run(run: TrainedRun) -> None:
    """Draw what a planner promised and what its skills did, and measure the difference.

    Beside what :func:`draw_planner_run` does there are pictures of skills and an animated
    episode.

    Args:
        run: A finished run whose top level plans, over skills or actions.
    """
    found = _draw(run, _N_SKILL_EPISODES)
    album, view = Album.of_run(run), found.view
    if view is not None:
        skills = skills_figure(
            found.recording, found.predictor, found.space, view, found.n_repeats
        )
        album.add("skills", skills)
    album.add_animation("episode", _animation(run, found))


def _draw(run: TrainedRun, n_episodes: int) -> Study:
    """Draw and measure what all planners have."""
    agent = run.hierarchy.acting_copy(run.eval_env, run.eval_seed)
    n = min(n_episodes, run.result["episodes"])
    found = study_agent(agent, run.eval_env, n, run.eval_seed)
    checks = check_model(found, run.eval_seed)
    album = Album.of_run(run)
    album.add("plan", plan_figure(found.recording.of_episode(0), found.view))
    draw_model(album, found, checks)
    draw_learning_curve(run)
    _write_numbers(run, summarize_diagnostics(found.errors, checks.calibration))
    return found


def _animation(run: TrainedRun, found: Study) -> bytes:
    """Animate an episode, with the environment's own pictures if it makes some."""
    title = f"{run.result['env_id']}: the plan at every moment"
    if not _can_render(run.eval_env):
        return episode_gif(found.recording.of_episode(0), found.view, title)
    agent = run.hierarchy.acting_copy(run.eval_env, run.eval_seed)
    recorder = EpisodeRecorder(agent, keeps_paths=found.recording.path is not None)
    pictures: list[np.ndarray] = []

    def watch(obs: Any, actions: np.ndarray, step: Step, playing: np.ndarray) -> None:
        recorder(obs, actions, step, playing)
        rendered: Any = run.eval_env.render()
        pictures.append(np.asarray(rendered[0]))

    evaluate(agent, run.eval_env, 1, run.eval_seed, on_step=watch)
    return episode_gif(recorder.recording(), found.view, title, pictures)


def _can_render(env: VectorEnv) -> bool:
    """Try it once, as packages or displays may be missing."""
    if env.render_mode != "rgb_array":
        return False
    try:
        env.render()
    except Exception as error:  # anything; pictures are not worth losing the rest
        logger.warning("%s cannot be rendered: %s", env, error)
        return False
    return True


def _write_numbers(run: TrainedRun, numbers: dict[str, float]) -> None:
    for name, value in numbers.items():
        run.folder.writer.add_scalar(
            f"result.diagnostics/{name}", value, run.result["env_steps"]
        )
    # JSON knows no NaN.
    finite = {k: round(v, 6) if math.isfinite(v) else None for k, v in numbers.items()}
    run.result["diagnostics"] = finite
    run.folder.write_json("result.json", run.result)
