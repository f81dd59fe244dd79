"""Fixed random linear maps from actions to changes of the latent state."""

import numpy as np
import torch
from scipy.stats import special_ortho_group
from torch import Tensor

from layeredrl.errors import ConfigurationError
from layeredrl.utils.seeding import integer_seed


def random_orthonormal_map(action_dim: int, state_dim: int) -> Tensor:
    """Draw a matrix with orthonormal columns from torch's global generator.

    Different actions then mean different directions in latent space, before anything is
    learned.

    Args:
        action_dim: Number of columns A.
        state_dim: Number of rows Z, at least A.

    Returns:
        The map (Z, A).

    Raises:
        ConfigurationError: If there are more action than state dimensions.
    """
    if action_dim > state_dim:
        raise ConfigurationError(
            f"an orthonormal map needs at least as many latent state dimensions as "
            f"action dimensions, got {state_dim} and {action_dim}; for actions that are "
            "not skills turn the symmetry-breaking start off (sb_start_duration=0)"
        )
    entropy = int(torch.randint(2**31, ()))
    if state_dim == 1:
        return torch.tensor([[1.0 if entropy % 2 else -1.0]])
    seed = integer_seed(np.random.SeedSequence(entropy))
    rotation = special_ortho_group.rvs(state_dim, random_state=seed)
    return torch.tensor(rotation[:, :action_dim], dtype=torch.float32)
