import math

import pytest
import torch

from layeredrl.utils.returns import (
    generalized_advantages,
    n_step_returns,
    return_ends,
)


def by_loops(reward, discount, bootstrap, traj_len, n_steps):
    k_steps = bootstrap.shape[1]
    out = torch.zeros(len(reward), k_steps, dtype=torch.float64)
    for row in range(len(reward)):
        length = int(traj_len[row])
        for t in range(min(k_steps, length)):
            total, factor = 0.0, 1.0
            end = min(t + n_steps, length)
            for i in range(t, end):
                total += factor * float(reward[row, i])
                factor *= float(discount[row, i])
            out[row, t] = total + factor * float(bootstrap[row, t])
    return out.float()


def test_by_hand():
    # One row of five steps, the episode ends after four of them; gamma 1/2.
    reward = torch.tensor([[1.0, 2.0, 4.0, 8.0, 99.0]])
    bootstrap = torch.tensor([[16.0, 32.0, 64.0, 128.0]])
    returns = n_step_returns(
        reward, torch.full((1, 5), 0.5), bootstrap, torch.tensor([4]), 2
    )
    # 1 + 2/2 + 16/4, 2 + 4/2 + 32/4, 4 + 8/2 + 64/4, 8 + 128/2
    torch.testing.assert_close(returns, torch.tensor([[6.0, 12.0, 24.0, 72.0]]))


def test_ends_by_hand():
    ends = return_ends(torch.tensor([1, 3, 10]), k_steps=4, n_steps=2)
    assert ends.tolist() == [[1, 1, 1, 1], [2, 3, 3, 3], [2, 3, 4, 5]]


def test_steps_beyond_the_end_count_nothing():
    reward = torch.full((2, 6), math.nan)
    reward[:, :2] = 1.0
    discount = torch.ones(2, 6)
    returns = n_step_returns(
        reward, discount, torch.zeros(2, 4), torch.tensor([2, 2]), 3
    )
    assert returns.tolist() == [[2.0, 1.0, 0.0, 0.0]] * 2


