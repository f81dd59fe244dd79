"""``--seeds``: many runs side by side are the runs that ``--seed`` makes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.flat import PRESETS, FlatArguments
from experiments.programs import seed_tasks
from experiments.programs.program import plan_runs, run_program, without_flags
from experiments.programs.seed_runs import (
    ProcessRun,
    SeedRun,
    heed_interrupts,
    run_in_turn,
)
from experiments.programs.seed_tasks import run_to_its_end
from experiments.running.arguments import LaunchArguments, RunArguments
from experiments.running.command_line import parse_program
from layeredrl.errors import ConfigurationError
from tests.collectors.resuming import tells_time

ROOT = Path(__file__).parents[2]
TINY = (
    "--n-envs 2 --total-env-steps 60 --log-interval 20 --warm-up-env-steps 20 "
    "--learn-interval 20 --updates-per-env-step 0.1 --batch-size 4 --test-interval 30 "
    "--n-test-episodes 2 --n-eval-episodes 2 --n-eval-envs 2 "
    "--env-kwargs max_episode_steps=15"
).split()


def scripted(tmp_path, seed, code):
    command = (sys.executable, "-c", code)
    return SeedRun(seed, tmp_path / str(seed), tmp_path / f"{seed}.log", command)


# Starting runs in turn


def test_runs_wait_for_their_turn_and_a_failed_one_stops_no_other(tmp_path):
    overlap = (
        "import pathlib, sys, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "mark = here / '{seed}.mark'; mark.touch()\n"
        "time.sleep(0.3)\n"
        "print('beside', len(list(here.glob('*.mark'))))\n"
        "mark.unlink()\n"
        "sys.exit({code})"
    )
    runs = [
        scripted(tmp_path, seed, overlap.format(seed=seed, code=3 * (seed == 1)))
        for seed in range(3)
    ]
    assert run_in_turn(runs, 1, 10) == {0: 0, 1: 3, 2: 0}
    assert [run.last_words() for run in runs] == ["beside 1"] * 3


def test_as_many_run_at_once_as_there_is_room_for(tmp_path):
    # Each waits for the other: one at a time they would never end.
    wait = (
        "import pathlib, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "(here / '{seed}.mark').touch()\n"
        "while len(list(here.glob('*.mark'))) < 2: time.sleep(0.05)"
    )
    runs = [scripted(tmp_path, seed, wait.format(seed=seed)) for seed in range(2)]
    assert run_in_turn(runs, 2, 10) == {0: 0, 1: 0}


@pytest.fixture
def hears_interrupts():
    """Processes that a shell starts in the background ignore SIGINT, the tests too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_may_end_in_order(tmp_path, number, hears_interrupts):
    patient = (
        "import signal, time, sys\n"
        "def stop(*_): print('checkpoint'); sys.exit(130)\n"
        "signal.signal(signal.SIGINT, stop)\n"
        "print('ready', flush=True)\n"
        f"time.sleep(0.1); __import__('os').kill({os.getpid()}, {int(number)})\n"
        "time.sleep(60)"
    )
    runs = [scripted(tmp_path, 0, patient), scripted(tmp_path, 1, "never = True")]
    with pytest.raises(KeyboardInterrupt):
        run_in_turn(runs, 1, 10)
    assert runs[0].last_words() == "checkpoint"
    assert not runs[1].log.exists()


def test_a_run_hears_interrupts_where_they_are_blocked(tmp_path):
    # As they are in processes that Ray starts.
    run = scripted(
        tmp_path, 0, "import time; print('ready', flush=True); time.sleep(60)"
    )
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        started = ProcessRun(run)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    deadline = time.monotonic() + 30
    while not run.last_words() and time.monotonic() < deadline:
        time.sleep(0.05)
    started.interrupt()
    while started.exit_code() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    code = started.exit_code()
    started.kill()
    assert code is not None


def test_progress_is_read_from_the_metrics(tmp_path):
    run = scripted(tmp_path, 0, "")
    assert run.n_env_steps() == 0
    run.folder.mkdir()
    lines = '{"env_steps": 20}\n{"env_steps": 40, "train/return": 1.0}\n'
    (run.folder / "metrics.jsonl").write_text(lines)
    assert run.n_env_steps() == 40
    (run.folder / "metrics.jsonl").write_text(lines + '{"env_st')
    assert run.n_env_steps() == 0


# Command lines


def test_seeds_are_no_arguments_of_a_run():
    words = ["--preset", "sac-pendulum", "--seeds", "3", "5", "--n-envs", "4"]
    launch, arguments = parse_program(
        FlatArguments, PRESETS, "text", LaunchArguments(), words
    )
    assert launch == LaunchArguments(seeds=(3, 5))
    assert arguments.n_envs == 4 and arguments.seed == 0


@pytest.mark.parametrize("wrong", [{"seeds": (1, 1)}, {"at_once": 0}])
def test_launches_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=str(list(wrong)[0]).rstrip("s")):
        LaunchArguments(**wrong)


def test_flags_are_left_out_with_their_values():
    words = "--a 1 --seeds 0 1 2 --b --run_dir=x --run-dir y --gin 'c = -1' -2".split()
    assert without_flags(words, ("seeds", "run-dir")) == (
        "--a 1 --b --gin 'c = -1' -2".split()
    )


def test_each_seed_has_its_own_folder_and_log(tmp_path):
    words = ["--seeds", "0", "7", "--resume", "--run-dir", str(tmp_path)]
    (tmp_path / "seed7.log").write_text("before\n")
    runs = plan_runs("flat", (0, 7), RunArguments(run_dir=tmp_path), words)
    assert [run.folder for run in runs] == [tmp_path / "seed0", tmp_path / "seed7"]
    own = ("--resume", "--seed", "7", "--run-dir", str(tmp_path / "seed7"))
    assert runs[1].command[-5:] == own
    assert not runs[1].log.exists()


