"""Targets for value functions from stretches of experience."""

import math

import torch
from torch import Tensor

# Within a block, prefix sums are divided by the discount since the block's start. This
# is the smallest such discount, far above what float64 can resolve.
_SMALLEST_DISCOUNT = 1e-4


def return_ends(traj_len: Tensor, k_steps: int, n_steps: int) -> Tensor:
    """Where the n-step returns of the first k steps end.

    Args:
        traj_len: Number of valid steps per row, at least 1, (B,).
        k_steps: For how many steps there is a return.
        n_steps: Rewards per return.

    Returns:
        Index of the state from which each return bootstraps, (B, k_steps) int64; where
        it equals ``traj_len`` that is the state after the last valid step.
    """
    start = torch.arange(k_steps, device=traj_len.device)
    return torch.minimum(start + n_steps, traj_len.unsqueeze(1))


def n_step_returns(
    reward: Tensor,
    discount: Tensor,
    bootstrap: Tensor,
    traj_len: Tensor,
    n_steps: int,
) -> Tensor:
    r"""N-step returns of each of the first k steps, in O(k + n) per row.

    .. math::
        G_t = \sum_{i=t}^{e-1} D_{t,i} r_i + D_{t,e} b_t,
        \quad e = \min(t + n, \text{traj\_len}),
        \quad D_{t,i} = \prod_{m=t}^{i-1} d_m

    computed from differences of cumulative discounted sums (Sutton & Barto 2018,
    equation 7.1, with a discount per step). Where discounts are small the sums start
    anew every few steps, so that nothing is lost to cancellation.

    Args:
        reward: Reward of each step, (B, T) with T >= k + n_steps - 1.
        discount: Discount over each step, in [0, 1], (B, T); ``gamma`` to the number of
            environment steps where a step is a semi-MDP transition.
        bootstrap: Value of the state at which each return ends (see
            :func:`return_ends`), 0 where the episode terminated, (B, k).
        traj_len: Number of valid steps per row, at least 1, (B,).
        n_steps: Rewards per return.

    Returns:
        Returns (B, k) float32; 0 at steps that are not valid.
    """
    k_steps = bootstrap.shape[1]
    reward, discount, bootstrap = (x.double() for x in (reward, discount, bootstrap))
    end = return_ends(traj_len, k_steps, n_steps)
    block = _block_length(discount, k_steps)
    returns = [
        _block_returns(reward, discount, bootstrap, end, first, block, n_steps)
        for first in range(0, k_steps, block)
    ]
    valid = torch.arange(k_steps, device=traj_len.device) < traj_len.unsqueeze(1)
    return torch.where(valid, torch.cat(returns, dim=1), 0.0).float()


def generalized_advantages(
    reward: Tensor,
    discount: Tensor,
    values: Tensor,
    terminated: Tensor,
    traj_len: Tensor,
    gae_lambda: float,
) -> Tensor:
    r"""Advantages as exponentially weighted sums of temporal differences.

    .. math::
        A_t = \delta_t + d_t \lambda A_{t+1}, \quad
        \delta_t = r_t + d_t V(s_{t+1}) - V(s_t)

    (Schulman et al. 2016, equation 16, with a discount per step.)

    Args:
        reward: Reward of each step, (B, T).
        discount: Discount over each step, (B, T).
        values: Values of the states, (B, T+1); meaningless beyond ``traj_len``.
        terminated: Whether the step ended the episode, (B, T).
        traj_len: Number of valid steps per row, (B,).
        gae_lambda: Weight of longer returns, in [0, 1].

    Returns:
        Advantages (B, T); 0 at steps that are not valid.
    """
    n_steps = reward.shape[1]
    valid = torch.arange(n_steps, device=reward.device) < traj_len.unsqueeze(1)
    going_on = discount * (1.0 - terminated.to(discount.dtype))
    delta = reward + going_on * values[:, 1:] - values[:, :-1]
    delta = torch.where(valid, delta, 0.0)
    carried = torch.where(valid, gae_lambda * going_on, 0.0)
    advantage = torch.zeros_like(delta)
    following = torch.zeros_like(delta[:, 0])
    for step in range(n_steps - 1, -1, -1):
        following = delta[:, step] + carried[:, step] * following
        advantage[:, step] = following
    return advantage


def _block_length(discount: Tensor, k_steps: int) -> int:
    smallest = float(discount.min())
    if smallest >= 1.0:
        return k_steps
    if smallest <= _SMALLEST_DISCOUNT:
        return 1
    return max(1, min(k_steps, int(math.log(_SMALLEST_DISCOUNT) / math.log(smallest))))


def _block_returns(
    reward: Tensor,
    discount: Tensor,
    bootstrap: Tensor,
    end: Tensor,
    first: int,
    block: int,
    n_steps: int,
) -> Tensor:
    """Returns of the steps ``first ... first + block - 1``, (B, <= block)."""
    here = slice(first, first + block)
    end, bootstrap = end[:, here], bootstrap[:, here]
    width = end.shape[1]
    reach = slice(first, first + width + n_steps - 1)
    zero = reward.new_zeros(len(reward), 1)
    since_first = torch.cat([zero + 1.0, discount[:, reach].cumprod(1)], dim=1)
    prefix = torch.cat(
        [zero, (since_first[:, :-1] * reward[:, reach]).cumsum(1)], dim=1
    )
    # Steps that are not valid end before they start; their result is masked later.
    last = (end - first).clamp(min=0)
    total = prefix.gather(1, last) - prefix[:, :width]
    total += since_first.gather(1, last) * bootstrap
    return total / since_first[:, :width]
