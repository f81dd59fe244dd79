import torch

from layeredrl.models.unrolling import as_rollout, unroll


def test_states_and_terminations_line_up():
    def step(x, t):
        return x * 2 + t, x[..., 0] + 10 * t

    states, terminations = unroll(step, torch.ones(1, 1, 2, 1), 3)
    assert states.shape == (1, 1, 2, 4, 1) and terminations.shape == (1, 1, 2, 3)
    assert states[0, 0, 0, :, 0].tolist() == [1, 2, 5, 12]
    assert terminations[0, 0, 1].tolist() == [1, 12, 25]


def test_the_batch_comes_first_and_particles_are_shown():
    states, terminations = torch.randn(3, 1, 5, 4, 2), torch.rand(3, 1, 5, 3)
    rollout = as_rollout(states, terminations, n_particles=7)
    assert rollout.state.shape == (5, 3, 7, 4, 2)
    assert rollout.term_prob.shape == (5, 3, 7, 3)
    for particle in (0, 6):
        torch.testing.assert_close(rollout.state[4, 2, particle], states[2, 0, 4])
        torch.testing.assert_close(
            rollout.term_prob[4, 2, particle], terminations[2, 0, 4]
        )
    assert rollout.state.data_ptr() == states.data_ptr()
