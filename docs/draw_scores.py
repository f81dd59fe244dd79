"""Draw what skills are paid by SPlaTES, by where they end.

Run from anywhere: ``python docs/draw_scores.py`` writes ``docs/_static/scores.png``.
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
from torch import Tensor  # noqa: E402

from layeredrl.models import KnownDynamics  # noqa: E402
from layeredrl.nets import IdentityEncoder  # noqa: E402
from layeredrl.objectives import SkillOutcomes, SkillSampler, SPlaTES  # noqa: E402
from layeredrl.predictors import StaticPredictor  # noqa: E402

PICTURE = Path(__file__).resolve().parent / "_static" / "scores.png"
SKILLS = spaces.Box(-1.0, 1.0, (2,), np.float32)
SKILL = (0.7, 0.3)
N_STEPS = 10
STDS = (0.7, 0.2)


def expected_end(state: Tensor, context: Tensor, skill: Tensor) -> Tensor:
    """Expect each skill to move by itself, as at the start of training."""
    return state + skill


def scores(ends: Tensor, std: float) -> Tensor:
    """Score where a skill ended.

    Args:
        ends: Latent states (E, 2); the skill began at the origin.
        std: Length at which skills repel one another.

    Returns:
        Scores in nats (E,).
    """
    plane = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    nothing = spaces.Box(-np.inf, np.inf, (0,), np.float32)
    model = KnownDynamics(plane, nothing, SKILLS, expected_end)
    predictor = StaticPredictor(model, None, None, IdentityEncoder((2,)), 2, 0)
    sampler = SkillSampler(SKILLS, np.random.SeedSequence(0), torch.device("cpu"))
    origin, done = torch.zeros(1, 2), np.ones((1, 1), dtype=bool)
    path = torch.zeros(1, 2, 2)
    outcomes = SkillOutcomes(
        torch.tensor([SKILL]), origin, origin[:, :0], path, done, done
    )
    objective = SPlaTES(n_skill_samples=400, fixed_std=std, clip=8.0)
    return objective.log_ratios(predictor, outcomes, ends[None], sampler, 0)[0]


def draw() -> Figure:
    """Draw scores of two lengths, and how a skill's payment can be spread.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(1, 3, figsize=(10.6, 3.4), layout="constrained")
    for panel, std in zip(axes, STDS, strict=False):
        _draw_map(figure, panel, std)
    _draw_payment(axes[2])
    return figure


def _draw_map(figure: Figure, axes: Axes, std: float) -> None:
    line = torch.linspace(-1.5, 1.5, 91)
    x, y = torch.meshgrid(line, line, indexing="xy")
    values = scores(torch.stack([x, y], -1).view(-1, 2), std).view(91, 91)
    span = {"vmin": -8, "vmax": 8, "cmap": "RdBu_r"}
    image = axes.imshow(values, origin="lower", extent=(-1.5, 1.5) * 2, **span)
    axes.contour(line, line, values, levels=[0.0], colors="#26323d", linewidths=0.8)
    axes.plot(0, 0, "o", color="#26323d", ms=5)
    axes.plot(*SKILL, "*", color="#26323d", ms=11)
    axes.set(
        title=f"std {std}: score [nats] by end",
        xlabel="change of x",
        ylabel="change of y",
    )
    figure.colorbar(image, ax=axes, shrink=0.8)


def _draw_payment(axes: Axes) -> None:
    """A skill that goes there in a bow, and is pushed aside on the way."""
    share = torch.linspace(0, 1, N_STEPS + 1)[:, None]
    path = share * torch.tensor(SKILL)
    path[5:8] += torch.tensor([[0.05, -0.3], [0.05, -0.25], [0.0, -0.1]])
    potential = scores(path, STDS[1])
    steps = np.arange(1, N_STEPS + 1)
    axes.bar(steps, potential.diff(), color="#1f4e79", width=0.7, label="differences")
    at_the_end = np.zeros(N_STEPS)
    at_the_end[-1] = float(potential[-1])
    axes.plot(steps, at_the_end, "o", color="#d1662a", ms=5, label="at the end only")
    axes.axhline(0, color="#26323d", lw=0.6)
    axes.set(
        title="Pushed aside at decision 5",
        xlabel="decision of the skill",
        ylabel="payment [nats]",
        xticks=steps,
    )
    axes.legend(fontsize=8, loc="upper left")


def main() -> None:
    """Draw into the documentation."""
    figure = draw()
    figure.savefig(PICTURE, dpi=110, facecolor="white", metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
