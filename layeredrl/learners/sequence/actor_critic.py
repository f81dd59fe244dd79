"""An actor-critic on a sequence model, in AMAGO's manner."""

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tianshou.data import ReplayBuffer
from torch import Tensor
from torch.distributions import Categorical, Distribution

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import Learner, LearnerSpec, Situation
from layeredrl.learners.sequence.encoder import Steps
from layeredrl.learners.sequence.losses import (
    Decisions,
    cloning_loss,
    entropy,
    online_loss,
    td_targets,
)
from layeredrl.learners.sequence.networks import SequenceNetworks, unit_scaling
from layeredrl.nets.encoder import map_observation
from layeredrl.nets.hidden_rows import hidden_rows_state, load_hidden_rows
from layeredrl.predictors.grouped_adam import GroupedAdam
from layeredrl.predictors.sequence_window import WHOLE_WINDOWS
from layeredrl.predictors.trajectory_batch import (
    TrajectoryBatch,
    sample_trajectory_batch,
)
from layeredrl.utils.global_generators import BorrowedGenerators
from layeredrl.utils.schedules import as_schedule
from layeredrl.utils.seeding import seeded_initialization, spawn
from layeredrl.utils.spaces import action_dim, action_features

if TYPE_CHECKING:
    from layeredrl.learners.sequence.config import SequenceActorCriticConfig


