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
    Refined,
    RefinedConfig,
)
from layeredrl.planners import ObjectiveConfig, OptimizerPlanner, Planner, PlannerConfig

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

    @property
    def n_refinements(self) -> int:
        """Gradient steps of the best plan after the search; 0 for none."""

    @property
    def horizon(self) -> int:
        """Planned decisions."""

    @property
    def n_followed(self) -> int:
        """Planned decisions that are carried out before the next search."""

    @property
    def use_value(self) -> bool:
        """Whether a value is added at the end of plans."""

    @property
    def disagreement_weight(self) -> float:
        """Weight of member disagreement in the objective."""


def choose_planner(
    arguments: SearchArguments, discrete: bool, n_repeats: int = 1
) -> Callable[..., Planner]:
    """Describe a planner.

    Args:
        arguments: Concrete choices.
        discrete: Whether decisions are discrete.
        n_repeats: Steps of the model for which each decision is kept.

    Returns:
        What builds it for a predictor.
    """
    return partial(
        OptimizerPlanner,
        partial_optimizer=choose_optimizer(arguments, discrete),
        config=PlannerConfig(
            horizon=arguments.horizon,
            n_repeats=n_repeats,
            n_followed=arguments.n_followed,
            objective=ObjectiveConfig(
                terminal_value=arguments.use_value,
                disagreement_weight=arguments.disagreement_weight,
            ),
        ),
    )


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
    chosen = _sampling(arguments)
    if arguments.n_refinements == 0:
        return chosen
    return partial(
        Refined,
        partial_search=chosen,
        config=RefinedConfig(n_steps=arguments.n_refinements),
    )


def _sampling(arguments: SearchArguments) -> Callable[..., Optimizer]:
    n, k = arguments.n_iterations, arguments.n_candidates
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
