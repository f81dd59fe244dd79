"""Policy levels whose learner only takes notes, and lives for them to live."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from layeredrl.learners import Learner, LearnerConfig
from layeredrl.levels import Exploration, LearningSchedule, PolicyLevel
from layeredrl.objectives import EnvironmentReward, GoalReaching
from layeredrl.utils.spaces import action_dim
from tests.levels.building import build, transition

BOX = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32))
N = 3
ALL = np.arange(N)
GOALS = GoalReaching(
    spaces.Box(-1.0, 1.0, (2,)), achieved=(2, 0), radius=0.5, hindsight_ratio=0.0
)
SKILLS = EnvironmentReward(spaces.Discrete(4))
EAGER = LearningSchedule(
    start_env_steps=0, interval_env_steps=1, updates_per_env_step=1.0, batch_size=50
)


@dataclass(frozen=True)
class Notes(LearnerConfig):
    """Notes what it is told, and always decides the same."""

    n_steps: int = 1
    is_on_policy: bool = False
    learns_from_whole: bool = False
    gamma: float = 0.9
    metrics: tuple[dict[str, float], ...] = ({},)
    """What updates report, in turns."""

    def build(self, spec):
        return Notebook(spec, self)


class Notebook(Learner):
    """Learns nothing; what it was told can be looked at."""

    def __init__(self, spec, config):
        super().__init__(spec)
        self.gamma, self.n_steps = config.gamma, config.n_steps
        self.is_on_policy = config.is_on_policy
        self.learns_from_whole = config.learns_from_whole
        self.decision = torch.full((action_dim(spec.action_space),), 0.25)
        self._metrics = config.metrics
        self.situations: list[Any] = []
        self.batches: list[Any] = []
        self.resets: list[list[int]] = []

    def act(self, situation, explore):
        self.situations.append((situation, explore))
        return self.decision.expand(len(situation.instances), -1)

    def update(self, batch):
        self.batches.append(batch)
        said = self._metrics[(len(self.batches) - 1) % len(self._metrics)]
        return {name: torch.tensor(value) for name, value in said.items()}

    def reset(self, instances):
        self.resets.append(instances.tolist())

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass

    acting_state, load_acting_state = state_dict, load_state_dict


def policy_level(recipe=Notes(), n_instances=N, **options):
    settings = {
        "exploration": Exploration(warm_up_env_steps=0),
        "learning": EAGER,
        "buffer_size": 300,
    }
    spec = {"input_space": None} if "objective" not in options else {}
    made = PolicyLevel(recipe, **{**settings, **options})
    return build(made, BOX, n_instances, **spec)


def step(running, level_input=None, instances=ALL, obs=0.0, next_obs=0.0, **fields):
    """One decision and what became of it; returns who hands control back."""
    instances = np.asarray(instances)
    n = len(instances)
    obs, next_obs = (
        np.broadcast_to(np.asarray(x, np.float32), (n, 3)).copy()
        for x in (obs, next_obs)
    )
    if level_input is not None:
        level_input = np.broadcast_to(np.asarray(level_input, np.float32), (n, 2))
    action = running.get_action(obs, level_input, instances)
    told = {"level_input": level_input, "action": action, **fields}
    return running.process_transition(
        transition(instances, obs=obs, next_obs=next_obs, **told)
    ).tolist()


def stored(running, key, instance=0):
    ring = running.buffer.buffers[instance]
    rows = ring[ring.sample_indices(0)]
    return rows[key] if key in rows.get_keys() else rows.info[key]


def lived(running, n_steps, seed=0, instances=None):
    """Decisions with rewards that number them, and ends of episodes."""
    rng = np.random.default_rng(seed)
    for i in range(n_steps):
        rows = rng.permutation(N)[:2] if instances is None else instances
        obs = rng.normal(size=(len(rows), 3))
        number = 1000 * rows + stored_count(running)[rows] + 1
        goal = np.full(2, 0.01 * (i + 1))
        given = goal if running.spec.input_space is not None else None
        over = rng.random(len(rows)) < 0.2
        fields = {"reward": number.astype(float), "terminated": over}
        step(running, given, instances=rows, obs=obs, next_obs=obs + 0.1, **fields)
        if over.any():
            running.reset(rows[over])
    return running


def stored_count(running):
    return running.buffer.n_added
