"""A run that is stopped and resumed equals one that never stopped."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.running.environments import make_vector_env
from layeredrl.collectors import RunCheckpoints
from layeredrl.errors import CheckpointError, ConfigurationError
from layeredrl.nets import IdentityEncoder
from layeredrl.predictors import get_memory_predictor_factory
from layeredrl.utils import checkpoints as checkpoint_files
from tests.collectors.resuming import Glances, Run, assert_same, two_levels
from tests.nets.backbones import STEP, TRANSFORMER
from tests.same import is_same
from tests.toy_levels import predictor_with

TOTAL = 300
MAZE = {"env_id": "Maze2D-Open-v0", "max_episode_steps": 25}
PICTURES = {
    **MAZE,
    "pixels": True,
    "pixel_size": 16,
    "predictor_factory": predictor_with(Glances),
}
STOPS = sorted(np.random.default_rng(0).integers(1, TOTAL, 20).tolist())


class Doubled(IdentityEncoder):
    """Shows everything twice."""

    def __init__(self, mapped_env_obs_shape, device="cpu"):
        super().__init__(mapped_env_obs_shape, device)
        self.latent_state_dim *= 2

    def forward(self, obs):
        state, context = super().forward(obs)
        return torch.cat([state, state], -1), context


@pytest.fixture(scope="module", params=[(), (1,)], ids=["one level", "two levels"])
def levels_below(request):
    return two_levels() if request.param else []


@pytest.fixture(scope="module")
def whole(levels_below, tmp_path_factory):
    run = Run(
        tmp_path_factory.mktemp("whole") / "run", levels_below=levels_below, **MAZE
    )
    run.until(TOTAL)
    yield run
    run.close()


def stopped_and_resumed(folder, stops, levels_below, env):
    for stop in [*stops, TOTAL]:
        run = Run(folder, levels_below=levels_below, **env)
        run.collector.restore_checkpoint() or run.collector.reset(seed=0)
        # What happens around the run must not matter to it.
        np.random.random(), torch.rand(1)
        run.until(stop)
        run.collector.save_checkpoint()
        run.close()
    return run


@pytest.mark.slow
@pytest.mark.parametrize("stop", STOPS)
def test_stopped_once_anywhere(stop, whole, levels_below, tmp_path):
    resumed = stopped_and_resumed(tmp_path / "run", [stop], levels_below, MAZE)
    assert_same(whole, resumed)


@pytest.mark.slow
def test_stopped_many_times(whole, levels_below, tmp_path):
    resumed = stopped_and_resumed(tmp_path / "run", STOPS, levels_below, MAZE)
    assert_same(whole, resumed)


@pytest.mark.slow
def test_checkpoints_on_the_way_change_nothing(whole, levels_below, tmp_path):
    run = Run(tmp_path / "run", levels_below=levels_below, **MAZE)
    run.until(TOTAL, checkpoint_interval=20)
    assert_same(whole, run)
    kept = sorted((tmp_path / "run" / "checkpoints").glob("step-*.pt"))
    assert len(kept) == 2
    run.close()


@pytest.mark.slow
@pytest.mark.parametrize("stops", [[s] for s in STOPS] + [STOPS], ids=str)
def test_fetch_reach_too(stops, tmp_path, tmp_path_factory):
    env = {"env_id": "FetchReachDense-v4", "max_episode_steps": 20}
    reference = Path(tmp_path_factory.getbasetemp()) / "fetch-reference"
    whole = Run(reference, **env)
    if not whole.metrics():
        whole.until(TOTAL)
        whole.collector.save_checkpoint()
    else:
        whole.collector.restore_checkpoint()
    resumed = stopped_and_resumed(tmp_path / "run", stops, [], env)
    assert_same(whole, resumed)
    whole.close()


@pytest.mark.slow
def test_pictures_stored_once_too(tmp_path):
    whole = Run(tmp_path / "whole", **PICTURES).until(TOTAL)
    resumed = stopped_and_resumed(tmp_path / "run", STOPS, [], PICTURES)
    assert_same(whole, resumed)
    buffer = whole.hierarchy.levels[0].buffer
    assert len(buffer) == buffer.maxsize < TOTAL and buffer.done.any()  # wrapped
    n_kept = len(buffer.final_frames.positions())
    assert n_kept == np.sum(buffer.done | np.isin(np.arange(150), buffer.last_index))
    chunks = (tmp_path / "run" / "checkpoints" / "replay").glob("*.pt")
    assert max(chunk.stat().st_size for chunk in chunks) < 150 * 16 * 16 * 3
    whole.close()


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_latents_that_remember_too(dropout, tmp_path):
    """A Transformer's window of each running episode, and dropout's numbers."""
    env_id = "Maze2D-MemoryGoal-Open-v0"
    transformer = partial(TRANSFORMER, dropout_ff=dropout, dropout_emb=dropout)
    factory = get_memory_predictor_factory(
        make_vector_env(env_id, 1, {}),
        transformer,
        tstep_encoder_type=STEP,
        max_seq_len=16,
        k_steps=4,
        encoder_warm_up=1,
    )
    env = {"env_id": env_id, "max_episode_steps": 23, "predictor_factory": factory}
    runs = []
    for name, stops in (("whole", []), ("stopped", [50, 101])):
        for stop in [*stops, 150]:
            run = Run(tmp_path / name, **env)
            run.collector.restore_checkpoint() or run.collector.reset(seed=0)
            np.random.random(), torch.rand(1)  # somebody else draws, too
            run.until(stop)
            run.collector.save_checkpoint()
            run.close()
            torch.rand(1)
        runs.append(run)
    assert_same(*runs)
    memories = [run.hierarchy.levels[0].state_dict()["memory"] for run in runs]
    assert is_same(*memories)
    assert memories[0]["time"].any() and len(memories[0]["memory"]) == 4


@pytest.mark.slow
def test_a_log_that_ran_ahead_is_cut_back(whole, levels_below, tmp_path):
    run = Run(tmp_path / "run", levels_below=levels_below, **MAZE)
    run.until(100)
    run.collector.save_checkpoint()
    run.until(200)  # never saved, as after a crash
    run.close()
    again = Run(tmp_path / "run", levels_below=levels_below, **MAZE)
    assert again.collector.restore_checkpoint()
    assert again.collector.n_env_steps < 110
    assert_same(whole, again.until(TOTAL))
    again.close()


def test_an_environment_that_offers_nothing_begins_new_episodes(tmp_path, caplog):
    run = Run(tmp_path / "run", **MAZE).until(70)
    state = run.collector.state_dict()
    state["stepper"]["environment"] = None
    run.collector.load_state_dict(state)
    run.collector.load_episodes(state)
    assert "new episodes begin" in caplog.text
    buffer = run.hierarchy.levels[0].buffer
    assert buffer.has_gap.all()
    run.until(80)
    newest_before = buffer.prev(buffer.last_index) == buffer.last_index
    assert newest_before.any() or buffer.done.any()
    run.close()


class TestBrokenCheckpoints:
    @pytest.fixture
    def run(self, tmp_path):
        run = Run(tmp_path / "run", **MAZE)
        for stop in (60, 120):
            run.until(stop)
            run.collector.save_checkpoint()
        yield run
        run.close()

    def newest(self, run):
        return max((run.folder / "checkpoints").glob("step-*.pt"))

    def test_the_one_before_is_taken(self, run, caplog):
        data = self.newest(run).read_bytes()
        self.newest(run).write_bytes(data[: len(data) // 2])
        with Run(run.folder, **MAZE) as again:
            assert again.collector.restore_checkpoint()
            assert again.collector.n_env_steps < 66
            assert "trying the one before" in caplog.text
            again.until(TOTAL)
            again.collector.save_checkpoint()
        with Run(run.folder, **MAZE) as third:
            assert third.collector.restore_checkpoint()
            assert third.collector.n_env_steps >= TOTAL

    def test_what_cannot_be_read_is_left_alone(self, run):
        foreign = run.folder / "checkpoints" / "step-999999999999.pt"
        foreign.write_bytes(b"written by a version to come")
        with Run(run.folder, **MAZE) as again:
            assert again.collector.restore_checkpoint()
            again.until(150)
            again.collector.save_checkpoint()
        assert foreign.read_bytes() == b"written by a version to come"

    def test_none_whole_is_an_error(self, run):
        for path in (run.folder / "checkpoints").glob("step-*.pt"):
            path.write_bytes(b"nothing")
        with (
            Run(run.folder, **MAZE) as again,
            pytest.raises(CheckpointError, match="none of the checkpoints"),
        ):
            again.collector.restore_checkpoint()

    def test_another_hierarchy_is_refused(self, run):
        with Run(run.folder, levels_below=two_levels(), **MAZE) as other:
            before = {k: v.clone() for k, v in other.weights().items()}
            with pytest.raises(CheckpointError, match="levels"):
                other.collector.restore_checkpoint()
            assert all(torch.equal(v, before[k]) for k, v in other.weights().items())

    def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(self, run):
        wide = {**MAZE, "predictor_factory": predictor_with(Doubled)}
        with Run(run.folder, **wide) as other:
            before = other.hierarchy.state_dict()
            with pytest.raises(CheckpointError, match="does not fit this hierarchy"):
                other.collector.restore_checkpoint()
            assert is_same(other.hierarchy.state_dict(), before)

    def test_another_run_does_not_write_among_them(self, run):
        newest = self.newest(run).read_bytes()
        with Run(run.folder, **MAZE) as other:
            other.collector.reset(seed=1)
            other.until(30)
            with pytest.raises(CheckpointError, match="of another run: restore"):
                other.collector.save_checkpoint()
        assert self.newest(run).read_bytes() == newest

    def test_a_full_disk_leaves_the_last_one_whole(self, run, monkeypatch):
        newest = self.newest(run)
        run.until(150)

        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(checkpoint_files.torch, "save", full)
        with pytest.raises(CheckpointError, match="No space left"):
            run.collector.save_checkpoint()
        monkeypatch.undo()
        assert self.newest(run) == newest
        assert not list((run.folder / "checkpoints").rglob("*.tmp"))
        with Run(run.folder, **MAZE) as again:
            assert again.collector.restore_checkpoint()
            assert again.collector.n_env_steps < 126

    def test_a_missing_chunk_means_the_one_before(self, run):
        newest_chunk = max((run.folder / "checkpoints" / "replay").glob("*.pt"))
        newest_chunk.unlink()
        with Run(run.folder, **MAZE) as again:
            assert again.collector.restore_checkpoint()
            assert again.collector.n_env_steps < 66


def test_nothing_to_resume(tmp_path):
    run = Run(tmp_path / "run", **MAZE)
    assert not run.collector.restore_checkpoint()
    run.close()


def test_a_place_for_none_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="n_kept"):
        RunCheckpoints(tmp_path, n_kept=0)


KILLED = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.collectors.resuming import Run
run = Run(Path(sys.argv[1]), env_id="Maze2D-Open-v0", max_episode_steps=25)
run.collector.restore_checkpoint() or run.collector.reset(seed=0)
print("ready", flush=True)
run.until(10**9, checkpoint_interval=3, test_interval=None)
"""


@pytest.mark.slow
def test_killed_a_hundred_times_while_saving(tmp_path):
    folder = tmp_path / "run"
    root = Path(__file__).parents[2]
    generator = np.random.default_rng(0)
    reached = 0
    # One process is killed many times over by being copied: every kill leaves a folder
    # as it was at a random moment, since saving is all that the process does.
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder)],
            cwd=root,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None and process.stdout.readline()
        for _ in range(24):
            time.sleep(generator.uniform(0.0, 0.15))
            process.send_signal(signal.SIGSTOP)
            reached = check_whole(folder, tmp_path / "copy", reached)
            process.send_signal(signal.SIGCONT)
        time.sleep(generator.uniform(0.0, 0.1))
        process.kill()
        process.wait()
        process.stdout.close()
        reached = check_whole(folder, tmp_path / "copy", reached)
    assert reached > 0


def check_whole(folder, copy, reached):
    """The folder as a kill would leave it holds a whole checkpoint, never an older one."""
    import shutil

    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    run = Run(copy, **MAZE)
    found = run.collector.restore_checkpoint()
    run.close()
    assert found or reached == 0
    assert run.collector.n_env_steps >= reached
    return run.collector.n_env_steps
