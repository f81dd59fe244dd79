"""Sizes and spreads that population-based searches have in common."""

from layeredrl.errors import ConfigurationError
from layeredrl.optimizers.checks import check_count, check_range


def check_population(
    n_iterations: int, n_candidates: int, elite_ratio: float, momentum: float
) -> None:
    """Let only populations pass that can be searched with.

    Args:
        n_iterations: Iterations per call, at least 1.
        n_candidates: Candidates per iteration, at least 1.
        elite_ratio: Share of them that are elites, (0, 1].
        momentum: Share of the old distribution that stays, [0, 1).

    Raises:
        ConfigurationError: If one of them has another value.
    """
    check_count("n_iterations", n_iterations)
    check_count("n_candidates", n_candidates)
    check_range("elite_ratio", elite_ratio, 0, 1, allow_low=False)
    check_range("momentum", momentum, 0, 1, allow_high=False)


def check_spread(init_std: float, min_std: float = 0.0) -> None:
    """Let only standard deviations pass that leave something to search.

    Args:
        init_std: Initial standard deviation, above zero.
        min_std: Floor of later ones, at most the initial one.

    Raises:
        ConfigurationError: If one of them has another value.
    """
    check_range("init_std", init_std, 0, allow_low=False)
    check_range("min_std", min_std, 0)
    if min_std > init_std:
        raise ConfigurationError(
            f"min_std must be at most init_std = {init_std}, got {min_std}"
        )


def count_share(share: float, total: int) -> int:
    """Turn a share into a count.

    Args:
        share: Share of the total, [0, 1].
        total: What it is a share of.

    Returns:
        The nearest count, at least 1 unless the share is 0.
    """
    return 0 if share == 0 else max(1, round(share * total))
