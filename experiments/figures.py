"""Pictures of a trained planner: its plans, its model, its learning curve."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from experiments.training import TrainedRun  # noqa: E402
from layeredrl.collectors import Step, evaluate  # noqa: E402
from layeredrl.hierarchies import Hierarchy  # noqa: E402
from layeredrl.levels import RunningPlannerLevel  # noqa: E402
from layeredrl.predictors import Predictor  # noqa: E402
from layeredrl.types import Plan  # noqa: E402

ACTUAL, PREDICTED, GOAL = "#1f4e79", "#d1662a", "#2f8f4e"
_MOST_FEATURES = 4
_PLANS_SHOWN = 5


@dataclass
class Recording:
    """One evaluation episode of the first instance, in latent space."""

    states: list[np.ndarray] = field(default_factory=list)
    """Latent state at each decision, (Z,)."""
    contexts: list[np.ndarray] = field(default_factory=list)
    """Context at each decision, (C,)."""
    actions: list[np.ndarray] = field(default_factory=list)
    """Action features taken, (A,)."""
    plans: list[np.ndarray] = field(default_factory=list)
    """States that the plan of each decision expected, (T+1, Z)."""
    goal: np.ndarray | None = None
    """The goal at the start, where it is told in the units of the latent state."""


def draw_planner_run(run: TrainedRun) -> None:
    """Draw plan, model and learning curve into the run folder and TensorBoard.

    Args:
        run: A finished run whose top level plans.
    """
    recording = record_episode(run)
    level = run.hierarchy.levels[0]
    assert isinstance(level, RunningPlannerLevel)
    horizon = len(recording.plans[0]) - 1
    _show(run, "plan", plan_figure(recording))
    if level.planner.n_repeats == 1:  # else the model's steps are not those of plans
        _show(run, "model", model_figure(recording, level.predictor, horizon))
    draw_learning_curve(run)


def draw_learning_curve(run: TrainedRun) -> None:
    """Draw the learning curve into the run folder and TensorBoard.

    Args:
        run: A finished run.
    """
    curve = learning_curve_figure(run.folder.metrics_path, run.result)
    _show(run, "learning_curve", curve)


def _show(run: TrainedRun, name: str, figure: Figure | None) -> None:
    if figure is None:
        return
    figure.savefig(run.folder.path / f"{name}.png", dpi=110)
    run.folder.writer.add_figure(name, figure, run.result["env_steps"])
    plt.close(figure)


def record_episode(run: TrainedRun) -> Recording:
    """Play one more episode in the first instance and watch it.

    Args:
        run: A finished run whose top level plans.

    Returns:
        The recording.
    """
    agent = run.hierarchy.acting_copy(run.eval_env, run.eval_seed)
    watcher = _Watcher(agent)
    evaluate(agent, run.eval_env, 1, run.eval_seed, on_step=watcher)
    return watcher.recording


class _Watcher:
    """Records the plans made for the first instance by the level on top."""

    def __init__(self, agent: Hierarchy):
        level = agent.levels[0]
        assert isinstance(level, RunningPlannerLevel)
        self._level = level
        self._over = False
        self._seen: Plan | None = None
        self.recording = Recording()

    def __call__(
        self, obs: Any, actions: np.ndarray, step: Step, playing: np.ndarray
    ) -> None:
        if self._over or not playing[0] or self._level.last_plan is None:
            return
        plan, instances = self._level.last_plan
        context = self._level.last_context
        assert context is not None
        self._over = bool(step.terminated[0] or step.truncated[0])
        if plan is self._seen or 0 not in instances:
            return
        self._seen = plan
        row = int(np.flatnonzero(instances == 0)[0])
        states = plan.info.predicted_states[row].cpu().numpy()
        if not self.recording.states:
            self.recording.goal = _told_goal(obs, states[0])
        self.recording.plans.append(states)
        self.recording.states.append(states[0])
        self.recording.contexts.append(context[row].cpu().numpy())
        self.recording.actions.append(plan.actions[row, 0].cpu().numpy())


def _told_goal(obs: Any, state: np.ndarray) -> np.ndarray | None:
    """Goal of the first instance, if the latent state begins with what is achieved."""
    if not isinstance(obs, dict) or not {"achieved_goal", "desired_goal"} <= set(obs):
        return None
    achieved, desired = obs["achieved_goal"], obs["desired_goal"]
    if isinstance(achieved, dict) or achieved.shape[-1] > len(state):
        return None
    if not np.allclose(achieved[0], state[: achieved.shape[-1]], atol=1e-5):
        return None
    return np.array(desired[0])


def plan_figure(recording: Recording) -> Figure:
    """Show some plans of an episode against what happened.

    Args:
        recording: The episode.

    Returns:
        One panel with the first two features of the latent state, and one per feature
        over time.
    """
    actual = np.array(recording.states)
    n_features = min(actual.shape[1], _MOST_FEATURES)
    # Most happens early, so plans are shown more densely there.
    last = len(recording.plans) - 1
    shown = np.unique((last * np.linspace(0, 1, _PLANS_SHOWN) ** 2).astype(int))
    figure = plt.figure(figsize=(11, 1.6 + 1.25 * n_features), layout="constrained")
    grid = figure.add_gridspec(n_features, 2)
    plane = figure.add_subplot(grid[:, 0])
    panels = [figure.add_subplot(grid[i, 1]) for i in range(n_features)]
    if actual.shape[1] > 1:
        _draw_plane(plane, recording, actual, shown)
    else:
        plane.axis("off")
    for i, panel in enumerate(panels):
        _draw_feature(panel, recording, actual, shown, i)
    panels[-1].set_xlabel("plan")
    panels[0].legend(loc="upper right", fontsize=8, frameon=False)
    figure.suptitle("What was planned, and what happened", fontsize=12)
    return figure


def _draw_plane(
    axes: Axes, recording: Recording, actual: np.ndarray, shown: np.ndarray
) -> None:
    for i in shown:
        axes.plot(*recording.plans[i][:, :2].T, ".-", color=PREDICTED, lw=1, ms=3)
    axes.plot(*actual[:, :2].T, color=ACTUAL, lw=2)
    axes.plot(*actual[0, :2], "o", color=ACTUAL, ms=8, label="start")
    goal = recording.goal
    if goal is not None and len(goal) > 1:
        axes.plot(*goal[:2], "*", color=GOAL, ms=16, label="goal")
    axes.set(xlabel="latent feature 0", ylabel="latent feature 1")
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(fontsize=8, frameon=False)


def _draw_feature(
    axes: Axes, recording: Recording, actual: np.ndarray, shown: np.ndarray, i: int
) -> None:
    for k, start in enumerate(shown):
        plan = recording.plans[start][:, i]
        steps = start + np.arange(len(plan))
        label = "planned" if k == 0 else None
        axes.plot(steps, plan, ".-", color=PREDICTED, lw=1, ms=3, label=label)
    axes.plot(actual[:, i], color=ACTUAL, lw=2, label="happened")
    goal = recording.goal
    if goal is not None and i < len(goal):
        axes.axhline(goal[i], color=GOAL, ls="--", lw=1, label="goal")
    axes.set_ylabel(f"feature {i}", fontsize=8)
    axes.tick_params(labelsize=8)


def model_figure(
    recording: Recording, predictor: Predictor, horizon: int
) -> Figure | None:
    """Compare open-loop predictions with what the same actions led to.

    Args:
        recording: The episode.
        predictor: Predicts.
        horizon: Steps of each prediction.

    Returns:
        The error over the horizon, and predictions laid over the first feature; ``None``
        if the episode had one decision only, so that nothing is known to compare with.
    """
    if len(recording.states) < 2:
        return None
    actual = np.array(recording.states)
    predicted, starts = open_loop_predictions(recording, predictor, horizon)
    index = starts[:, None] + np.arange(predicted.shape[1])
    error = np.linalg.norm(predicted - actual[index], axis=-1)
    still = np.linalg.norm(actual[index] - actual[starts][:, None], axis=-1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    steps = np.arange(error.shape[1])
    left.plot(steps, error.mean(0), color=PREDICTED, lw=2, label="model")
    low, high = np.quantile(error, [0.1, 0.9], axis=0)
    left.fill_between(steps, low, high, color=PREDICTED, alpha=0.2, lw=0)
    left.plot(steps, still.mean(0), color="gray", ls=":", label="nothing moves")
    left.set(xlabel="steps ahead", ylabel="distance to what happened")
    left.legend(frameon=False, fontsize=8)
    for row, start in zip(predicted[::5], starts[::5], strict=True):
        right.plot(
            start + np.arange(len(row)), row[:, 0], color=PREDICTED, lw=1, alpha=0.7
        )
    right.plot(actual[:, 0], color=ACTUAL, lw=2)
    right.set(xlabel="plan", ylabel="latent feature 0")
    figure.suptitle("Open-loop predictions of the learned model", fontsize=12)
    return figure


@torch.no_grad()
def open_loop_predictions(
    recording: Recording, predictor: Predictor, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predict from every step with the actions that were then taken.

    Args:
        recording: The episode.
        predictor: Predicts.
        horizon: Steps of each prediction, cut to the episode's length.

    Returns:
        Predicted states (B, T+1, Z), and the steps they start from (B,).
    """
    # What the last action led to was not looked at any more.
    n_actions = len(recording.actions) - 1
    horizon = min(horizon, n_actions)
    starts = np.arange(n_actions - horizon + 1)
    index = starts[:, None] + np.arange(horizon)
    device = predictor.device
    actions = torch.from_numpy(np.array(recording.actions)[index]).to(device)
    states = torch.from_numpy(np.array(recording.states)[starts]).to(device)
    context = torch.from_numpy(np.array(recording.contexts)[starts]).to(device)
    rollout = predictor.rollout_latent(states, context, actions, deterministic=True)
    return rollout.state.mean((1, 2)).cpu().numpy(), starts


def learning_curve_figure(metrics_path: Path, result: dict[str, Any]) -> Figure | None:
    """Draw the periodic tests over environment steps, with the random floor.

    Args:
        metrics_path: The run's ``metrics.jsonl``.
        result: The run's ``result.json``.

    Returns:
        Success where the environment has one, else return; ``None`` without tests.
    """
    lines = [json.loads(line) for line in metrics_path.read_text().splitlines()]
    name = "success_last" if result["success_last"] is not None else "return_mean"
    points = [
        (line["env_steps"], line[f"test/{name}"])
        for line in lines
        if f"test/{name}" in line
    ]
    if not points:
        return None
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.plot(*zip(*points, strict=True), "o-", color=ACTUAL, label="periodic tests")
    axes.plot(
        result["env_steps"], result[name], "*", ms=14, color=GOAL, label="evaluation"
    )
    axes.axhline(result[f"random_{name}"], color="gray", ls=":", label="random actions")
    axes.set(xlabel="environment steps", ylabel=name.replace("_", " "))
    axes.legend(frameon=False, fontsize=8)
    return figure
