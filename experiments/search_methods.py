"""How plans are searched, by name."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from layeredrl.optimizers import (
    CEM,
    ICEM,
    MPPI,
    CategoricalCEM,
    CategoricalCEMConfig,
    CEMConfig,
    Gradient,
    GradientConfig,
    ICEMConfig,
    MPPIConfig,
    Optimizer,
    RandomShooting,
    RandomShootingConfig,
)

if TYPE_CHECKING:
    from experiments.planner import PlannerArguments

OptimizerName = Literal["icem", "cem", "mppi", "random-shooting", "gradient"]


def choose_optimizer(
    arguments: "PlannerArguments", discrete: bool
) -> Callable[..., Optimizer]:
    """Pick the search method.

    Args:
        arguments: Concrete choices.
        discrete: Whether actions are discrete.

    Returns:
        What builds it for an action space.
    """
    n, k = arguments.n_iterations, arguments.n_candidates
    if discrete:
        return partial(
            CategoricalCEM,
            config=CategoricalCEMConfig(n_iterations=n, n_candidates=k),
        )
    choices: dict[str, Callable[..., Optimizer]] = {
        "icem": partial(
            ICEM,
            config=ICEMConfig(
                n_iterations=n,
                n_candidates=k,
                elite_ratio=0.1,
                noise_beta=arguments.noise_beta,
            ),
        ),
        "cem": partial(CEM, config=CEMConfig(n_iterations=n, n_candidates=k)),
        "mppi": partial(MPPI, config=MPPIConfig(n_iterations=n, n_candidates=k)),
        "random-shooting": partial(
            RandomShooting,
            config=RandomShootingConfig(n_iterations=n, n_candidates=k),
        ),
        "gradient": partial(Gradient, config=GradientConfig()),
    }
    return choices[arguments.optimizer]
