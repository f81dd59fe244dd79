"""The contract of levels tells good ones from bad ones."""

from dataclasses import dataclass

import numpy as np
import pytest
from gymnasium import spaces

from layeredrl.errors import LayeredRLError
from layeredrl.utils.buffers import TransitionBuffer
from tests.levels import level_contract as contract
from tests.levels.level_contract import LevelCase
from tests.toy_levels import Counter, RunningCounter, steady_level

BOX = spaces.Box(-1.0, 100.0, (1,), np.float32)


class LosesItsCount(RunningCounter):
    def state_dict(self):
        return {"count": self._count * 0, "since": self._since.copy()}


class HandsOutItsCount(RunningCounter):
    def state_dict(self):
        return {"count": self._count, "since": self._since}


class CountsForAll(RunningCounter):
    def get_action(self, obs, level_input, instances):
        action = super().get_action(obs, level_input, instances)
        return action / len(instances)


class IgnoresTheOrder(RunningCounter):
    def get_action(self, obs, level_input, instances):
        return super().get_action(obs, level_input, np.sort(instances))


class NeverForgets(RunningCounter):
    def reset(self, instances):
        pass


class ForgetsAll(RunningCounter):
    def reset(self, instances):
        super().reset(np.arange(self.spec.n_instances))


class LeavesTheSpace(RunningCounter):
    def get_action(self, obs, level_input, instances):
        return super().get_action(obs, level_input, instances) + 100.0


class IsNotANumber(RunningCounter):
    def get_action(self, obs, level_input, instances):
        return super().get_action(obs, level_input, instances) * np.float32(np.nan)


class DrawsGlobally(RunningCounter):
    def get_action(self, obs, level_input, instances):
        action = super().get_action(obs, level_input, instances)
        return action + np.random.random(action.shape).astype(np.float32)


class LearnsAlways(RunningCounter):
    def learn(self, n_total_env_steps):
        return {"loss": 0.0}


class StoresAlways(RunningCounter):
    def process_transition(self, transition):
        self.n_seen = getattr(self, "n_seen", 0) + len(transition.instances)
        return super().process_transition(transition)

    def buffer_state(self):
        return {"n_seen": getattr(self, "n_seen", 0)} if self.spec.keeps_buffer else {}

    def load_buffer_state(self, state):
        self.n_seen = state["n_seen"]


class ActsByItsInstances(RunningCounter):
    def acting_state(self):
        return {"count": self._count.copy()}

    def load_acting_state(self, state):
        self._count[:] = state["count"]


class SharesWhatItLoads(RunningCounter):
    weights = np.ones(3)

    def acting_state(self):
        return {"weights": self.weights.copy()}

    def load_acting_state(self, state):
        self.weights = state["weights"]


class KeepsABufferForActing(RunningCounter):
    def __init__(self, spec, recipe):
        super().__init__(spec, recipe)
        self.buffer = TransitionBuffer(9, spec.n_instances, np.random.SeedSequence(0))

    def buffer_state(self):
        return self.buffer.state_dict()

    def load_buffer_state(self, state):
        self.buffer.load_state_dict(state)


class SaysNothingOfControl(RunningCounter):
    def process_transition(self, transition):
        return super().process_transition(transition).astype(float)


MISTAKES = {
    LosesItsCount: contract.check_loading_continues_exactly,
    HandsOutItsCount: contract.check_states_are_copies,
    CountsForAll: contract.check_grouping_does_not_matter,
    IgnoresTheOrder: contract.check_grouping_does_not_matter,
    NeverForgets: contract.check_reset_forgets_the_episode,
    ForgetsAll: contract.check_grouping_does_not_matter,
    LeavesTheSpace: contract.check_decisions_are_legal,
    IsNotANumber: contract.check_decisions_are_legal,
    DrawsGlobally: contract.check_seeds,
    LearnsAlways: contract.check_evaluation_changes_nothing,
    StoresAlways: contract.check_evaluation_changes_nothing,
    ActsByItsInstances: contract.check_acting_copy_of_another_size,
    SharesWhatItLoads: contract.check_states_are_copies,
    KeepsABufferForActing: contract.check_acting_copy_disturbs_nothing,
    SaysNothingOfControl: contract.check_decisions_are_legal,
}


def fails(check, case, tmp_path):
    with pytest.raises((AssertionError, LayeredRLError, ValueError)):
        check(case, tmp_path)


@pytest.mark.parametrize("running", MISTAKES, ids=lambda kind: kind.__name__)
def test_mistake_is_caught(running, tmp_path):
    @dataclass(frozen=True)
    class Recipe(Counter):
        def build(self, spec):
            return running(spec, self)

    fails(MISTAKES[running], LevelCase(Recipe, BOX), tmp_path)


def test_a_recipe_that_can_be_changed_is_caught(tmp_path):
    class Recipe(Counter):
        def __setattr__(self, name, value):
            object.__setattr__(self, name, value)

    fails(contract.check_recipe_is_immutable, LevelCase(Recipe, BOX), tmp_path)


def test_levels_that_share_memory_through_their_recipe_are_caught(tmp_path):
    class Running(RunningCounter):
        def __init__(self, spec, recipe):
            super().__init__(spec, recipe)
            self.shared = SHARED

    @dataclass(frozen=True)
    class Recipe(Counter):
        def build(self, spec):
            return Running(spec, self)

    fails(contract.check_recipe_is_immutable, LevelCase(Recipe, BOX), tmp_path)


SHARED = np.ones(3)


def test_the_contracts_steps_are_enough_for_learning_and_exploration():
    case = LevelCase(steady_level, BOX)
    level = contract.build(case)
    learned = [step["learned"] for step in contract.World(case).drive(level)]
    assert sum(map(bool, learned)) >= 2 and not all(map(bool, learned))
    assert level.n_updates > 3


def test_memory_is_found_wherever_a_planner_level_keeps_it():
    case = LevelCase(steady_level, BOX)
    level = contract.build(case)
    contract.World(case).drive(level)
    predictor = level.predictor
    for part in (predictor.model, predictor.rew_func, level.buffer, [level._memory]):
        assert contract.shared_memory(level, part)
    assert not contract.shared_memory(level, np.ones(3))
