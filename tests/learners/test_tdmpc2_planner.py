"""The search of TD-MPC2, in latent worlds that can be solved by hand."""

import numpy as np
import pytest
import torch

from tests.learners.tdmpc2_cases import learner, situation, warmed


@pytest.mark.parametrize("episodic", [True, False])
def test_values_are_those_of_a_rollout_step_by_step(episodic):
    made = warmed(learner(2, episodic=episodic))
    model, g = made._model, torch.Generator().manual_seed(0)
    model.discount.fill_(0.8)
    state = model.encode(torch.randn(2, 3, generator=g)).detach()
    condition = torch.randn(2, 2, generator=g)
    sequences = torch.rand(2, 4, 3, 2, generator=g) * 2 - 1
    members = torch.tensor([3, 1])
    with torch.no_grad():
        values = made._planner._values_of(state, condition, sequences, members)
        for i in range(2):
            for j in range(4):
                z, total, weight = state[i], 0.0, 1.0
                for step in range(3):
                    x = torch.cat([z, condition[i], sequences[i, j, step]])
                    total += weight * float(model.two_hot.decode(model.reward(x)))
                    weight *= 0.8
                    if episodic:
                        weight *= 1.0 - float(model.termination(x).sigmoid())
                    z = model.dynamics(x)
                action = model.policy.best(torch.cat([z, condition[i]]))
                logits = model.values(torch.cat([z, condition[i], action]))[members]
                total += weight * float(model.two_hot.decode(logits).mean())
                assert float(values[i, j]) == pytest.approx(total, rel=1e-4, abs=1e-5)


def test_values_of_the_policy_are_those_of_its_actions():
    made = warmed(learner(2))
    planner, members = made._planner, torch.tensor([3, 1])
    with torch.no_grad():
        state, condition = made._model.encode(torch.randn(4, 3)), torch.randn(4, 2)
        noise = torch.randn(5, 3, 2)
        sequences, values = planner._prior(state, condition, noise, members)
        expected = planner._values_of(state, condition, sequences, members)
    torch.testing.assert_close(values, expected)
    assert sequences.shape == (4, 5, 3, 2) and values.shape == (4, 5)


def valued(made, values_of):
    """Let a function of sequences alone say what they are worth."""
    planner, prior = made._planner, made._planner._prior

    def valued_prior(*args):
        sequences, _ = prior(*args)
        return sequences, values_of(sequences)

    planner._prior = valued_prior
    planner._values_of = lambda state, condition, sequences, members: values_of(
        sequences
    )


def solvable(made, best):
    """Let the value of a plan be how near its first action is to the best one."""
    valued(made, lambda sequences: -(sequences[:, :, 0] - best).square().sum(-1))


@pytest.mark.parametrize("explore", [True, False])
def test_it_finds_the_best_action_of_each_instance(explore):
    made = learner(n_samples=64, n_elites=8, n_iterations=8, min_std=0.01)
    best = torch.tensor([[0.5, -0.7], [-1.0, 1.0], [0.0, 0.1], [0.9, 0.9]])
    solvable(made, best[:, None])
    action = made.act(situation(), explore)
    unit = made._scaling.to_unit(action)
    torch.testing.assert_close(unit, best, rtol=0, atol=0.1 if explore else 0.05)


def test_a_good_policy_helps():
    made = learner(n_samples=2, n_elites=1, n_iterations=1, n_policy_trajectories=8)
    prior = made._model.policy.best
    here = situation()
    state = made._model.encode(here.obs)
    solvable(made, prior(state).detach()[:, None])
    helped = made._scaling.to_unit(made.act(here, False))
    made = learner(n_samples=2, n_elites=1, n_iterations=1, n_policy_trajectories=0)
    solvable(made, prior(state).detach()[:, None])
    alone = made._scaling.to_unit(made.act(here, False))
    goal = prior(state)
    assert (helped - goal).norm() < (alone - goal).norm()


def test_warm_start_makes_a_short_search_precise():
    made = learner(n_samples=64, n_elites=8, n_iterations=1, max_std=0.3)
    best = torch.tensor([0.8, -0.8])
    valued(made, lambda sequences: -(sequences - best).square().sum((-2, -1)))
    errors = []
    for _ in range(10):
        action = made._scaling.to_unit(made.act(situation(), False))
        errors.append(float((action - best).norm()))
    assert errors[-1] < 0.2 * errors[0]
    made.reset(np.arange(4))
    action = made._scaling.to_unit(made.act(situation(), False))
    assert float((action - best).norm()) == errors[0]


def test_deviation_stays_between_its_bounds():
    made = learner(min_std=0.2, max_std=0.3, n_iterations=1)
    solvable(made, torch.zeros(2))
    unit = []
    for _ in range(100):
        made.reset(np.arange(4))
        unit.append(made._scaling.to_unit(made.act(situation(), True)))
    spread = torch.stack(unit).std(0)
    # An elite that was drawn near the best, and noise of the smallest deviation.
    assert ((spread > 0.15) & (spread < 0.5)).all()
