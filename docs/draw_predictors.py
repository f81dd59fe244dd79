"""Draw what a mixture, and what an ensemble of models, says of a future.

Run from anywhere: ``python docs/draw_predictors.py`` writes ``docs/_static/predictors.png``.
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

from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble  # noqa: E402
from layeredrl.types import LatentTransitions  # noqa: E402

PICTURE = Path(__file__).resolve().parent / "_static" / "predictors.png"
DATA, MEMBER, SPREAD = "#26323d", "#1f4e79", "#d1662a"
LINE = spaces.Box(-np.inf, np.inf, (1,), np.float32)
NOTHING = spaces.Box(-np.inf, np.inf, (0,), np.float32)
PUSH = spaces.Box(-1.0, 1.0, (1,), np.float32)
SEEN = (-1.2, 0.6)
"""Where the ensemble has data."""


def learned(state: Tensor, action: Tensor, change: Tensor, config: EnsembleConfig,
            n_steps: int) -> ProbabilisticEnsemble:  # fmt: skip
    """Learn a model from transitions.

    Args:
        state: States (B, 1).
        action: Actions (B, 1).
        change: What they led to (B, 1).
        config: Sizes of the model.
        n_steps: Updates with all of them.

    Returns:
        The model.
    """
    model = ProbabilisticEnsemble(LINE, NOTHING, PUSH, config=config)
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch = LatentTransitions(
        state=state,
        context=state[:, :0],
        action=action,
        next_state=state + change,
        terminated=torch.zeros(len(state), dtype=torch.bool),
        validity_mask=torch.ones(len(state)),
    )
    for step in range(n_steps):
        model.learn(batch, adam, n_total_env_steps=step)
    return model


def draw(n_steps: int = 400) -> Figure:
    """Learn and draw.

    Args:
        n_steps: Updates of each model.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _draw_mixture(axes[0], n_steps)
        _draw_ensemble(axes[1], n_steps)
    return figure


def _draw_mixture(axes: Axes, n_steps: int) -> None:
    """A post stands in the way of the middle: one passes it on one side or the other."""
    action = 2 * torch.rand(400, 1) - 1
    side = torch.sign(action + 0.5 * torch.randn_like(action))
    change = 0.5 * action + 0.6 * side + 0.07 * torch.randn_like(action)
    config = EnsembleConfig(n_models=1, n_modes=2)
    model = learned(torch.zeros_like(action), action, change, config, n_steps)
    x, y = torch.linspace(-1, 1, 121), torch.linspace(-1.4, 1.4, 141)
    asked, reached = (
        grid.reshape(-1, 1) for grid in torch.meshgrid(x, y, indexing="xy")
    )
    here = torch.zeros_like(asked)
    with torch.no_grad():
        density = model.get_prob(here, here[:, :0], asked, reached)[:, 0]
        expected = model.predict(here[:121], here[:121, :0], x[:, None])
    image = density.view(141, 121).clamp(max=3.0)
    axes.imshow(
        image, origin="lower", extent=(-1, 1, -1.4, 1.4), aspect="auto", cmap="Blues"
    )
    axes.plot(action[::2], change[::2], ".", color=DATA, ms=3, label="what happened")
    mean = (expected.mean * expected.weights[..., None]).sum(2)[:, 0, 0]
    axes.plot(x, mean, color=SPREAD, lw=1.6, label="mean of the mixture")
    axes.set(
        xlabel="action",
        ylabel="change of the state",
        title="Two futures: a mixture of two modes",
    )
    axes.legend(loc="upper left", fontsize=8, framealpha=0.9)


def _draw_ensemble(axes: Axes, n_steps: int) -> None:
    """Members agree where they have data."""
    low, high = SEEN
    state = low + (high - low) * torch.rand(300, 1)
    change = torch.sin(3 * state) + 0.05 * torch.randn_like(state)
    config = EnsembleConfig(n_models=5, n_modes=1)
    zero = torch.zeros_like(state)
    model = learned(state, zero, change, config, n_steps)
    x = torch.linspace(-2.5, 2.5, 200)[:, None]
    with torch.no_grad():
        mean = model.predict(x, x[:, :0], torch.zeros_like(x)).mean[:, :, 0, 0] - x
    spread = mean.var(1, correction=0)
    axes.axvspan(*SEEN, color="#eef1ec")
    axes.plot(state[::3], change[::3], ".", color=DATA, ms=3, label="data")
    for member in range(config.n_models):
        label = "members" if member == 0 else None
        axes.plot(x, mean[:, member], color=MEMBER, lw=1.1, alpha=0.8, label=label)
    axes.plot(x, spread.sqrt(), color=SPREAD, lw=1.6, label="disagreement (std)")
    axes.set(
        xlabel="state",
        ylabel="expected change",
        ylim=(-2.6, 2.6),
        title="Five members disagree where there are no data",
    )
    axes.legend(loc="lower right", fontsize=8, framealpha=0.9)


def main() -> None:
    """Draw into the documentation."""
    figure = draw()
    figure.savefig(PICTURE, dpi=110, facecolor="white", metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
