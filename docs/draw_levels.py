"""Draw who decides when, and what each level remembers of it.

Run from anywhere: ``python docs/draw_levels.py`` writes ``docs/_static/levels.png``.
"""

from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import gymnasium as gym  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

import layeredrl.envs  # noqa: E402, F401
from layeredrl.collectors import Collector  # noqa: E402
from layeredrl.hierarchies import Hierarchy  # noqa: E402
from layeredrl.levels import Exploration, PlannerLevel, PolicyLevel  # noqa: E402
from layeredrl.objectives import GoalReaching  # noqa: E402
from layeredrl.predictors import get_default_predictor_factory  # noqa: E402

PICTURE = Path(__file__).resolve().parent / "_static" / "levels.png"
INK, COLORS = "#26323d", ("#1f4e79", "#d1662a", "#9aa7b1")
N_INSTANCES, N_STEPS, EPISODE = 2, 80, 50
LENGTHS, REACH = (3, 8), (1.2, 0.5)
"""Of the two levels below the top: their decisions per order, and how far orders lead."""
NAMES = (
    "planner: a subgoal for up to 24 steps",
    "policy: nearer ones, for up to 8 steps",
    "policy: an action for each step",
)


def collector() -> Collector:
    """Stack a planner and two policies that are told where to go.

    Returns:
        The hierarchy, which has learned nothing, so all decisions are random; in its
        environment.
    """
    env = gym.make_vec(
        "Maze2D-Open-v0", num_envs=N_INSTANCES, max_episode_steps=EPISODE
    )
    at_random = Exploration(warm_up_env_steps=10_000)
    steadily = replace(at_random, hold=LENGTHS[1])  # the same action for some time
    planner = PlannerLevel(
        get_default_predictor_factory(env, sb_start_duration=0), exploration=at_random
    )
    policies = [
        PolicyLevel(
            objective=GoalReaching.of(
                env, low=-reach, high=reach, radius=0.35, is_relative=True
            ),
            n_decisions=n_decisions,
            exploration=exploration,
        )
        for n_decisions, reach, exploration in zip(
            LENGTHS, REACH, (at_random, steadily), strict=True
        )
    ]
    return Collector(Hierarchy([planner, *policies], env, seed=1), env)


def decisions() -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Act, and look into the replay buffers.

    Returns:
        For each level and instance, of all finished decisions in order: environment steps,
        and whether the episode was over then.
    """
    collecting = collector()
    collecting.reset(seed=3)
    collecting.collect(N_INSTANCES * N_STEPS, show_progress=False)
    found = []
    for level in collecting.hierarchy.levels:
        (buffer,) = level.replay_buffers().values()
        rings = [(ring, slice(0, len(ring))) for ring in buffer.buffers]
        found.append([(r.info.n_env_steps[whole], r.done[whole]) for r, whole in rings])
    return found


def draw() -> Figure:
    """Act and draw.

    Returns:
        The figure.
    """
    found = decisions()
    figure, rows = plt.subplots(
        N_INSTANCES, 1, figsize=(9.2, 4.2), sharex=True, layout="constrained"
    )
    for instance, axes in enumerate(rows):
        for row, level in enumerate(found):
            _draw_decisions(axes, -row, *level[instance], COLORS[row])
        axes.set_title(f"Instance {instance + 1}", loc="left", fontsize=10)
        axes.set_yticks([0, -1, -2], NAMES)
        axes.tick_params(left=False)
        axes.set(xlim=(0, N_STEPS), ylim=(-2.6, 0.6))
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    rows[-1].set_xlabel("environment step")
    return figure


def _draw_decisions(
    axes: Axes, y: float, lengths: np.ndarray, is_last: np.ndarray, color: str
) -> None:
    starts = np.cumsum(lengths) - lengths
    axes.barh(y, lengths, left=starts, height=0.7, color=color, ec="white", lw=0.8)
    for start, length, ends in zip(starts, lengths, is_last, strict=True):
        if length > 1:
            axes.text(
                start + length / 2, y, length, color="white", ha="center", va="center"
            )
        if ends:
            axes.axvline(start + length, color=INK, ls="--", lw=1.0)


def main() -> None:
    """Draw into the documentation."""
    figure = draw()
    figure.savefig(PICTURE, dpi=110, facecolor="white", metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
