"""All pictures of a finished run."""

import logging
import math
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from experiments.figures.animation import episode_gif
from experiments.figures.calibration import calibration_figure
from experiments.figures.learning import draw_learning_curve
from experiments.figures.outcomes import model_figure, outcome_figure
from experiments.figures.plans import plan_figure
from experiments.figures.skills import skills_figure
from experiments.figures.style import show, show_animation
from experiments.figures.view import View, view_of
from experiments.figures.walls import find_walls
from experiments.training import TrainedRun
from layeredrl.collectors import Step, evaluate
from layeredrl.diagnostics import (
    CalibrationConfig,
    EpisodeRecorder,
    Recording,
    calibrate,
    outcome_errors,
    record_episodes,
    summarize_diagnostics,
)
from layeredrl.levels import RunningPlannerLevel

logger = logging.getLogger(__name__)

N_EPISODES = 20
_CALIBRATION = CalibrationConfig(max_windows=600)


def draw_planner_run(run: TrainedRun) -> None:
    """Draw plan, model and learning curve into the run folder and TensorBoard.

    Args:
        run: A finished run whose top level plans.
    """
    _draw_plans(run, record_run(run, 1))


def draw_skill_run(run: TrainedRun) -> None:
    """Draw what a planner promised and what its skills did, and measure the difference.

    Beside the pictures of :func:`draw_planner_run` there are those of skills, of outcomes,
    of calibration, and an animated episode. The numbers go into ``result.json`` under
    ``diagnostics``, and into TensorBoard.

    Args:
        run: A finished run whose top level plans, over skills or actions.
    """
    recording = record_run(run, min(N_EPISODES, run.result["episodes"]))
    _draw_plans(run, recording)
    level = _planner_of(run)
    space, predictor = level.spec.action_space, level.predictor
    n_repeats = level.planner.n_repeats
    view = view_of(recording, find_walls(run.eval_env))
    if view is not None:
        show(run, "skills", skills_figure(recording, predictor, space, view, n_repeats))
    show_animation(run, "episode", _animation(run, recording, view))
    errors = outcome_errors(recording, predictor)
    show(run, "outcomes", outcome_figure(recording, errors, space))
    calibration = calibrate(recording, predictor, run.eval_seed, _CALIBRATION)
    show(run, "calibration", calibration_figure(calibration))
    _write_numbers(run, summarize_diagnostics(errors, calibration))


def record_run(run: TrainedRun, n_episodes: int) -> Recording:
    """Play more evaluation episodes and record them.

    Args:
        run: A finished run whose top level plans.
        n_episodes: Number of episodes.

    Returns:
        The recording; with paths unless the encoder remembers.
    """
    agent = run.hierarchy.acting_copy(run.eval_env, run.eval_seed)
    keeps_paths = _planner_of(run).predictor.encoder.max_seq_len is None
    return record_episodes(agent, run.eval_env, n_episodes, run.eval_seed, keeps_paths)


def _animation(run: TrainedRun, recording: Recording, view: View | None) -> bytes:
    """Animate an episode, with the environment's own pictures if it makes some."""
    title = f"{run.result['env_id']}: the plan at every moment"
    if not _can_render(run.eval_env):
        return episode_gif(recording.of_episode(0), view, title)
    agent = run.hierarchy.acting_copy(run.eval_env, run.eval_seed)
    recorder = EpisodeRecorder(agent, keeps_paths=recording.path is not None)
    pictures: list[np.ndarray] = []

    def watch(obs: Any, actions: np.ndarray, step: Step, playing: np.ndarray) -> None:
        recorder(obs, actions, step, playing)
        rendered: Any = run.eval_env.render()
        pictures.append(np.asarray(rendered[0]))

    evaluate(agent, run.eval_env, 1, run.eval_seed, on_step=watch)
    return episode_gif(recorder.recording(), view, title, pictures)


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


def _planner_of(run: TrainedRun) -> RunningPlannerLevel:
    level = run.hierarchy.levels[0]
    assert isinstance(level, RunningPlannerLevel)
    return level


def _draw_plans(run: TrainedRun, recording: Recording) -> None:
    view = view_of(recording, find_walls(run.eval_env))
    show(run, "plan", plan_figure(recording.of_episode(0), view))
    errors = outcome_errors(recording, _planner_of(run).predictor)
    title = "Open-loop predictions of the learned model"
    show(run, "model", model_figure(recording, errors, title))
    draw_learning_curve(run)


def _write_numbers(run: TrainedRun, numbers: dict[str, float]) -> None:
    for name, value in numbers.items():
        run.folder.writer.add_scalar(
            f"diagnostics/{name}", value, run.result["env_steps"]
        )
    # JSON knows no NaN.
    finite = {k: round(v, 6) if math.isfinite(v) else None for k, v in numbers.items()}
    run.result["diagnostics"] = finite
    run.folder.write_json("result.json", run.result)
