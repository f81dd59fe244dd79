"""One stream of transitions per instance, whatever the environment's way of resetting."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from layeredrl.collectors import EnvStepper
from layeredrl.envs import Maze2DEnv, Maze2DVectorEnv
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import RandomLevel
from layeredrl.utils.spaces import VECTOR_KEY, ObservationLayout
from tests.same import assert_same
from tests.toy_envs import KINDS, MODES, Line, Spaces, lines

N = 3


def streams(env, n_steps=40, seed=5):
    """What each instance goes through, step by step; actions depend on what it sees."""
    layout = ObservationLayout.of(env.single_observation_space)
    stepper = EnvStepper(env)
    stepper.reset(seed)
    told = [[] for _ in range(env.num_envs)]
    for _ in range(n_steps):
        before = layout.flatten(stepper.obs, env.num_envs)
        vector = before[VECTOR_KEY] if isinstance(before, dict) else before
        dim = env.single_action_space.shape[0]
        mixed = vector @ np.random.default_rng(0).normal(size=(vector.shape[1], dim))
        step = stepper.step(np.sin(mixed).astype(np.float32))
        after = layout.flatten(step.next_obs, env.num_envs)
        for i in np.flatnonzero(step.taken):
            told[i].append(
                {
                    "obs": row(before, i),
                    "reward": float(step.reward[i]),
                    "next_obs": row(after, i),
                    "terminated": bool(step.terminated[i]),
                    "truncated": bool(step.truncated[i]),
                    "success": None if step.success is None else bool(step.success[i]),
                }
            )
    env.close()
    return told


def row(obs, i):
    return {k: v[i] for k, v in obs.items()} if isinstance(obs, dict) else obs[i].copy()


def same_streams(told, n_least=30):
    """Streams agree as far as the shortest goes; resets may cost some a few steps."""
    reference = told[0]
    for other in told[1:]:
        for one, two in zip(reference, other, strict=True):
            n = min(len(one), len(two))
            assert n >= n_least
            assert_same(one[:n], two[:n])


@pytest.mark.parametrize("reports", ["always", "never", "when reached"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_modes_give_the_same_transitions(kind, reports):
    told = [
        streams(lines(N, mode, kind=kind, reports=reports, copy=copy))
        for mode in MODES
        for copy in (True, False)
    ]
    if reports == "when reached":  # who says nothing may be told False or nothing
        for stream in told:
            for instance in stream:
                for step in instance:
                    step["success"] = bool(step["success"])
    same_streams(told, n_least=29)
    ends = [s["terminated"] + 2 * s["truncated"] for s in told[0][0]]
    assert ends.count(1) > 1 and ends.count(2) > 1 and 3 not in ends


@pytest.mark.parametrize("mode", MODES)
def test_no_transition_crosses_a_reset_and_success_is_that_of_the_end(mode):
    for stream in streams(lines(N, mode)):
        time, episode = 0, 0
        for step in stream:
            assert step["obs"][2] == time and step["next_obs"][2] == time + 1
            assert step["obs"][0] == step["next_obs"][0] == episode
            assert step["success"] == step["truncated"]
            is_over = step["terminated"] or step["truncated"]
            time, episode = (0, episode + 1) if is_over else (time + 1, episode)
        assert episode > 5


@pytest.mark.parametrize("mode", MODES)
def test_steps_that_are_not_taken_reach_no_environment(mode):
    env = lines(N, mode)
    stepper = EnvStepper(env)
    stepper.reset(0)
    taken = [stepper.step(np.zeros((N, 1), np.float32)).taken.copy() for _ in range(20)]
    counts = [len(instance.actions) for instance in env.envs]
    assert np.sum(taken, axis=0).tolist() == counts
    assert np.all(taken) == (mode != "NextStep")


def test_what_an_environment_says_of_a_step_that_was_not_taken_does_not_count():
    class Repeats(SyncVectorEnv):
        """Says once more at the reset how the last episode ended."""

        said = np.zeros((2, N), bool)

        def step(self, actions):
            obs, reward, *ends, info = super().step(actions)
            said, self.said = self.said, np.array(ends)
            return obs, reward + 100 * said.any(0), *(ends | said), info

    told = [
        streams(make([Line] * N, autoreset_mode=AutoresetMode.NEXT_STEP))
        for make in (SyncVectorEnv, Repeats)
    ]
    assert_same(*told)


@pytest.mark.parametrize("mode", MODES)
def test_what_was_returned_stays_as_it_is(mode):
    stepper = EnvStepper(lines(N, mode, copy=False))
    stepper.reset(0)
    kept = []
    for _ in range(12):
        obs, copied = stepper.obs, stepper.obs.copy()
        step = stepper.step(np.ones((N, 1), np.float32))
        kept.append((obs, copied))
        kept.append((step.next_obs, step.next_obs.copy()))
        kept.append((step.taken, step.taken.copy()))
    for now, then in kept:
        np.testing.assert_array_equal(now, then)


SHORT_MAZE = {"maze_map": ["0000", "0110"], "terminate_on_success": True}


def test_mazes_native_and_not_give_the_same_transitions_in_all_modes():
    def single():
        return TimeLimit(Maze2DEnv(**SHORT_MAZE), 12)

    native = [
        Maze2DVectorEnv(N, max_episode_steps=12, autoreset_mode=mode, **SHORT_MAZE)
        for mode in MODES
    ]
    sync = [SyncVectorEnv([single] * N, autoreset_mode=AutoresetMode(m)) for m in MODES]
    told = [streams(env, 150) for env in (*native, *sync)]
    same_streams(told, n_least=130)
    flags = [(s["terminated"], s["truncated"]) for s in told[0][1]]
    assert flags.count((False, True)) > 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_processes_give_the_same_transitions(kind):
    told = [streams(lines(N, mode, kind=kind, vector=AsyncVectorEnv)) for mode in MODES]
    same_streams([streams(lines(N, kind=kind)), *told], n_least=29)


@pytest.mark.slow
def test_a_robot_arm_gives_the_same_transitions_in_all_modes():
    robotics = pytest.importorskip("gymnasium_robotics")
    gym.register_envs(robotics)
    told = []
    for mode in MODES:
        env = gym.make_vec(
            "FetchReach-v4",
            2,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode(mode)},
            max_episode_steps=10,
        )
        told.append(streams(env, 45))
    same_streams(told, n_least=40)
    assert sum(s["truncated"] for s in told[0][0]) >= 3


def test_wrappers_around_the_vector_environment_do_no_harm():
    same_streams([streams(lines(N)), streams(RecordEpisodeStatistics(lines(N)))])


# What is refused


@pytest.mark.parametrize("env", [Line(), None, "Maze2D-Open-v0"])
def test_what_is_no_vector_environment_is_refused(env):
    with pytest.raises(ConfigurationError, match="expected a vector environment"):
        EnvStepper(env)


@pytest.mark.parametrize("metadata", [{}, {"autoreset_mode": "sometimes"}])
def test_an_environment_that_does_not_say_how_it_resets_is_refused(metadata):
    env = Spaces()
    env.metadata = metadata
    with pytest.raises(ConfigurationError, match="does not say how it resets"):
        EnvStepper(env)


def test_an_environment_that_keeps_its_final_observations_is_refused():
    class Silent(SyncVectorEnv):
        def step(self, actions):
            *rest, info = super().step(actions)
            info.pop("final_obs", None)
            return *rest, info

    env = Silent([Line] * N, autoreset_mode=AutoresetMode.SAME_STEP)
    stepper = EnvStepper(env)
    stepper.reset(0)
    with pytest.raises(ConfigurationError, match="needs 'final_obs'"):
        for _ in range(10):
            stepper.step(np.zeros((N, 1), np.float32))


def test_a_hierarchy_of_another_size_is_refused():
    hierarchy = Hierarchy([RandomLevel()], lines(2))
    with pytest.raises(ConfigurationError, match="built for 2 instances.*has 3"):
        EnvStepper(lines(3), hierarchy)
