"""All pictures of a finished run."""

import math

from experiments.figures.album import Album
from experiments.figures.animation import episode_gif
from experiments.figures.episodes import animate_episode, can_render
from experiments.figures.learning import draw_learning_curve
from experiments.figures.models import check_model, draw_model
from experiments.figures.plans import plan_figure
from experiments.figures.skills import skills_figure
from experiments.figures.study import Study, study_agent
from experiments.running.training import TrainedRun
from layeredrl.diagnostics import summarize_diagnostics

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
    if not can_render(run.eval_env):
        return episode_gif(found.recording.of_episode(0), found.view, title)
    agent = run.hierarchy.acting_copy(run.eval_env, run.eval_seed)
    return animate_episode(agent, run.eval_env, run.eval_seed, title, found.view)


def _write_numbers(run: TrainedRun, numbers: dict[str, float]) -> None:
    for name, value in numbers.items():
        run.folder.writer.add_scalar(
            f"result.diagnostics/{name}", value, run.result["env_steps"]
        )
    # JSON knows no NaN.
    finite = {k: round(v, 6) if math.isfinite(v) else None for k, v in numbers.items()}
    run.result["diagnostics"] = finite
    run.folder.write_json("result.json", run.result)
