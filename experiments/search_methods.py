"""How plans are searched, by name."""

from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

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

OptimizerName = Literal["icem", "cem", "mppi", "random-shooting", "gradient"]


class SearchArguments(Protocol):
    """What arguments say of a search."""

    @property
    def optimizer(self) -> OptimizerName:
        """Which method."""

    @property
    def n_iterations(self) -> int:
        """Iterations per plan."""

    @property
    def n_candidates(self) -> int:
        """Candidate sequences per iteration."""

    @property
    def noise_beta(self) -> float:
        """Colour of iCEM's noise along time."""


def choose_optimizer(
    arguments: SearchArguments, discrete: bool
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
