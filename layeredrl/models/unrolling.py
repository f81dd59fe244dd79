"""The loop over time that all models share."""

from collections.abc import Callable

import torch
from torch import Tensor

from layeredrl.types import LatentRollout

Step = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""Maps states (M, P, B, Z) and the time step to next states and terminations (M, P, B)."""


def unroll(step: Step, start: Tensor, n_steps: int) -> tuple[Tensor, Tensor]:
    """Apply a step function again and again.

    Args:
        step: One time step.
        start: States at the start (M, P, B, Z).
        n_steps: Number of steps T.

    Returns:
        States (M, P, B, T+1, Z), the start first, and terminations (M, P, B, T).
    """
    states, terminations = [start], []
    for t in range(n_steps):
        state, termination = step(states[-1], t)
        states.append(state)
        terminations.append(termination)
    return torch.stack(states, dim=-2), torch.stack(terminations, dim=-1)


def as_rollout(states: Tensor, term_prob: Tensor, n_particles: int) -> LatentRollout:
    """Put the batch axis first and show every particle.

    Args:
        states: States (M, P', B, T+1, Z) where P' is ``n_particles`` or, if all
            particles coincide, 1.
        term_prob: Termination probabilities (M, P', B, T).
        n_particles: Particles per member P.

    Returns:
        The rollout; coinciding particles are views of the same memory.
    """
    states, term_prob = states.permute(2, 0, 1, 3, 4), term_prob.permute(2, 0, 1, 3)
    return LatentRollout(
        states.expand(-1, -1, n_particles, -1, -1),
        term_prob.expand(-1, -1, n_particles, -1),
    )
