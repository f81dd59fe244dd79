import dataclasses
import json
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments import dads, splates
from experiments.builders.skill_arguments import SkillArguments
from experiments.builders.skills import planner_level
from experiments.figures import draw_planner_run, draw_skill_run
from experiments.running.environments import make_vector_env
from experiments.running.training import run_and_report
from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.hierarchies import Hierarchy
from layeredrl.optimizers import Refined
from tests.experiments.finished_runs import check_learned

SIZES = SkillArguments(
    env_kwargs=("max_episode_steps=25",),
    n_envs=2,
    total_env_steps=120,
    control_interval=4,
    sb_start_duration=40,
    warm_up_env_steps=8,
    plan_from_env_steps=40,
    learn_interval=40,
    skill_updates_per_env_step=0.1,
    skill_batch_size=4,
    n_skill_samples=3,
    batch_size=8,
    model_batch_size=8,
    horizon=2,
    n_candidates=8,
    n_iterations=1,
    n_eval_candidates=12,
    n_eval_iterations=2,
    log_interval=40,
    test_interval=60,
    n_test_episodes=2,
    n_eval_episodes=2,
    n_eval_envs=2,
)
TINY = splates.SPlaTESArguments(**vars(SIZES))
VARIANTS = {
    "splates": (splates, {}),
    "spread": (splates, {"potential_differences": True, "whiten": True}),
    "discrete": (splates, {"n_skills": 4, "sb_start_duration": 0, "n_models": 2}),
    "tdmpc2": (
        splates,
        {"learner": "tdmpc2", "learner_options": ("use_policy=True",)},
    ),
    "known": (splates, {"known_reward": True, "use_value": True}),
    "curious": (
        splates,
        {
            "n_models": 2,
            "exploration_bonus": 1.0,
            "n_followed": 2,
            "surprise": 2.0,
            "surprise_duration": 1,
        },
    ),
    "dads": (dads, {"learner_options": ("hidden_sizes=(8,)",)}),
}
DRAWN = ("splates", "discrete", "dads")
MODULES = {"splates": splates, "dads": dads}


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_runs_and_can_be_loaded(variant, tmp_path):
    module, options = VARIANTS[variant]
    sizes = TINY if module is splates else SIZES
    arguments = dataclasses.replace(sizes, run_dir=tmp_path / "run", **options)
    run_and_report(
        variant,
        arguments,
        lambda env: module.build_levels(arguments, env),
        draw_skill_run if variant in DRAWN else draw_planner_run,
    )
    check_learned(arguments, level=1)
    if variant in DRAWN:
        check_drawn(arguments.run_dir)


def check_drawn(folder):
    """Every picture is in the folder and TensorBoard, and the numbers in the result."""
    names = {"plan", "model", "learning_curve", "skills", "outcomes", "calibration"}
    for name in names:
        assert (folder / f"{name}.png").stat().st_size > 5000
    assert 1000 < (folder / "episode.gif").stat().st_size < 2_000_000
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = {f"figures/{name}" for name in (*names, "episode")}
    assert tags <= set(events.Tags()["images"])
    assert events.Images("figures/episode")[0].encoded_image_string.startswith(b"GIF")
    numbers = json.loads((folder / "result.json").read_text())["diagnostics"]
    assert numbers["error_1"] > 0.0 and 0.0 <= numbers["coverage_90_H"] <= 1.0
    assert "result.diagnostics/error_1" in events.Tags()["scalars"]


def test_dads_does_not_take_what_only_splates_has(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dads", "--potential-differences"])
    with pytest.raises(SystemExit):
        dads.run()
    assert "--potential-differences" in capsys.readouterr().err


@pytest.mark.parametrize("name", MODULES)
def test_presets_can_be_built(name):
    for arguments in MODULES[name].PRESETS.values():
        env = make_vector_env(arguments.env_id, 2, {})
        hierarchy = Hierarchy(MODULES[name].build_levels(arguments, env), env)
        assert len(hierarchy.levels) == 2
        env.close()


@pytest.mark.parametrize(
    "changes, is_refined",
    [
        ({}, True),
        ({"known_reward": True}, False),
        ({"n_skills": 4, "sb_start_duration": 0}, False),
        ({"n_refinements": 0, "n_eval_refinements": 0}, False),
    ],
)
def test_plans_are_refined_where_they_can_be(changes, is_refined):
    arguments = dataclasses.replace(TINY, **changes)
    env = make_vector_env(arguments.env_id, 2, {})
    level = planner_level(arguments, env)
    for planner in (level.partial_planner, level.partial_eval_planner):
        optimizer = planner.keywords["partial_optimizer"]
        assert (optimizer.func is Refined) is is_refined


def test_a_planner_over_skills_without_memory_of_steps_keeps_its_skills():
    arguments = dataclasses.replace(SIZES, plan_from_env_steps=0, surprise=None)
    env = make_vector_env(arguments.env_id, 2, {})
    obs, _ = env.reset(seed=0)
    hierarchy = Hierarchy(dads.build_levels(arguments, env), env)
    planner = hierarchy.levels[0]
    kept = []
    for _ in range(8):
        action = hierarchy.get_action(obs)
        kept.append(planner.state_dict()["kept"])
        obs, *rest, _ = env.step(action)
        hierarchy.process_transition(obs, *rest)
    for i in range(8):
        assert (kept[i] == kept[i // 4 * 4]).all()
    assert (kept[4] != kept[0]).any()


def test_environments_without_goals_are_refused():
    env = make_vector_env("CartPole-v1", 2, {})
    with pytest.raises(SpaceError, match="goal-based"):
        splates.build_levels(TINY, env)


def test_a_bonus_without_members_to_disagree_is_named():
    env = make_vector_env(TINY.env_id, TINY.n_envs, {})
    arguments = dataclasses.replace(TINY, exploration_bonus=1.0)
    with pytest.raises(ConfigurationError, match="n_models of at least 2, got 1"):
        splates.build_levels(arguments, env)


def test_the_bonus_is_for_training_only():
    env = make_vector_env(TINY.env_id, TINY.n_envs, {})
    options = {"n_models": 2, "exploration_bonus": 1.5, "disagreement_weight": -0.5}
    level = splates.build_levels(dataclasses.replace(TINY, **options), env)[0]
    weights = [
        planner.keywords["config"].objective.disagreement_weight
        for planner in (level.partial_planner, level.partial_eval_planner)
    ]
    assert weights == [1.0, -0.5]
