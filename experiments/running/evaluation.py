"""Evaluation with a progress bar."""

from typing import Any

from gymnasium.vector import VectorEnv
from tqdm import tqdm

from layeredrl.collectors import Episode, evaluate
from layeredrl.collectors.evaluator import OnStep
from layeredrl.hierarchies import Hierarchy


def evaluate_with_bar(
    name: str,
    hierarchy: Hierarchy,
    env: VectorEnv,
    n_episodes: int,
    seed: int,
    on_step: OnStep | None = None,
    n_steps: int | None = None,
) -> list[Episode]:
    """Evaluate with a progress bar.

    Args:
        name: Shown beside the bar.
        hierarchy: What to evaluate.
        env: Where.
        n_episodes: Number of episodes.
        seed: Seeds the environment.
        on_step: Called after every step, for recording.
        n_steps: Steps that all instances take side by side, where that is known: the bar
            counts these, as episodes that end together would leave it at nothing.

    Returns:
        The episodes.
    """
    counts_steps = n_steps is not None
    unit = "step" if counts_steps else "episode"
    with tqdm(total=n_steps or n_episodes, desc=name, unit=unit) as bar:

        def watch(*seen: Any) -> None:
            if on_step is not None:
                on_step(*seen)
            bar.update(counts_steps)

        return evaluate(
            hierarchy,
            env,
            n_episodes,
            seed,
            on_episode=lambda _: bar.update(not counts_steps),
            on_step=watch,
        )
