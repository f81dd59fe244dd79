"""Path integral control in latent space, for many instances at once."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from layeredrl.learners.tdmpc2.world_model import WorldModel
from layeredrl.optimizers import shift_sequences
from layeredrl.optimizers.elites import (
    Elites,
    finite_or_last,
    select_elites,
    softmax_weights,
)
from layeredrl.optimizers.gaussian import Gaussian, refit

if TYPE_CHECKING:
    from layeredrl.learners.tdmpc2.config import TDMPC2Config

_SMALLEST_WEIGHT = 1e-12


class LatentPlanner:
    """Searches for actions around each instance's last plan and the policy's.

    All instances look at the same noise, so that none decides differently for the others
    that are planned for with it; in evaluation it is always the same noise.
    """

    def __init__(
        self,
        model: WorldModel,
        config: "TDMPC2Config",
        action_dim: int,
        n_instances: int,
        device: torch.device,
    ):
        """Start without plans.

        Args:
            model: Imagines.
            config: Numbers of the search.
            action_dim: Action features A.
            n_instances: Instances whose plans are remembered.
            device: Where it plans.
        """
        self._model = model
        self._config = config
        self._horizon = config.horizon
        self._plans = torch.zeros(
            n_instances, config.horizon, action_dim, device=device
        )
        self._min_std = torch.full((action_dim,), config.min_std, device=device)
        numbers = torch.Generator().manual_seed(0)
        self._fixed_noise = [x.to(device) for x in self._noise(numbers)]

    @torch.no_grad()
    def plan(
        self,
        state: Tensor,
        condition: Tensor,
        instances: np.ndarray,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Plan, and remember where to start the next time.

        Args:
            state: Latent states (B, Z).
            condition: What to do there, held constant in what is imagined, (B, C).
            instances: Which instances they are, (B,) int64, each at most once.
            generator: Source of randomness to explore; without one the decision depends
                on the state and the last plan alone.

        Returns:
            Actions in [-1, 1], (B, A).
        """
        config = self._config
        rows = torch.from_numpy(instances).to(state.device)
        noise, policy_noise = (
            self._fixed_noise if generator is None else self._noise(generator)
        )
        members = self._model.draw_values(generator)
        mean = self._plans[rows]
        gaussian = Gaussian(mean, torch.full_like(mean, config.max_std))
        prior, prior_values = self._prior(state, condition, policy_noise, members)
        for iteration_noise in noise:
            drawn = torch.addcmul(
                gaussian.mean[:, None], gaussian.std[:, None], iteration_noise
            ).clamp_(-1.0, 1.0)
            values = self._values_of(state, condition, drawn, members)
            elites = select_elites(
                torch.cat([drawn, prior], 1),
                finite_or_last(torch.cat([values, prior_values], 1)),
                config.n_elites,
            )
            weights = softmax_weights(elites.values, config.temperature)
            mean, std = refit(gaussian, elites, weights, min_std=self._min_std)
            gaussian = Gaussian(mean, std.clamp(max=config.max_std))
        self._plans[rows] = shift_sequences(gaussian.mean)
        if generator is None:
            return gaussian.mean[:, 0]
        return _explored(gaussian, elites, weights, generator)

    def reset(self, instances: np.ndarray) -> None:
        """Forget the last plans of some instances.

        Args:
            instances: Which ones, (B,) int64.
        """
        self._plans[torch.from_numpy(instances).to(self._plans.device)] = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Copy the plans.

        Returns:
            The state.
        """
        return {"plans": self._plans.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the plans.

        Args:
            state: What :meth:`state_dict` returned.
        """
        self._plans.copy_(state["plans"])

    def _noise(self, generator: torch.Generator) -> list[Tensor]:
        """Draw noise for candidates (I, K, T, A) and for the policy (P, T, A)."""
        config, shape = self._config, self._plans.shape[1:]
        n_pairs = (config.n_samples + 1) // 2
        half = torch.empty(
            config.n_iterations, n_pairs, *shape, device=generator.device
        ).normal_(generator=generator)
        policy_noise = torch.empty(
            config.n_policy_trajectories, *shape, device=generator.device
        ).normal_(generator=generator)
        # Pairs on opposite sides of the mean cost half the random numbers.
        noise = torch.cat([half, -half], 1)[:, : config.n_samples]
        return [noise, policy_noise]

    def _prior(
        self, state: Tensor, condition: Tensor, noise: Tensor, members: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let the policy act in imagination: actions (B, P, T, A), their values (B, P)."""
        state, condition = _repeated(state, condition, len(noise))
        actions, inputs = [], []
        for step in range(self._horizon):
            x = torch.cat([state, condition], -1)
            actions.append(self._model.policy.perturbed(x, noise[:, step]))
            inputs.append(torch.cat([x, actions[-1]], -1))
            state = self._model.dynamics(inputs[-1])
        values = self._values_along(inputs, state, condition, members)
        return torch.stack(actions, 2), values

    def _values_of(
        self,
        state: Tensor,
        condition: Tensor,
        sequences: Tensor,
        members: Tensor,
    ) -> Tensor:
        """Imagine what some actions lead to, and say what that is worth.

        Args:
            state: Latent states (B, Z).
            condition: What to do there, (B, C).
            sequences: Actions (B, K, T, A).
            members: Which value functions to ask.

        Returns:
            Values (B, K).
        """
        model = self._model
        state, condition = _repeated(state, condition, sequences.shape[1])
        inputs = []
        for step in range(self._horizon):
            inputs.append(model.joined(state, condition, sequences[:, :, step]))
            state = model.dynamics(inputs[-1])
        return self._values_along(inputs, state, condition, members)

    def _values_along(
        self, inputs: list[Tensor], state: Tensor, condition: Tensor, members: Tensor
    ) -> Tensor:
        """Sum up rewards, and the value of the policy afterwards.

        Args:
            inputs: What the networks take at each of T steps, (B, K, Z+C+A).
            state: Latent states after the last one, (B, K, Z).
            condition: What to do there, (B, K, C).
            members: Which value functions to ask.

        Returns:
            Values (B, K).
        """
        model = self._model
        x = torch.stack(inputs)  # (T, B, K, Z+C+A)
        going_on = model.discount.expand(x.shape[:-1])
        if model.termination is not None:
            # The logit's negative belongs to the probability of staying alive.
            alive = model.termination(x).squeeze(-1).neg_().sigmoid_()
            going_on = alive * model.discount
        weight = going_on.cumprod(0)
        reward = model.two_hot.decode(model.reward(x))
        action = model.policy.best(torch.cat([state, condition], -1))
        logits = model.values(model.joined(state, condition, action), members)
        total = reward[0] + (weight[:-1] * reward[1:]).sum(0)
        return total.addcmul_(weight[-1], model.two_hot.decode(logits).mean(0))


def _repeated(state: Tensor, condition: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Look at every instance's state and condition n times, each (B, n, features)."""
    return state[:, None].expand(-1, n, -1), condition[:, None].expand(-1, n, -1)


def _explored(
    gaussian: Gaussian, elites: Elites, weights: Tensor, generator: torch.Generator
) -> Tensor:
    """Draw an elite by its weight, and add noise to its first action, (B, A)."""
    weights = weights.clamp(min=_SMALLEST_WEIGHT)
    chosen = torch.multinomial(weights, 1, generator=generator).squeeze(1)
    rows = torch.arange(len(chosen), device=chosen.device)
    action = elites.sequences[rows, chosen, 0]
    noise = torch.empty_like(action).normal_(generator=generator)
    return torch.addcmul(action, gaussian.std[:, 0], noise).clamp_(-1.0, 1.0)
