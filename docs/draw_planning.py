"""Draw a search, and how plans change along the way.

Run from anywhere: ``python docs/draw_planning.py`` writes ``docs/_static/planning.png``.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from gymnasium import spaces  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Circle  # noqa: E402
from torch import Tensor  # noqa: E402

from layeredrl.models import KnownDynamics  # noqa: E402
from layeredrl.nets import IdentityEncoder  # noqa: E402
from layeredrl.optimizers import ICEM, ICEMConfig  # noqa: E402
from layeredrl.planners import (  # noqa: E402
    CEMPlanner,
    ObjectiveConfig,
    PlannerConfig,
    TrajectoryObjective,
)
from layeredrl.predictors import StaticPredictor  # noqa: E402

PICTURE = Path(__file__).resolve().parent / "_static" / "planning.png"
INK, PLAN, CANDIDATE, POST = "#26323d", "#d1662a", "#1f4e79", "#d8d2c4"
PUSH = spaces.Box(-1.0, 1.0, (2,), np.float32)
GOAL, START = torch.tensor([2.4, 0.3]), torch.tensor([[0.0, 0.0]])
POSTS = (((1.0, 0.25), 0.45), ((1.9, -0.55), 0.35))
HORIZON = 10
SEARCH = ICEMConfig(n_candidates=64, n_iterations=4)
SHOWN = (0, 1, 3)
"""Iterations of the search that are drawn."""


def glide(state: Tensor, context: Tensor, action: Tensor) -> Tensor:
    """Move by at most 0.3 in each direction."""
    return state + 0.3 * action


def reward(state: Tensor, context: Tensor, action: Tensor) -> Tensor:
    """Pay for being near the goal, and charge for being inside a post."""
    reached = glide(state, context, action)
    inside = [
        (reached - torch.tensor(middle)).norm(dim=-1) < radius
        for middle, radius in POSTS
    ]
    return -(reached - GOAL).norm(dim=-1) - 5.0 * torch.stack(inside).any(0).float()


def predictor() -> StaticPredictor:
    """Put known dynamics and reward together.

    Returns:
        The predictor.
    """
    plane = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    nothing = spaces.Box(-np.inf, np.inf, (0,), np.float32)
    model = KnownDynamics(plane, nothing, PUSH, glide)
    return StaticPredictor(model, None, reward, IdentityEncoder((2,)), 2, 0)


def search() -> list[tuple[Tensor, Tensor]]:
    """Search once.

    Returns:
        Imagined paths (K, T+1, 2) and values (K,) of each iteration.
    """
    objective = TrajectoryObjective(predictor(), START, START[:, :0], ObjectiveConfig())
    seen = []

    def recorded(candidates: Tensor) -> Tensor:
        values = objective(candidates)
        rollout, _ = objective.rollout(candidates[0], candidates.shape[1])
        seen.append((rollout.state[:, 0, 0], values[0]))
        return values

    optimizer = ICEM(PUSH.low, PUSH.high, SEARCH)
    mean = optimizer.initial_mean(1, HORIZON)
    optimizer.optimize(recorded, mean, torch.Generator().manual_seed(0))
    return seen


def follow(n_steps: int = 11) -> tuple[Tensor, list[Tensor]]:
    """Plan anew at each step, with a horizon that is too short for the whole way.

    Args:
        n_steps: Steps to take.

    Returns:
        The path (n_steps + 1, 2), and the plan at each step, (T+1, 2).
    """
    planner = CEMPlanner(
        predictor(),
        PUSH,
        n_instances=1,
        seed=np.random.SeedSequence(0),
        search=SEARCH,
        config=PlannerConfig(horizon=5),
    )
    state, path, plans = START, [START[0]], []
    for _ in range(n_steps):
        plan = planner.plan(state, state[:, :0], np.arange(1))
        plans.append(plan.info.predicted_states[0])
        state = glide(state, state[:, :0], plan.actions[:, 0])
        path.append(state[0])
    return torch.stack(path), plans


def draw() -> Figure:
    """Search, follow, and draw both.

    Returns:
        The figure.
    """
    figure, grid = plt.subplots(2, 2, figsize=(9.2, 5.6), layout="constrained")
    *searched, followed = grid.flat
    seen = search()
    for axes, iteration in zip(searched, SHOWN, strict=True):
        _draw_place(
            axes, f"Iteration {iteration + 1}: {len(seen[iteration][1])} candidates"
        )
        _draw_candidates(axes, *seen[iteration])
    _draw_place(followed, "Acting: a plan at each step, its start executed")
    path, plans = follow()
    for plan in plans:
        followed.plot(*plan.T, color=PLAN, lw=1.0, alpha=0.6)
    followed.plot(*path.T, "o-", color=INK, ms=3.5, lw=1.6)
    return figure


def _draw_place(axes: Axes, title: str) -> None:
    for middle, radius in POSTS:
        axes.add_patch(Circle(middle, radius, fc=POST, ec="none"))
    axes.plot(*GOAL, marker="*", color="#2f8f4e", ms=15, zorder=5)
    axes.plot(*START[0], "o", color=INK, ms=6, zorder=5)
    axes.set(xlim=(-1.4, 3.1), ylim=(-1.3, 1.3), aspect="equal", title=title)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_candidates(axes: Axes, paths: Tensor, values: Tensor) -> None:
    order = values.argsort()
    n_elites = max(1, len(values) // 10)
    for rank, i in enumerate(order.tolist()):
        is_elite = rank >= len(order) - n_elites
        look = {"color": CANDIDATE, "lw": 1.1, "alpha": 0.9, "zorder": 3}
        look = look if is_elite else {"color": "#9aa7b1", "lw": 0.6, "alpha": 0.7}
        axes.plot(*paths[i].T, **look)
    axes.plot(*paths[order[-1]].T, color=PLAN, lw=2.0, zorder=4)


def main() -> None:
    """Draw into the documentation."""
    figure = draw()
    figure.savefig(PICTURE, dpi=110, facecolor="white", metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