class SequenceActorCritic(Learner):
    """A :class:`~layeredrl.learners.SequenceActorCriticConfig` at work.

    One encoder turns the story of an episode so far into features, which the actor and
    the critics read. All are trained by one optimizer on one sum of losses. Both losses
    reach the encoder: the critics' through their view of the state, the actor's through
    the actor's view alone. The actor's loss leaves the critics as they are. Target networks
    exist for actor and critics; they read the same features, as constants.

    Attributes:
        networks: Encoder, actor and critics.
        n_decisions: Decisions taken while exploring.
    """

    max_seq_len: int

    def __init__(self, spec: LearnerSpec, config: "SequenceActorCriticConfig"):
        """Build the networks.

        Args:
            spec: Where it learns.
            config: Its description.

        Raises:
            SpaceError: If it cannot see or act in these spaces.
        """
        super().__init__(spec)
        self._config = config
        self.gamma, self.max_seq_len = config.gamma, config.max_seq_len
        self.n_steps = config.max_seq_len - 1
        self._scaling = unit_scaling(spec)
        self._n_actions = action_dim(spec.action_space)
        initial, drawing = spawn(spec.seed, 2)
        with seeded_initialization(initial):
            self.networks = SequenceNetworks(config, spec, self._scaling)
        self._generators = BorrowedGenerators(drawing, spec.device)
        self._optimizer = GroupedAdam(
            {"all": self.networks.learned_parameters()},
            {"all": as_schedule(config.learning_rate)},
            config.max_grad_norm,
        )
        self._gammas = torch.tensor(
            config.gammas, dtype=torch.float64, device=spec.device
        )
        self._exploration = as_schedule(config.exploration)
        self._hidden_state = self.networks.encoder.init_hidden_state(
            spec.n_instances, spec.device
        )
        self.n_decisions = 0

    @torch.no_grad()
    def act(self, situation: Situation, explore: bool) -> Tensor:
        """Decide, from the policy and beyond it while exploring, else its best guess."""
        steps = Steps(
            map_observation(situation.obs, lambda x: x.unsqueeze(1)),
            situation.prev_action.unsqueeze(1),
            situation.prev_reward.unsqueeze(1),
            situation.time_idx.unsqueeze(1),
            torch.ones_like(situation.time_idx, dtype=torch.bool).unsqueeze(1),
        )
        features, self._hidden_state = self.networks.encoder.step(
            steps, self._hidden_state, situation.instances
        )
        policy = self.networks.actor(features)
        if not explore:
            return self._in_space(self._best(policy))
        with self._generators.lent():
            action = self._explored(policy)
        self.count_decisions(len(action))
        return self._in_space(action)

    def count_decisions(self, n: int) -> None:
        """Count decisions; exploration falls by them."""
        self.n_decisions += n

    def sample(self, buffer: ReplayBuffer, batch_size: int) -> TrajectoryBatch:
        """Sample sequences; each is a stretch as a whole, without a past beside it."""
        batch = sample_trajectory_batch(
            buffer,
            batch_size,
            self.n_steps,
            partial(action_features, self.spec.action_space),
            self.spec.device,
            self.max_seq_len,
            WHOLE_WINDOWS,
        )
        assert batch.window is not None
        return batch.first(batch.window.mask.shape[1] - 1)  # none is longer than that

    def update(self, batch: TrajectoryBatch) -> dict[str, Tensor]:
        """Take one update of everything.

        Observations, actions, rewards and terminations are those of ``batch`` itself;
        its windows tell the previous actions and rewards and the time only, which is
        what the policy was told when it acted.

        Raises:
            ConfigurationError: If the batch has no windows.
        """
        networks = self.networks
        networks.train()
        try:
            with self._generators.lent():
                loss, metrics = self._loss(batch)
        finally:
            networks.eval()
        self._optimizer.set_learning_rates(self.n_decisions)
        metrics["grad_norm"] = self._optimizer.step(loss)
        networks.follow()
        return {name: value.detach() for name, value in metrics.items()}

    def reset(self, instances: np.ndarray) -> None:
        """Forget the episodes of some instances."""
        dones = np.zeros(self.spec.n_instances, dtype=bool)
        dones[instances] = True
        traj_encoder = self.networks.encoder.traj_encoder
        self._hidden_state = traj_encoder.reset_hidden_state(self._hidden_state, dones)

    def state_dict(self) -> dict[str, Any]:
        """Copy networks, optimizer, generators, memory and counter."""
        return {
            "networks": copy.deepcopy(dict(self.networks.state_dict())),
            "optimizer": self._optimizer.state_dict(),
            "generators": self._generators.state_dict(),
            "memory": hidden_rows_state(
                self.networks.encoder.traj_encoder, self._hidden_state
            ),
            "n_decisions": self.n_decisions,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore everything."""
        self.networks.load_state_dict(state["networks"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generators.load_state_dict(state["generators"])
        self._hidden_state = load_hidden_rows(
            self.networks.encoder.traj_encoder, state["memory"], self.spec.device
        )
        self.n_decisions = state["n_decisions"]

    def acting_state(self) -> dict[str, Any]:
        """Copy encoder and actor, and how many decisions have explored."""
        return self.networks.acting_state() | {"n_decisions": self.n_decisions}

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore encoder and actor."""
        self.networks.load_acting_state(state)
        self.n_decisions = state["n_decisions"]

    def _loss(self, batch: TrajectoryBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Add up all losses; the statistics of values follow on the way."""
        config, networks = self._config, self.networks
        values, decisions = networks.values, self._decisions(batch)
        features = networks.encoder(_steps(batch))  # (B, T+1, D)
        state, following = features[:, :-1], features[:, 1:].detach()
        target = td_targets(
            values,
            following,
            networks.target_actor(following),
            decisions,
            self._gammas,
            self._believed_critics(),
            config.td_lambda,
        )
        counted = decisions.is_valid[:, :, None, None, None].expand_as(target)
        values.popart.update_stats(target, counted)
        taken = decisions.taken(len(self._gammas))
        critic_loss = decisions.mean(values.loss(state, taken, target))
        policy = networks.actor(state)
        undecided = decisions.mean(entropy(policy, self._scaling is None))
        actor_loss = -config.entropy_coeff * undecided
        metrics = {"entropy": undecided, "critic_loss": critic_loss}
        if config.online_coeff > 0.0:
            online = decisions.mean(online_loss(values, state, policy))
            actor_loss = actor_loss + config.online_coeff * online
            metrics["online_loss"] = online
        if config.offline_coeff > 0.0:
            cloning, weight = cloning_loss(values, state, policy, decisions, config)
            actor_loss = actor_loss + config.offline_coeff * decisions.mean(cloning)
            metrics["cloning_loss"] = decisions.mean(cloning)
            metrics["cloning_weight"] = decisions.mean(weight)
        acted = target[:, :, 0, config.acted_gamma, 0]
        metrics["target"] = decisions.mean(acted)
        return config.critic_coeff * critic_loss + actor_loss, metrics

    def _decisions(self, batch: TrajectoryBatch) -> Decisions:
        action = batch.act
        if self._scaling is not None:
            action = self._scaling.to_unit(action)
        return Decisions(
            action,
            batch.rew.float(),
            batch.terminated.float(),
            batch.n_env_steps,
            batch.validity_mask.float(),
        )

    def _believed_critics(self) -> Tensor:
        """Draw the critics that bootstrap, (n,) int64."""
        config, device = self._config, self.spec.device
        if config.n_target_critics == config.n_critics:
            return torch.arange(config.n_critics, device=device)
        drawn = torch.randperm(config.n_critics, device=device)
        return drawn[: config.n_target_critics]

    def _best(self, policy: Distribution) -> Tensor:
        """Take the likeliest choice, one-hot, or the mean action, (B, A)."""
        gamma = self._config.acted_gamma
        if isinstance(policy, Categorical):
            return self._one_hot(policy.probs[:, 0, gamma].argmax(-1))
        return policy.mean[:, 0, gamma]

    def _explored(self, policy: Distribution) -> Tensor:
        """Draw from the policy and disturb that, one-hot or about the unit box, (B, A)."""
        drawn = policy.sample()[:, 0, self._config.acted_gamma]
        noise = self._exploration(self.n_decisions)
        if self._scaling is not None:
            return drawn + noise * torch.randn_like(drawn)
        index = drawn.squeeze(-1)
        anything = torch.randint_like(index, self._n_actions)
        is_random = torch.rand(index.shape, device=index.device) < noise
        return self._one_hot(torch.where(is_random, anything, index))

    def _one_hot(self, index: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(index, self._n_actions).float()

    def _in_space(self, action: Tensor) -> Tensor:
        """Bring decisions from the unit box to the units of the space."""
        return action if self._scaling is None else self._scaling.from_unit(action)


def _steps(batch: TrajectoryBatch) -> Steps:
    """Read what an encoder is shown of the stretches, the last successor included."""
    window = batch.window
    if window is None:
        raise ConfigurationError(
            "a sequence actor-critic learns from sequences with windows: sample them with "
            "its own method, or with max_seq_len"
        )
    length = batch.rew.shape[1] + 1
    time = torch.arange(length, device=batch.rew.device)
    return Steps(
        batch.obs,
        window.stretch(window.prev_actions, length),
        window.stretch(window.prev_rewards, length),
        window.stretch(window.time_idxs, length),
        time <= batch.traj_len.unsqueeze(1),
    )
