"""Pictures of finished runs: plans, skills, outcomes, calibration, learning."""

from experiments.figures.animation import episode_gif
from experiments.figures.calibration import calibration_figure
from experiments.figures.learning import draw_learning_curve, learning_curve_figure
from experiments.figures.outcomes import model_figure, outcome_figure
from experiments.figures.plans import plan_figure
from experiments.figures.runs import draw_planner_run, draw_skill_run, record_run
from experiments.figures.skills import skills_figure
from experiments.figures.view import View, view_of
from experiments.figures.walls import Walls, find_walls

__all__ = [
    "View",
    "Walls",
    "calibration_figure",
    "draw_learning_curve",
    "draw_planner_run",
    "draw_skill_run",
    "episode_gif",
    "find_walls",
    "learning_curve_figure",
    "model_figure",
    "outcome_figure",
    "plan_figure",
    "record_run",
    "skills_figure",
    "view_of",
]