@pytest.mark.parametrize("gamma", [0.0, 1e-6, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize(
    ("k_steps", "n_steps"), [(1, 1), (1, 200), (200, 1), (5, 3), (50, 50)]
)
@pytest.mark.parametrize("is_semi_mdp", [False, True])
def test_agrees_with_loops(k_steps, n_steps, gamma, is_semi_mdp, generator):
    rows, steps = 6, k_steps + n_steps
    durations = torch.randint(1, 8, (rows, steps), generator=generator)
    discount = gamma ** (durations.double() if is_semi_mdp else torch.ones(rows, steps))
    reward = 10 * torch.randn(rows, steps, generator=generator)
    bootstrap = 100 * torch.randn(rows, k_steps, generator=generator)
    traj_len = torch.randint(1, steps + 1, (rows,), generator=generator)
    arguments = (reward, discount, bootstrap, traj_len, n_steps)
    torch.testing.assert_close(
        n_step_returns(*arguments), by_loops(*arguments), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("gamma", [0.3, 0.5, 0.9])
def test_small_discounts_do_not_cancel(gamma):
    # Differences of one long cumulative sum would lose everything: gamma**200 is 1e-105.
    steps = 250
    reward = torch.ones(1, steps)
    discount = torch.full((1, steps), gamma, dtype=torch.float64)
    bootstrap = torch.full((1, 200), 1 / (1 - gamma))
    returns = n_step_returns(reward, discount, bootstrap, torch.tensor([steps]), 50)
    torch.testing.assert_close(returns, torch.full((1, 200), 1 / (1 - gamma)))
    # Rewards that shrink along the stretch: early ones must not drown late ones.
    reward = 0.9 ** torch.arange(steps).unsqueeze(0)
    arguments = (reward, discount, torch.zeros(1, 200), torch.tensor([steps]), 50)
    torch.testing.assert_close(
        n_step_returns(*arguments), by_loops(*arguments), rtol=1e-5, atol=0
    )


def test_zero_discounts_in_places():
    discount = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    returns = n_step_returns(
        torch.ones(1, 4), discount, torch.full((1, 2), 7.0), torch.tensor([4]), 3
    )
    assert returns.tolist() == [[2.0, 1.0]]


# Generalized advantages


def advantages_by_loops(reward, discount, values, terminated, traj_len, gae_lambda):
    out = torch.zeros_like(reward)
    for row in range(len(reward)):
        length = int(traj_len[row])
        for t in range(length):
            total, weight = 0.0, 1.0
            for i in range(t, length):  # equation 16, written out
                goes_on = 0.0 if terminated[row, i] else float(discount[row, i])
                delta = float(reward[row, i]) + goes_on * float(values[row, i + 1])
                total += weight * (delta - float(values[row, i]))
                weight *= goes_on * gae_lambda
            out[row, t] = total
    return out


@pytest.mark.parametrize("gae_lambda", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
def test_advantages_agree_with_loops(gamma, gae_lambda, generator):
    rows, steps = 12, 6
    reward = torch.randn(rows, steps, generator=generator)
    durations = torch.randint(1, 5, (rows, steps), generator=generator)
    values = 3.0 * torch.randn(rows, steps + 1, generator=generator)
    traj_len = torch.randint(1, steps + 1, (rows,), generator=generator)
    terminated = torch.zeros(rows, steps, dtype=torch.bool)
    terminated[torch.arange(rows), traj_len - 1] = torch.arange(rows) % 2 == 0
    arguments = (reward, gamma**durations, values, terminated, traj_len, gae_lambda)
    torch.testing.assert_close(
        generalized_advantages(*arguments), advantages_by_loops(*arguments)
    )


def test_advantages_by_hand():
    # Gamma 1/2, lambda 1/2; the second step is the last one and terminates.
    reward = torch.tensor([[1.0, 2.0, 99.0]])
    values = torch.tensor([[10.0, 4.0, 77.0, 88.0]])
    terminated = torch.tensor([[False, True, False]])
    found = generalized_advantages(
        reward, torch.full((1, 3), 0.5), values, terminated, torch.tensor([2]), 0.5
    )
    # 2 - 4, then 1 + 4/2 - 10 + (-2)/4
    assert found.tolist() == [[-7.5, -2.0, 0.0]]


def test_advantages_of_truncated_stretches_bootstrap():
    reward, values = torch.tensor([[1.0]]), torch.tensor([[3.0, 10.0]])
    for is_over, expected in ((False, 1.0 + 5.0 - 3.0), (True, 1.0 - 3.0)):
        found = generalized_advantages(
            reward,
            torch.tensor([[0.5]]),
            values,
            torch.tensor([[is_over]]),
            torch.tensor([1]),
            0.9,
        )
        assert found.tolist() == [[expected]]


def test_advantages_ignore_what_is_not_valid():
    nan = torch.nan
    found = generalized_advantages(
        torch.tensor([[1.0, nan, nan]]),
        torch.tensor([[1.0, nan, nan]]),
        torch.tensor([[2.0, 5.0, nan, nan]]),
        torch.zeros(1, 3, dtype=torch.bool),
        torch.tensor([1]),
        0.9,
    )
    assert found.tolist() == [[4.0, 0.0, 0.0]]


def test_with_lambda_one_advantages_are_returns_minus_values(generator):
    reward = torch.randn(4, 7, generator=generator)
    discount = 0.9 * torch.ones(4, 7)
    values = torch.randn(4, 8, generator=generator)
    traj_len = torch.tensor([1, 3, 7, 7])
    terminated = torch.zeros(4, 7, dtype=torch.bool)
    bootstrap = values[torch.arange(4), traj_len][:, None].expand(4, 7)
    zeros = torch.zeros(4, 7 + 7)
    zeros[:, :7] = reward
    returns = n_step_returns(zeros, 0.9 * torch.ones(4, 14), bootstrap, traj_len, 7)
    found = generalized_advantages(reward, discount, values, terminated, traj_len, 1.0)
    valid = torch.arange(7) < traj_len[:, None]
    torch.testing.assert_close(found[valid], (returns - values[:, :-1])[valid])
