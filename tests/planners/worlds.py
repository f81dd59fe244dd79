"""Small worlds to plan in, and a search without chance."""

import torch

from layeredrl.models import KnownDynamics, Model
from layeredrl.models.unrolling import as_rollout, unroll
from layeredrl.nets import Encoder
from layeredrl.optimizers import Optimizer, Solution, shift_sequences
from layeredrl.predictors import StaticPredictor
from layeredrl.types import LossOutput, MixturePrediction
from tests.toys import ACTIONS, unbounded


class NeverCalled(Encoder):
    """Planning happens in latent space only."""

    latent_state_dim, context_dim = 2, 2

    def forward(self, obs):
        raise AssertionError("planning must not call the encoder")


def move(state, context, action):
    """A point that an action moves by half its length."""
    return state + 0.5 * action[..., :2]


def distance_reward(state, context, action):
    """Minus the distance of where one gets to from the goal, which is the context."""
    return -(move(state, context, action) - context).norm(dim=-1)


def predictor(
    reward=distance_reward,
    *,
    val_func=None,
    term=None,
    model=None,
    actions=ACTIONS,
    function=move,
):
    if model is None:
        model = KnownDynamics(unbounded(2), unbounded(2), actions, function, term)
    return StaticPredictor(model, val_func, reward, NeverCalled(), 2, 2)


class Quarrel(Model):
    """Members that agree about the first action feature and not about the second."""

    def __init__(self, n_particles=1):
        super().__init__(
            unbounded(2), unbounded(2), ACTIONS, n_models=2, n_particles=n_particles
        )

    def predict(self, state, context, action):
        mean = torch.stack([self._next(state, action, m) for m in (1, -1)], dim=1)
        mean = mean.unsqueeze(2)
        return MixturePrediction(
            mean,
            torch.ones(mean.shape[:-1]),
            torch.full_like(mean, 0.1),
            torch.zeros(mean.shape[:2]),
        )

    def rollout(self, state, context, actions, deterministic=False, generator=None):
        def step(x, t):
            nxt = torch.stack([self._next(x[i], actions[:, t], s) for i, s in SIGNS])
            if not deterministic:
                nxt = nxt + torch.empty_like(nxt).normal_(generator=generator)
            return nxt, nxt.new_zeros(nxt.shape[:-1])

        particles = 1 if deterministic else self.n_particles
        start = state.expand(2, particles, *state.shape)
        states, term_prob = unroll(step, start, actions.shape[1])
        return as_rollout(states, term_prob, self.n_particles)

    def loss(self, batch):
        return LossOutput(torch.zeros(()), {})

    @staticmethod
    def _next(state, action, sign):
        return state + action * torch.tensor([1.0, float(sign)])


SIGNS = ((0, 1), (1, -1))


class GivenCandidates(Optimizer):
    """Tries the same candidates for everyone, and notes what it is asked."""

    def __init__(self, candidates):
        self.candidates = candidates  # (K, T, A)
        self.calls = []

    def initial_mean(self, batch_size, horizon):
        return torch.full((batch_size, horizon, self.candidates.shape[-1]), 0.125)

    def optimize(
        self, objective, mean, generator=None, *, candidates=None, deadline=None
    ):
        self.calls.append(
            {"mean": mean, "candidates": candidates, "deadline": deadline}
        )
        tried = [self.candidates.expand(len(mean), -1, -1, -1), mean[:, None]]
        if candidates is not None:
            tried.append(candidates)
        tried = torch.cat(tried, dim=1)
        values = objective(tried)
        order = values.argsort(1, descending=True)[:, :2]
        rows = torch.arange(len(mean))[:, None]
        elites = tried[rows, order]
        best = elites[:, 0]
        return Solution(
            mean=0.5 * (mean + best),
            std=torch.zeros_like(best),
            best=best,
            best_value=values.max(1).values,
            chosen=best,
            elites=elites,
            n_iterations=1,
        )

    def carry_over(self, solution):
        return shift_sequences(solution.elites)


def directions(horizon=4):
    """Eight constant sequences, one per direction."""
    angles = torch.arange(8) * torch.pi / 4
    unit = torch.stack([angles.cos(), angles.sin()], dim=-1)
    return unit[:, None].expand(8, horizon, 2).contiguous()
