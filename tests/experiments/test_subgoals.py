import dataclasses

import pytest

from experiments.figures import draw_learning_curve
from experiments.running.environments import make_vector_env
from experiments.running.training import run_and_report
from experiments.subgoals import PRESETS, SubgoalArguments, build_levels
from layeredrl.hierarchies import Hierarchy
from tests.experiments.finished_runs import check_learned

TINY = SubgoalArguments(
    env_kwargs=("max_episode_steps=25",),
    n_envs=2,
    total_env_steps=120,
    warm_up_env_steps=4,
    learn_interval=40,
    updates_per_env_step=0.1,
    batch_size=8,
    horizon=2,
    n_candidates=8,
    n_iterations=1,
    log_interval=40,
    test_interval=60,
    n_test_episodes=2,
    n_eval_episodes=2,
    n_eval_envs=2,
)
STACKS = {
    "planner": {},
    "sac": {"top": "sac", "top_hindsight_ratio": 0.5},
    "three": {"n_decisions": (2, 3), "reach": (1.0, 0.5)},
}


@pytest.mark.parametrize("stack", STACKS)
def test_each_stack_runs_and_can_be_loaded(stack, tmp_path):
    arguments = dataclasses.replace(TINY, run_dir=tmp_path / "run", **STACKS[stack])
    run_and_report(
        "subgoals",
        arguments,
        lambda env: build_levels(arguments, env),
        draw_learning_curve,
    )
    check_learned(arguments, level=len(arguments.n_decisions))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_built(name):
    arguments = PRESETS[name]
    env = make_vector_env(arguments.env_id, 2, {})
    hierarchy = Hierarchy(build_levels(arguments, env), env)
    assert len(hierarchy.levels) == 1 + len(arguments.n_decisions)