def test_a_resumed_run_goes_on_with_its_log_and_usual_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = RunArguments(env_id="A-v0", resume=True)
    folder = Path("runs/flat/A-v0")
    folder.mkdir(parents=True)
    (folder / "seed1.log").write_text("before\n")
    (run,) = plan_runs("flat", (1,), arguments, ["--resume", "--seeds", "1"])
    assert run.log.read_text() == "before\n"
    assert run.folder == folder / "seed1" and "--run-dir" not in run.command


# The whole program


def program(tmp_path, *words, **kwargs):
    command = [sys.executable, "-m", "experiments.flat", *TINY, *words]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed_interrupts,  # the tests may run in the background
        **kwargs,
    )


def same_everywhere(folder):
    """What does not depend on when and where a run took place."""
    result = json.loads((folder / "result.json").read_text())
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    hidden = {"seconds", "command"}
    return [
        {k: v for k, v in entry.items() if k not in hidden and not tells_time(k)}
        for entry in [result, *map(json.loads, lines)]
    ]


@pytest.mark.slow
def test_seeds_equal_single_runs_and_one_failure_stops_no_other(tmp_path):
    taken = tmp_path / "many" / "seed1"
    taken.mkdir(parents=True)
    (taken / "something").touch()
    many = program(tmp_path, "--seeds", "0", "1", "2", "--run-dir", "many")
    text, _ = many.communicate(timeout=300)
    assert many.returncode == 1
    assert "failed seeds: 1" in text and "RunFolderError" in text
    assert "seed 0" in text and "| IQM |" in text

    one = program(tmp_path, "--seed", "2", "--run-dir", "one")
    one.communicate(timeout=300)
    assert one.returncode == 0
    assert same_everywhere(tmp_path / "many" / "seed2") == same_everywhere(
        tmp_path / "one"
    )


@pytest.mark.slow
def test_ctrl_c_leaves_checkpoints_from_which_all_go_on(tmp_path):
    words = ("--seeds", "0", "1", "--run-dir", "many")
    run = program(tmp_path, *words, "--total-env-steps", "1000000")
    metrics = [tmp_path / "many" / f"seed{k}" / "metrics.jsonl" for k in (0, 1)]
    deadline = time.monotonic() + 120
    while not all(path.exists() and path.stat().st_size for path in metrics):
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    try:
        text, _ = run.communicate(timeout=120)
    finally:
        run.terminate()  # if it has not heard, nothing of it goes on
    assert run.returncode == 130 and "interrupted" in text
    for path in metrics:
        assert list((path.parent / "checkpoints").glob("step-*.pt"))

    n = 200 + max(
        json.loads(p.read_text().splitlines()[-1])["env_steps"] for p in metrics
    )
    again = program(
        tmp_path, *words, "--resume", "--force", "--total-env-steps", str(n)
    )
    text, _ = again.communicate(timeout=300)
    assert again.returncode == 0, text
    results = [json.loads((p.parent / "result.json").read_text()) for p in metrics]
    assert all(result["env_steps"] >= n for result in results)


# Engines


@pytest.mark.parametrize(
    "words, message",
    [
        ("--engine ray", "needs --seeds or --workers"),
        ("--workers 1", "need --engine ray"),
        ("--engine ray --workers 1 --seeds 0 1", "either"),
        ("--seeds 0 1 --seed 2", "one of them"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(words, message, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["flat", "--n-envs", "2", *words.split()])
    with pytest.raises(ConfigurationError, match=message):
        run_program("flat", FlatArguments, PRESETS, "text", pytest.fail)


def test_each_worker_needs_an_instance():
    with pytest.raises(ConfigurationError, match="3 workers for 2 instances"):
        RunArguments(n_envs=2, workers=3)


def test_a_task_hands_interrupts_on_to_its_process(tmp_path, monkeypatch):
    patient = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(130))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    run, slept = scripted(tmp_path, 0, patient), []

    def interrupted(seconds):
        slept.append(seconds)
        deadline = time.monotonic() + 30
        while not run.last_words() and time.monotonic() < deadline:
            pause(0.05)
        if len(slept) == 1:
            raise KeyboardInterrupt
        pause(seconds)

    pause = time.sleep
    monkeypatch.setattr(seed_tasks.time, "sleep", interrupted)
    monkeypatch.chdir(tmp_path)
    assert run_to_its_end(run, tmp_path) == 130


@pytest.mark.slow
def test_ray_changes_no_result_of_a_seed_and_workers_learn(tmp_path):
    pytest.importorskip("ray")
    words = ("--engine", "ray", "--run-dir")
    many = program(tmp_path, "--seeds", "2", *words, "many")
    text, _ = many.communicate(timeout=600)
    assert many.returncode == 0, text
    one = program(tmp_path, "--seed", "2", "--run-dir", "one")
    one.communicate(timeout=300)
    assert same_everywhere(tmp_path / "many" / "seed2") == same_everywhere(
        tmp_path / "one"
    )

    two = program(tmp_path, "--workers", "2", *words, "two")
    text, _ = two.communicate(timeout=600)
    assert two.returncode == 0, text
    remote, local = (same_everywhere(tmp_path / name) for name in ("two", "one"))
    assert [list(entry) for entry in remote] == [list(entry) for entry in local]
    assert json.loads((tmp_path / "two" / "args.json").read_text())["workers"] == 2
