import itertools
import time

import pytest

from experiments.benchmark import table
from experiments.benchmarks.learners import learner_benchmarks
from experiments.benchmarks.mazes import maze_benchmarks
from experiments.benchmarks.measuring import Benchmark, measure
from experiments.benchmarks.networks import network_benchmarks
from experiments.benchmarks.planning import planning_benchmarks
from experiments.benchmarks.replay import full_buffer
from experiments.benchmarks.skills import skill_benchmarks
from experiments.benchmarks.updates import update_benchmarks


def busy(seconds):
    def work():
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    return work


def test_ratios_are_of_processor_time():
    measured = measure(Benchmark("x", busy(0.02), busy(0.01), 3.0, "half"), 0.1)
    assert measured.ratio == pytest.approx(2.0, rel=0.2)
    assert measured.is_met
    missed = measure(Benchmark("x", busy(0.02), busy(0.01), 1.0, "half"), 0.1)
    assert not missed.is_met
    assert "MISSED" in table([missed]) and "MISSED" not in table([measured])


def test_the_full_buffer_is_full_of_whole_episodes():
    buffer = full_buffer(obs_dim=2, ring_size=100)
    assert len(buffer) == 800 == buffer.maxsize
    assert buffer.done.sum() == 16
    assert (buffer.next([0, 48, 49, 99]) == [1, 49, 49, 99]).all()


def test_mazes_are_measured_as_positions_and_as_pictures():
    steps, pictures = maze_benchmarks()
    steps.subject(), pictures.subject()
    assert "51200 maze steps" == steps.name and "20 thousand" in pictures.reference_name
    start = time.process_time()
    pictures.reference()
    assert time.process_time() - start == pytest.approx(256 * 20 / 20_000, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("benchmarks", [planning_benchmarks, update_benchmarks])
def test_benchmarks_do_their_work(benchmarks):
    first = next(itertools.islice(benchmarks(), 1))
    first.subject()
    first.reference()


@pytest.mark.slow
@pytest.mark.parametrize(
    "benchmarks", [network_benchmarks, learner_benchmarks, skill_benchmarks]
)
def test_networks_learners_and_skills_do_their_work(benchmarks):
    for benchmark in benchmarks():
        benchmark.subject()
        benchmark.reference()
