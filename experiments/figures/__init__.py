"""Pictures of finished runs: plans, rollouts, skills, outcomes, calibration, learning."""

from experiments.figures.album import Album
from experiments.figures.animation import episode_gif
from experiments.figures.calibration import calibration_figure
from experiments.figures.episodes import animate_episode
from experiments.figures.learning import draw_learning_curve, learning_curve_figure
from experiments.figures.models import ModelChecks, check_model, draw_model
from experiments.figures.outcomes import model_figure, outcome_figure
from experiments.figures.plans import plan_figure
from experiments.figures.rewards import reward_figure
from experiments.figures.rollouts import rollout_figure
from experiments.figures.runs import draw_planner_run, draw_skill_run
from experiments.figures.skills import skills_figure
from experiments.figures.study import Study, planner_of, study_agent
from experiments.figures.view import View, view_of
from experiments.figures.walls import Walls, find_walls

__all__ = [
    "Album",
    "ModelChecks",
    "Study",
    "View",
    "Walls",
    "animate_episode",
    "calibration_figure",
    "check_model",
    "draw_learning_curve",
    "draw_model",
    "draw_planner_run",
    "draw_skill_run",
    "episode_gif",
    "find_walls",
    "learning_curve_figure",
    "model_figure",
    "outcome_figure",
    "plan_figure",
    "planner_of",
    "reward_figure",
    "rollout_figure",
    "skills_figure",
    "study_agent",
    "view_of",
]
