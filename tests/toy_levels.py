"""Levels, planners and encoders that do exactly what tests expect of them."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from layeredrl.levels import (
    Exploration,
    LearningSchedule,
    Level,
    PlannerLevel,
    RunningLevel,
)
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import Encoder, IdentityEncoder, ProbFCDynamics, ReachedRewardNet
from layeredrl.optimizers import CategoricalCEM, CategoricalCEMConfig, ICEMConfig
from layeredrl.planners import CEMPlanner, OptimizerPlanner, Planner, PlannerConfig
from layeredrl.predictors import PredictorFactory, RewardPredictor
from layeredrl.types import Plan, PlanInfo
from layeredrl.utils.spaces import action_dim

# A level that counts


@dataclass(frozen=True)
class Counter(Level):
    """Decides by counting its decisions of an episode, and notes all it is told."""

    n_decisions: int = 1
    """Decisions until control is handed back."""
    inputs: spaces.Space | None = None
    """What it takes from above."""
    scale: float = 1.0
    """The first decision of an episode is this, the second twice as much."""
    gamma: float = 1.0

    @property
    def control_interval(self):
        return self.n_decisions

    def input_space(self, action_space_below):
        return self.inputs

    def build(self, spec):
        return RunningCounter(spec, self)


class RunningCounter(RunningLevel):
    """A :class:`Counter` at work.

    Attributes:
        transitions: What it was told, by instance.
        decisions: (observation, input, action) of every decision, by instance.
    """

    def __init__(self, spec, recipe):
        super().__init__(spec)
        self._recipe = recipe
        self._count = np.zeros(spec.n_instances, int)
        self._since = np.zeros(spec.n_instances, int)
        self.transitions = [[] for _ in range(spec.n_instances)]
        self.decisions = [[] for _ in range(spec.n_instances)]

    @property
    def reward_gamma(self):
        return self._recipe.gamma

    def get_action(self, obs, level_input, instances):
        self._count[instances] += 1
        dim = action_dim(self.spec.action_space)
        if isinstance(self.spec.action_space, spaces.Discrete):
            action = np.eye(dim, dtype=np.float32)[self._count[instances] % dim]
        else:
            action = np.tile(
                self._recipe.scale * self._count[instances, None], (1, dim)
            ).astype(np.float32)
        for row, i in enumerate(instances):
            one = {k: v[row] for k, v in obs.items()} if isinstance(obs, dict) else None
            given = None if level_input is None else level_input[row].copy()
            seen = obs[row].copy() if one is None else one
            self.decisions[i].append((seen, given, action[row]))
        return action

    def process_transition(self, transition):
        self._since[transition.instances] += 1
        for row, i in enumerate(transition.instances):
            self.transitions[i].append(_row_of(transition, row))
        done = self._since[transition.instances] >= self._recipe.n_decisions
        self._since[transition.instances[done]] = 0
        return done

    def reset(self, instances):
        self._count[instances] = 0
        self._since[instances] = 0

    def state_dict(self):
        return {"count": self._count.copy(), "since": self._since.copy()}

    def load_state_dict(self, state):
        self._count = np.asarray(state["count"]).copy()
        self._since = np.asarray(state["since"]).copy()


def _row_of(transition, row):
    def pick(value):
        if isinstance(value, dict):
            return {key: pick(item) for key, item in value.items()}
        return None if value is None else value[row]

    return transition._make(pick(value) for value in transition)


# Planning that is quick, and planning that draws nothing


class Steady(Planner):
    """Decides by a fixed function of state, context and the plans of the episode so far.

    Draws no random numbers, so what differs between two runs was different before.
    """

    def __init__(self, predictor, action_space, n_instances, seed):
        dim = action_dim(action_space)
        generator = torch.Generator().manual_seed(7)
        n_inputs = predictor.latent_state_dim + predictor.context_dim
        self._weights = torch.randn(n_inputs, dim, generator=generator)
        self._space = action_space
        self._n_plans = np.zeros(n_instances, int)

    def plan(self, state, context, active):
        self._n_plans[active] += 1
        clock = torch.from_numpy(self._n_plans[active]).float()[:, None]
        mixed = torch.cat([state, context], -1) @ self._weights + 0.1 * clock
        if isinstance(self._space, spaces.Discrete):
            actions = nn.functional.one_hot(mixed.argmax(-1), mixed.shape[-1]).float()
        else:
            low, high = (
                torch.from_numpy(x) for x in (self._space.low, self._space.high)
            )
            actions = low + (high - low) * (0.5 + 0.5 * torch.sin(mixed))
        actions = actions[:, None]
        none = actions.new_zeros(len(actions))
        states = state[:, None].repeat(1, 2, 1)
        info = PlanInfo(
            actions, actions * 0, none, none, states, none[:, None], states[..., 0], 1
        )
        return Plan(actions, info)

    def reset(self, instances):
        self._n_plans[instances] = 0

    def state_dict(self):
        return {"n_plans": self._n_plans.copy()}

    def load_state_dict(self, state):
        self._n_plans = np.asarray(state["n_plans"]).copy()


QUICK_CEM = partial(
    CEMPlanner,
    config=PlannerConfig(horizon=3),
    search=ICEMConfig(n_candidates=8, n_iterations=2, elite_ratio=0.25),
)
QUICK_CHOICE = partial(
    OptimizerPlanner,
    partial_optimizer=partial(
        CategoricalCEM,
        config=CategoricalCEMConfig(n_candidates=8, n_iterations=2, elite_ratio=0.25),
    ),
    config=PlannerConfig(horizon=3),
)
SMALL_NET = partial(ProbFCDynamics, hidden_sizes=(8,))
SMALL_PREDICTOR = PredictorFactory(
    partial_model=partial(
        ProbabilisticEnsemble, partial_net=SMALL_NET, config=EnsembleConfig(n_modes=2)
    ),
    partial_val_func=None,
    partial_rew_func=partial(ReachedRewardNet, hidden_sizes=(8,)),
    partial_encoder=IdentityEncoder,
    partial_predictor=partial(RewardPredictor, learn_encoder=False),
)


def predictor_with(encoder, **kwargs: Any) -> PredictorFactory:
    """The small predictor with another encoder, and other arguments."""
    arguments = SMALL_PREDICTOR.constructor_arguments()
    arguments["partial_encoder"] = encoder
    learns = {"learn_encoder": False, **kwargs}
    arguments["partial_predictor"] = partial(RewardPredictor, **learns)
    return PredictorFactory(**arguments)


NO_EXPLORATION = Exploration(warm_up_env_steps=0)
QUICK_LEARNING = LearningSchedule(
    start_env_steps=20,
    interval_env_steps=15,
    updates_per_env_step=0.1,
    batch_size=8,
    model_batch_size=8,
)
BUSY_EXPLORATION = Exploration(
    warm_up_env_steps=30,
    random_probability=0.2,
    random_duration=2,
    hold=2,
    noise_std=0.1,
)


def planner_level(**changes: Any) -> PlannerLevel:
    """A planner level that learns and explores within a few steps."""
    level = PlannerLevel(
        predictor_factory=SMALL_PREDICTOR,
        partial_planner=QUICK_CEM,
        exploration=BUSY_EXPLORATION,
        learning=QUICK_LEARNING,
        buffer_size=1000,
    )
    return replace(level, **changes)


def steady_level(**changes: Any) -> PlannerLevel:
    """One that draws nothing: no exploration, and planning without random numbers."""
    settings: dict[str, Any] = {
        "partial_planner": Steady,
        "exploration": NO_EXPLORATION,
    }
    return planner_level(**{**settings, **changes})


# An encoder with memory


class Diary(Encoder):
    """Remembers a running sum over its episode, and counts what it was asked.

    The latent state is the observation and, for each instance, a sum over the episode of
    everything it was told, faded by half with every step.
    """

    FADING = 0.5

    def __init__(self, mapped_env_obs_shape, device="cpu"):
        super().__init__()
        self.latent_state_dim = mapped_env_obs_shape[0] + 1
        self.context_dim = 0
        self.max_seq_len = 8
        self.calls: list[dict[str, np.ndarray]] = []

    def forward(self, obs):
        memory = obs[..., :1] * 0 + obs.sum(-1, keepdim=True)
        return torch.cat([obs, memory], -1), obs[..., :0]

    def init_memory(self, n, device):
        return torch.zeros(n, 1, device=device)

    def reset_memory(self, memory, dones):
        memory = memory.clone()
        memory[torch.from_numpy(dones)] = 0.0
        return memory

    def gather_memory(self, memory, instances):
        return memory[torch.from_numpy(instances)]

    def scatter_memory(self, memory, instances, part):
        memory = memory.clone()
        memory[torch.from_numpy(instances)] = part
        return memory

    def memory_state(self, memory):
        return memory.clone()

    def load_memory_state(self, state, device):
        return state.clone().to(device)

    def step(self, obs, prev_action, prev_reward, time_idx, memory):
        self.calls.append(
            {
                "obs": obs.numpy().copy(),
                "prev_action": prev_action.numpy().copy(),
                "prev_reward": prev_reward.numpy().copy(),
                "time_idx": time_idx.numpy().copy(),
                "memory": memory.numpy().copy(),
            }
        )
        told = obs.sum(-1) + prev_action.sum(-1) + prev_reward + time_idx
        memory = self.FADING * memory + told[:, None]
        return torch.cat([obs, memory], -1), obs[..., :0], memory

    def sequence(self, obs, prev_actions, prev_rewards, time_idxs, mask):
        told = obs.sum(-1) + prev_actions.sum(-1) + prev_rewards + time_idxs
        sums, memory = [], torch.zeros_like(told[:, 0])
        for t in range(told.shape[1]):
            memory = self.FADING * memory + told[:, t]
            sums.append(memory)
        return torch.cat([obs, torch.stack(sums, 1)[..., None]], -1), obs[..., :0]


class Looks(Encoder):
    """The vector, and the mean brightness of the camera's picture."""

    def __init__(self, mapped_env_obs_shape, device="cpu"):
        super().__init__()
        assert len(mapped_env_obs_shape["camera"]) >= 2
        self.latent_state_dim = mapped_env_obs_shape["vector"][0] + 1
        self.context_dim = 0

    def forward(self, obs):
        picture, vector = obs["camera"].float() / 255, obs["vector"]
        brightness = picture.flatten(vector.dim() - 1).mean(-1, keepdim=True)
        state = torch.cat([vector, brightness], -1)
        return state, state[..., :0]
