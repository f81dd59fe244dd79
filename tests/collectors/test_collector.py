import json

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from layeredrl.collectors import Collector, MetricsLog, evaluate
from layeredrl.envs import Maze2DVectorEnv
from layeredrl.errors import ConfigurationError, ObservationError, SpaceError
from layeredrl.hierarchies import Hierarchy
from layeredrl.levels import ActionSequenceLevel, LearningSchedule, RandomLevel
from tests.hierarchies.acting import everything
from tests.same import assert_same, is_same
from tests.toy_envs import KINDS, MODES, Line, Spaces, lines
from tests.toy_levels import Counter, RunningCounter, planner_level, steady_level

N = 3
NEVER = LearningSchedule(updates_per_env_step=0)


LOGS: list[MetricsLog] = []


@pytest.fixture(autouse=True)
def closed_logs():
    yield
    while LOGS:
        LOGS.pop().close()


class Run:
    """A hierarchy, its collector, and the metrics that were written."""

    def __init__(
        self, folder=None, levels=None, env=None, test_env=None, seed=0, **kwargs
    ):
        env = env or lines(N)
        self.path = None if folder is None else folder / "metrics.jsonl"
        self.hierarchy = Hierarchy(levels or [planner_level()], env, seed=seed)
        self.log = MetricsLog(self.path)
        LOGS.append(self.log)
        self.collector = Collector(
            self.hierarchy, env, test_env, metrics_log=self.log, **kwargs
        )
        self.collector.reset(seed)

    def collect(self, n_steps=120, log_interval=25, show_progress=False, **kwargs):
        return self.collector.collect(
            n_steps, log_interval=log_interval, show_progress=show_progress, **kwargs
        )

    def lines(self, prefix=""):
        """Metrics as written, without those that tell the time."""
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        timeless = [
            {k: v for k, v in line.items() if k != "wall_s" and "time/" not in k}
            for line in lines
        ]
        return [line for line in timeless if any(prefix in key for key in line)]


@pytest.fixture
def folders(tmp_path):
    def make(name):
        (tmp_path / name).mkdir()
        return tmp_path / name

    return make


# The same transitions in every mode


def rings(hierarchy):
    """What is stored of each instance, oldest first."""
    buffer = hierarchy.levels[0].buffer
    keys = ("obs", "act", "rew", "terminated", "truncated", "obs_next", "info")
    stored = []
    for ring in buffer.buffers:
        rows = ring[ring.sample_indices(0)]
        stored.append([{key: plain(row[key]) for key in keys} for row in rows])
    return stored


def plain(value):
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return np.asarray(value).copy()


def same_rings(hierarchies, n_least):
    reference = rings(hierarchies[0])
    for other in hierarchies[1:]:
        for one, two in zip(reference, rings(other), strict=True):
            n = min(len(one), len(two))
            assert n >= n_least
            assert_same(one[:n], two[:n])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_levels", [1, 2])
