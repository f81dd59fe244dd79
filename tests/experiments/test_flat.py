import dataclasses

import pytest

from experiments.builders.learners import LEARNERS, choose_learner
from experiments.figures import draw_learning_curve
from experiments.flat import PRESETS, FlatArguments, build_levels
from experiments.running.environments import make_vector_env
from experiments.running.training import run_and_report
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import SACConfig
from layeredrl.nets.traj_encoders import GRUTrajEncoder
from layeredrl.utils.schedules import LinearSchedule
from tests.experiments.finished_runs import check_learned

TINY = FlatArguments(
    n_envs=2,
    total_env_steps=60,
    log_interval=20,
    warm_up_env_steps=20,
    learn_interval=20,
    updates_per_env_step=0.1,
    batch_size=4,
    test_interval=30,
    n_test_episodes=2,
    n_eval_episodes=2,
    n_eval_envs=2,
)
SMALL = ("hidden_sizes=(8,)",)
OPTIONS = {
    "tdmpc2": ("n_samples=8", "n_elites=2", "n_policy_trajectories=2"),
    "sequence": ("max_seq_len=8", "traj_encoder=gru"),
}
DISCRETE = {"dqn", "discrete-sac"}


# The others differ from these only in ways that tests of learners look at.
FAST = {"sac", "dqn", "ppo"}


@pytest.mark.parametrize(
    "learner",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in FAST))
        for name in LEARNERS
    ],
)
def test_each_learner_runs(learner, tmp_path, capsys):
    arguments = dataclasses.replace(
        TINY,
        env_id="CartPole-v1" if learner in DISCRETE else "Pendulum-v1",
        env_kwargs=("max_episode_steps=15",),
        learner=learner,
        learner_options=OPTIONS.get(learner, SMALL),
        run_dir=tmp_path / "run",
    )
    run_and_report(
        "flat", arguments, lambda env: build_levels(arguments, env), draw_learning_curve
    )
    assert "learning curve" in capsys.readouterr().out
    check_learned(arguments)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_describe_levels_that_can_be_built(name):
    arguments = PRESETS[name]
    env = make_vector_env(arguments.env_id, 2, arguments.parsed_train_env_kwargs())
    level = Hierarchy(build_levels(arguments, env), env, seed=0).levels[0]
    obs, _ = env.reset(seed=0)
    assert level.n_updates == 0
    assert (level._hindsight is not None) == (arguments.hindsight_ratio > 0)
    env.close()


def test_options_are_read_as_python_schedules_and_backbones():
    assert choose_learner("sac", ("lr=1e-3", "hidden_sizes=(4, 4)")) == SACConfig(
        lr=1e-3, hidden_sizes=(4, 4)
    )
    dqn = choose_learner("dqn", ("epsilon=1.0 -> 0.05 in 100",))
    assert dqn.epsilon == LinearSchedule(1.0, 0.05, 100)
    sequence = choose_learner("sequence", ("traj_encoder=gru", "critic=two_hot"))
    assert sequence.traj_encoder.func is GRUTrajEncoder
    assert sequence.critic == "two_hot"


@pytest.mark.parametrize("name", LEARNERS)
def test_defaults_are_of_the_kind_that_is_asked_for(name):
    for field in dataclasses.fields(LEARNERS[name]):
        if isinstance(field.default, bool | int | float | str | tuple):
            option = f"{field.name}={field.default}"
            assert getattr(choose_learner(name, (option,)), field.name) == field.default


def test_an_experiment_that_cannot_start_leaves_no_folder(tmp_path):
    arguments = dataclasses.replace(
        TINY, env_id="Pendulum-v1", device="abacus", run_dir=tmp_path / "run"
    )
    with pytest.raises(ConfigurationError, match="no device 'abacus'"):
        run_and_report(
            "flat", arguments, lambda env: build_levels(arguments, env), print
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name, option, message",
    [
        ("sac", "lrr=1", "did you mean lr"),
        ("sac", "lr", "lr"),
        ("ppo", "epsilon=0.1", "there are"),
        ("sequence", "traj_encoder=lstm", "gru"),
        ("sac", "gamma=2.0", "gamma"),
        ("sac", "lr=abc", "lr of sac is float, got 'abc'"),
        ("sac", "lr=1e-3 -> 1e-4 in 100", "lr of sac is float"),
        ("sac", "hidden_sizes=64", r"tuple\[int, ...\], got '64'"),
        ("sac", "hidden_sizes=('a',)", r"tuple\[int, ...\]"),
        ("dqn", "is_double=1", "is bool"),
        ("sequence", "critic=one_hot", "two_hot"),
        ("sequence", "actor_hidden=(2,)", r"tuple\[int, int\]"),
    ],
)
def test_wrong_options_are_named(name, option, message):
    with pytest.raises(ConfigurationError, match=message):
        choose_learner(name, (option,))
