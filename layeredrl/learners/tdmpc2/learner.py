"""TD-MPC2 at work."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from layeredrl.errors import SpaceError
from layeredrl.learners.action_scaling import ActionScaling
from layeredrl.learners.learner import Learner, LearnerSpec, Situation
from layeredrl.learners.tdmpc2.losses import (
    ModelLosses,
    imagine,
    model_losses,
    policy_values,
    td_targets,
)
from layeredrl.learners.tdmpc2.planner import LatentPlanner
from layeredrl.learners.tdmpc2.running_scale import RunningScale
from layeredrl.learners.tdmpc2.sizes import MODEL_SIZES
from layeredrl.learners.tdmpc2.stretches import Stretches, read_stretches
from layeredrl.learners.tdmpc2.two_hot import TwoHot
from layeredrl.learners.tdmpc2.world_model import WorldModel
from layeredrl.nets.observation_parts import vector_part
from layeredrl.predictors.grouped_adam import GroupedAdam
from layeredrl.predictors.trajectory_batch import TrajectoryBatch
from layeredrl.utils.schedules import ConstantSchedule
from layeredrl.utils.seeding import (
    seeded_initialization,
    set_torch_generator_state,
    spawn,
    torch_generator,
)
from layeredrl.utils.spaces import action_dim

if TYPE_CHECKING:
    from layeredrl.learners.tdmpc2.config import TDMPC2Config


class TDMPC2Learner(Learner):
    """Learns a latent world model, values and a policy, and plans with all three.

    Hansen et al. 2024, TD-MPC2 (arXiv 2310.16828). The features that say what to do are
    neither encoded nor predicted: all networks but the encoder take them as they are, and
    in what is imagined while planning they stay.
    """

    def __init__(self, spec: LearnerSpec, config: "TDMPC2Config"):
        """Build networks, optimizers and planner.

        Args:
            spec: Where it learns.
            config: Its numbers.

        Raises:
            SpaceError: If there are images or nothing to see, or actions are not bounded.
        """
        super().__init__(spec)
        self.gamma, self.n_steps = config.gamma, config.horizon
        self._config = config
        self._scaling = ActionScaling(spec.action_space, spec.device)
        self._action_dim = action_dim(spec.action_space)
        self._obs_split = [_seen_features(spec), spec.n_condition]
        weights_seed, draws_seed = spawn(spec.seed, 2)
        with seeded_initialization(weights_seed):
            self._model = self._build_model(self._obs_split[0]).to(spec.device)
        self._generator = torch_generator(draws_seed, spec.device)
        self._target_values = copy.deepcopy(self._model.values).requires_grad_(False)
        self._scale = RunningScale(config.tau).to(spec.device)
        parts = {name: list(x.parameters()) for name, x in self._model.named_children()}
        self._policy_adam = self._build_adam({"policy": parts.pop("policy")})
        encoder = parts.pop("encode")
        others = [parameter for part in parts.values() for parameter in part]
        self._model_adam = self._build_adam({"encoder": encoder, "others": others})
        self._planner = LatentPlanner(
            self._model, config, self._action_dim, spec.n_instances, spec.device
        )

    @torch.no_grad()
    def act(self, situation: Situation, explore: bool) -> Tensor:
        """Plan, or let the policy act."""
        obs, condition = vector_part(situation.obs).split(self._obs_split, dim=-1)
        state = self._model.encode(obs)
        generator = self._generator if explore else None
        acts_alone = explore and not self._config.plans_while_exploring
        if self._config.use_policy or acts_alone:
            action = self._policy_action(torch.cat([state, condition], -1), generator)
        else:
            action = self._planner.plan(
                state, condition, situation.instances, generator
            )
        return self._scaling.from_unit(action)

    def reset(self, instances: np.ndarray) -> None:
        """Forget where their searches would start."""
        self._planner.reset(instances)

    def update(self, batch: TrajectoryBatch) -> dict[str, Tensor]:
        """Improve world model and values, then the policy; let the targets follow."""
        config, model = self._config, self._model
        stretches = read_stretches(
            batch, self.spec.n_condition, self._scaling, config.gamma, config.rho
        )
        with torch.no_grad():
            next_state = model.encode(stretches.obs[:, 1:])
        targets = td_targets(
            model, self._target_values, stretches, next_state, self._generator
        )
        imagined = imagine(model, stretches)
        losses = model_losses(model, stretches, imagined, next_state, targets)
        norm = self._model_adam.step(self._total(losses))
        metrics = self._improve_policy(imagined[0], stretches)
        self._follow(stretches)
        metrics |= {f"{name}_loss": x.detach() for name, x in losses._asdict().items()}
        return metrics | {"grad_norm": norm, "target": stretches.mean(targets)}

    def state_dict(self) -> dict[str, Any]:
        """Copy networks, averages, optimizers, generator and plans."""
        return {
            "model": _copied(self._model),
            "target_values": _copied(self._target_values),
            "scale": _copied(self._scale),
            "model_adam": self._model_adam.state_dict(),
            "policy_adam": self._policy_adam.state_dict(),
            "generator": self._generator.get_state(),
            "planner": self._planner.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore all of them."""
        self._model.load_state_dict(state["model"])
        self._target_values.load_state_dict(state["target_values"])
        self._scale.load_state_dict(state["scale"])
        self._model_adam.load_state_dict(state["model_adam"])
        self._policy_adam.load_state_dict(state["policy_adam"])
        set_torch_generator_state(self._generator, state["generator"])
        self._planner.load_state_dict(state["planner"])

    def acting_state(self) -> dict[str, Any]:
        """Copy the networks; target values and averages do not act."""
        return {"model": _copied(self._model)}

    def load_acting_state(self, state: dict[str, Any]) -> None:
        """Restore the networks."""
        self._model.load_state_dict(state["model"])

    def _build_model(self, obs_dim: int) -> WorldModel:
        config, spec = self._config, self.spec
        return WorldModel(
            obs_dim,
            spec.n_condition,
            self._action_dim,
            MODEL_SIZES[config.model_size],
            TwoHot(config.n_bins, config.vmin, config.vmax),
            config.episodic,
            config.gamma,
        )

    def _build_adam(self, groups: dict[str, list[nn.Parameter]]) -> GroupedAdam:
        config = self._config
        rates = dict.fromkeys(groups, ConstantSchedule(config.learning_rate))
        if "encoder" in groups:
            rate = config.encoder_lr_scale * config.learning_rate
            rates["encoder"] = ConstantSchedule(rate)
        return GroupedAdam(groups, rates, config.clip_grad_max_norm)

    def _policy_action(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if generator is None:
            return self._model.policy.best(x)
        noise = torch.empty(len(x), self._action_dim, device=x.device)
        noise.normal_(generator=generator)
        return self._model.policy.perturbed(x, noise, self._config.min_std)

    def _total(self, losses: ModelLosses) -> Tensor:
        config = self._config
        return (
            config.consistency_coef * losses.consistency
            + config.reward_coef * losses.reward
            + config.value_coef * losses.value
            + config.termination_coef * losses.termination
        )

    def _improve_policy(
        self, inputs: Tensor, stretches: Stretches
    ) -> dict[str, Tensor]:
        model = self._model
        # Their gradients would be thrown away.
        model.values.requires_grad_(False)
        value, entropy = policy_values(model, inputs, self._action_dim, self._generator)
        self._scale.update(value[:, 0].detach())
        objective = value / self._scale.value + self._config.entropy_coef * entropy
        loss = -stretches.mean(objective)
        self._policy_adam.step(loss)
        model.values.requires_grad_(True)
        return {
            "policy_loss": loss.detach(),
            "entropy": stretches.mean(entropy.detach()),
            "value": stretches.mean(value.detach()),
            "value_scale": self._scale.value.clone(),
        }

    @torch.no_grad()
    def _follow(self, stretches: Stretches) -> None:
        targets = tuple(self._target_values.parameters())
        sources = tuple(self._model.values.parameters())
        torch._foreach_lerp_(targets, sources, self._config.tau)
        discount = stretches.mean(stretches.discount)
        self._model.discount.lerp_(discount, self._config.tau)


def _seen_features(spec: LearnerSpec) -> int:
    """Count the features of an observation that do not say what to do."""
    n_features = spec.vector_dim()
    n_seen = n_features - spec.n_condition
    if n_seen < 1:
        raise SpaceError(
            "TD-MPC2 must see something beside what it is asked to do, got "
            f"{n_features} features of which {spec.n_condition} say that"
        )
    return n_seen


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: x.detach().clone() for name, x in module.state_dict().items()}