def test_all_modes_fill_the_buffer_with_the_same_transitions(kind, n_levels):
    maps = [["state"] if kind == "image" else None, None]
    levels = [steady_level(learning=NEVER), ActionSequenceLevel(2)][:n_levels]
    hierarchies = []
    for mode in MODES:
        env = lines(N, mode, kind=kind, copy=mode == "SameStep")
        hierarchy = Hierarchy(levels, env, maps[:n_levels])
        collector = Collector(hierarchy, env)
        collector.reset(4)
        collector.collect(150, show_progress=False)
        hierarchies.append(hierarchy)
    same_rings(hierarchies, n_least=45 // n_levels)


@pytest.mark.parametrize("terminate", [False, True])
def test_all_modes_fill_the_buffer_with_the_same_mazes(terminate):
    maze = {"maze_map": ["0000", "0110"], "terminate_on_success": terminate}
    hierarchies = []
    for mode in MODES:
        env = Maze2DVectorEnv(N, max_episode_steps=9, autoreset_mode=mode, **maze)
        run = Run(levels=[steady_level(learning=NEVER)], env=env)
        run.collect(300)
        hierarchies.append(run.hierarchy)
    same_rings(hierarchies, n_least=80)
    for ring in rings(hierarchies[0]):
        assert sum(bool(row["truncated"]) for row in ring) > 5


@pytest.mark.parametrize("mode", MODES)
def test_counts_the_steps_that_were_taken_and_no_others(mode):
    env = lines(N, mode)
    run = Run(levels=[RandomLevel()], env=env)
    for n_steps in (50, 1, 7):
        before = run.collector.n_env_steps
        summary = run.collect(n_steps)
        assert n_steps <= run.collector.n_env_steps - before < n_steps + N
        assert summary["env_steps"] == run.collector.n_env_steps
    taken = sum(len(instance.actions) for instance in env.envs)
    assert run.collector.n_env_steps == run.hierarchy.n_env_steps == taken
    begun = sum(instance._episode + 1 for instance in env.envs)
    assert begun - N <= run.collector.n_episodes <= begun


# Runs that are the same


def same_runs(one, other, prefix=""):
    assert_same(everything(one.hierarchy), everything(other.hierarchy))
    assert_same(one.lines(prefix), other.lines(prefix))


def test_the_same_seed_is_the_same_run_and_global_generators_do_not_matter(folders):
    runs = []
    for name, seed, global_seed in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        run = Run(folders(name), seed=seed, test_env=lines(2))
        run.collect(test_interval=60, n_test_episodes=2)
        run.hierarchy.save(run.path.parent / "hierarchy.pt")
        assert_same(before, (torch.get_rng_state(), np.random.get_state()[1]))
        runs.append(run)
    same_runs(runs[0], runs[1])
    states = [everything(run.hierarchy)[1] for run in runs]
    assert not is_same(states[0], states[2])
    assert not is_same(runs[0].lines(), runs[2].lines())


def test_tests_disturb_nothing(folders):
    with_tests = Run(folders("with"), test_env=lines(2, "SameStep"))
    without = Run(folders("without"))
    with_tests.collect(test_interval=10, n_test_episodes=3)
    without.collect()
    same_runs(with_tests, without, "train/")
    assert len(with_tests.lines("test/")) == 12 and not without.lines("test/")


def test_collecting_goes_on_where_it_stopped(folders):
    whole, parts = Run(folders("whole")), Run(folders("parts"))
    whole.collect(120)
    goals = [30, 31, 61, 90, 120]
    for goal in goals:
        remaining = goal - parts.collector.n_env_steps
        if remaining > 0:
            parts.collect(remaining)
    assert whole.collector.n_env_steps == parts.collector.n_env_steps
    same_runs(whole, parts)
    assert any("level0/n_updates" in line for line in whole.lines())


def test_an_interrupt_stops_between_steps_and_can_be_made_up_for(folders):
    levels = [planner_level(), Interrupted(inputs=Line().action_space)]
    run = Run(folders("interrupted"), levels)
    run.hierarchy.levels[1].calls_left = 10
    with pytest.raises(KeyboardInterrupt):
        run.collect()
    assert 0 < run.collector.n_env_steps == run.hierarchy.n_env_steps < 120
    run.collect(120 - run.collector.n_env_steps)
    whole = Run(folders("whole"), levels)
    whole.collect()
    assert_same(everything(run.hierarchy)[2], everything(whole.hierarchy)[2])


class Interrupted(Counter):
    def build(self, spec):
        return RunningInterrupted(spec, self)


class RunningInterrupted(RunningCounter):
    """Passes on what it is asked to do, and is interrupted once."""

    calls_left = 10**9

    def get_action(self, obs, level_input, instances):
        self.calls_left -= 1
        if self.calls_left == 0:
            raise KeyboardInterrupt
        return level_input


def test_without_a_reset_it_begins_with_seed_0():
    runs = [Run(levels=[RandomLevel()]) for _ in "ab"]
    runs[1].collector._is_reset = False
    for run in runs:
        run.collect(30)
    assert_same(*(everything(run.hierarchy) for run in runs))


def test_a_second_reset_begins_episodes_that_are_not_stitched_to_the_last():
    run = Run(levels=[steady_level(learning=NEVER)], env=lines(N, lengths=(50, 51)))
    run.collect(12)
    run.collector.reset(1)
    run.collect(12)
    for ring in rings(run.hierarchy):
        assert [bool(row["truncated"]) for row in ring] == [0, 0, 0, 1, 0, 0, 0, 0]
        assert [row["obs"][2] for row in ring] == [0, 1, 2, 3] * 2


def test_collecting_without_learning_stores_and_changes_no_weights():
    run = Run()
    before = run.hierarchy.acting_state()["levels"][0]["predictor"]
    run.collect(learn=False)
    level = run.hierarchy.levels[0]
    assert level.n_updates == 0 and len(level.buffer) == 120
    after = run.hierarchy.acting_state()["levels"][0]["predictor"]
    assert_same(before, after)


def test_collecting_trains_whatever_was_before():
    run = Run()
    run.hierarchy.eval()
    run.collect(30)
    assert run.hierarchy.is_training and len(run.hierarchy.levels[0].buffer) > 25


# Tests


def test_tests_play_the_same_held_out_episodes_with_a_copy():
    run = Run(levels=[RandomLevel()], test_env=lines(2))
    run.collect(30)
    before = everything(run.hierarchy)
    first = run.collector.test(9)
    assert_same(before, everything(run.hierarchy))
    run.collect(30)
    second = run.collector.test(9)
    assert first == second and first["test/episodes"] == 9
    other = Run(levels=[RandomLevel()], test_env=lines(2), seed=1)
    assert other.collector.test(9) != first


def test_tests_tell_what_an_acting_copy_reaches():
    run = Run(levels=[steady_level()], test_env=lines(2))
    run.collect(60)
    tested = run.collector.test(8)
    env = lines(2)
    episodes = evaluate(run.hierarchy.acting_copy(env, 0), env, 200, 123)
    assert tested["test/length_mean"] == pytest.approx(
        np.mean([e.length for e in episodes]), abs=1.5
    )
    assert set(tested) == {
        "test/episodes",
        "test/return_mean",
        "test/length_mean",
        "test/success_any",
        "test/success_last",
    }


@pytest.mark.parametrize("mode", MODES)
def test_tests_work_in_all_modes(mode):
    run = Run(levels=[steady_level(learning=NEVER)], test_env=lines(2, mode))
    reference = Run(levels=[steady_level(learning=NEVER)], test_env=lines(2))
    assert run.collector.test(7) == reference.collector.test(7)


# What is written and shown


def test_metrics_are_written_at_every_interval(folders):
    run = Run(folders("run"), test_env=lines(2))
    summary = run.collect(120, test_interval=60, n_test_episodes=2)
    raw = [json.loads(line) for line in run.path.read_text().splitlines()]
    steps = [line["env_steps"] for line in raw if "train/return_mean" in line]
    assert [step // 25 for step in steps] == [1, 2, 3, 4]
    trained = [line for line in raw if "test/" not in str(line)]
    assert all(line["time/env_steps_per_s"] > 0 for line in trained)
    parts = ["acting", "stepping", "storing", "learning", "testing"]
    assert all(trained[-1][f"time/{part}_s"] > 0 for part in parts)
    assert run.collector.stopwatch.total <= run.log.seconds
    tests = [line["env_steps"] for line in raw if "test/return_mean" in line]
    assert [step // 60 for step in tests] == [1, 2]
    learned = [line for line in raw if "level0/predictor/loss" in line]
    assert len(learned) >= 2
    assert summary["test/success_last"] == raw[-1]["test/success_last"]


def test_what_was_learned_is_written_once(folders):
    run = Run(folders("run"))
    run.collect(120, log_interval=5)
    lines = run.lines()
    written = [x["level0/n_updates"] for x in lines if "level0/n_updates" in x]
    assert len(written) > 3 and len(set(written)) == len(written) < len(lines)
    assert written[-1] == run.hierarchy.levels[0].n_updates


def test_training_numbers_are_those_of_the_most_recent_episodes(folders):
    run = Run(folders("run"), levels=[RandomLevel()])
    summary = run.collect(300)
    assert summary["train/episodes"] == 20
    assert 2 <= summary["train/length_mean"] <= 6
    assert 0 < summary["train/success_last"] < 1


def test_a_writer_shows_the_numbers_in_tensorboard(tmp_path):
    env = lines(N)
    with SummaryWriter(str(tmp_path)) as writer:
        hierarchy = Hierarchy([steady_level()], env, writer=writer)
        collector = Collector(hierarchy, env, writer=writer)
        collector.collect(100, log_interval=20, show_progress=False)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"train/return_mean", "level0.predictor/loss", "train/success_any"} <= tags
    steps = [e.step for e in events.Scalars("train/return_mean")]
    assert [step // 20 for step in steps] == [1, 2, 3, 4, 5]


def test_a_bar_shows_rates_and_the_last_success(capsys):
    run = Run(levels=[RandomLevel()], test_env=lines(2))
    run.collect(60, show_progress=True, test_interval=30, n_test_episodes=2)
    shown = capsys.readouterr().err
    for part in ("60/60", "step/s", "return=", "success=", "test success="):
        assert part in shown
    assert shown.endswith("\n") and not list(tqdm._instances)


def test_a_bar_shows_tests_although_no_episode_ended(capsys):
    env = lines(N, lengths=(500, 501))
    run = Run(levels=[RandomLevel()], env=env, test_env=lines(2))
    run.collect(60, show_progress=True, test_interval=30, n_test_episodes=2)
    shown = capsys.readouterr().err
    assert "test success=" in shown and ", return=" not in shown


def test_a_bar_of_an_environment_without_success_shows_returns(capsys):
    run = Run(levels=[RandomLevel()], env=lines(N, reports="never"))
    summary = run.collect(60, show_progress=True)
    shown = capsys.readouterr().err
    assert "return=" in shown and "success" not in shown
    assert "train/success_any" not in summary


def test_without_a_bar_nothing_is_shown(capsys):
    Run(levels=[RandomLevel()]).collect(30)
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_bar_is_closed_whatever_happens(error, capsys, monkeypatch):
    run = Run(levels=[RandomLevel()])
    step, calls = run.collector._experience.stepper.step, []

    def fails(actions):
        calls.append(1)
        if len(calls) == 5:
            raise error
        return step(actions)

    monkeypatch.setattr(run.collector._experience.stepper, "step", fails)
    with pytest.raises(error):
        run.collect(60, show_progress=True)
    assert not list(tqdm._instances)
    assert capsys.readouterr().err.endswith("\n")


def test_the_bar_never_runs_over(capsys):
    run = Run(levels=[RandomLevel()])
    run.collect(1, show_progress=True)
    assert run.collector.n_env_steps == N
    assert "1/1" in capsys.readouterr().err


# What is refused


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_steps": 0},
        {"n_steps": -5},
        {"test_interval": 0},
        {"test_interval": -1},
        {"n_test_episodes": 0},
        {"log_interval": 0},
    ],
)
def test_numbers_that_are_not_positive_are_refused_by_name(wrong):
    run = Run(levels=[RandomLevel()], test_env=lines(2))
    ((name, number),) = wrong.items()
    with pytest.raises(ConfigurationError, match=f"{name} must be .* got {number}"):
        run.collect(**{"n_steps": 30, **wrong})
    assert run.collector.n_env_steps == 0


def test_tests_without_a_test_environment_are_refused():
    run = Run(levels=[RandomLevel()])
    with pytest.raises(ConfigurationError, match="no test_env"):
        run.collect(test_interval=10)
    with pytest.raises(ConfigurationError, match="no test_env"):
        run.collector.test(1)


def test_tests_need_an_environment_of_their_own():
    env = lines(N)
    with pytest.raises(ConfigurationError, match="of their own"):
        Run(env=env, test_env=env)


@pytest.mark.parametrize("role", ["env", "test_env"])
def test_what_is_no_vector_environment_is_refused_at_once(role):
    envs = {"env": lines(N), role: Line()}
    with pytest.raises(ConfigurationError, match="expected a vector environment"):
        Collector(Hierarchy([RandomLevel()], lines(N)), **envs)


def test_another_size_is_refused():
    with pytest.raises(ConfigurationError, match="built for 2 instances.*has 3"):
        Collector(Hierarchy([RandomLevel()], lines(2)), lines(3))


@pytest.mark.parametrize("role", ["env", "test_env"])
@pytest.mark.parametrize(
    "other",
    [
        Spaces(N, actions=spaces.Box(-2, 2, (1,), np.float32)),
        Spaces(N, obs=spaces.Discrete(3)),
    ],
)
def test_other_spaces_are_refused_at_once(role, other):
    envs = {"env": lines(N), role: other}
    with pytest.raises(SpaceError, match="was built for"):
        Collector(Hierarchy([RandomLevel()], lines(N)), **envs)


def test_a_broken_observation_stops_the_run_by_name():
    class Broken(Line):
        def _observe(self):
            obs = super()._observe()
            return obs * np.float32("nan") if self._time == 3 else obs

    env = SyncVectorEnv([Line, Broken, Line])
    run = Run(levels=[steady_level()], env=env)
    with pytest.raises(ObservationError, match="instance 1"):
        run.collect()
    buffer = run.hierarchy.levels[0].buffer
    assert np.isfinite(buffer.obs_next).all()
