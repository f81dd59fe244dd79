"""Learn to act with a single policy level."""

from dataclasses import dataclass, replace

from gymnasium.vector import VectorEnv

from experiments.builders.learners import LearnerName, choose_learner
from experiments.figures import draw_learning_curve
from experiments.programs.program import run_program
from experiments.running.arguments import RunArguments
from experiments.running.training import main, run_and_report
from layeredrl.learners import A2CConfig
from layeredrl.levels import Exploration, LearningSchedule, Level, PolicyLevel
from layeredrl.predictors import hindsight_for


@dataclass(frozen=True)
class FlatArguments(RunArguments):
    """Arguments of a single policy level."""

    env_id: str = "Pendulum-v1"
    """Any registered Gymnasium id; ``module:Env-v0`` imports the module first."""
    learner: LearnerName = "sac"
    """How the policy learns."""
    learner_options: tuple[str, ...] = ()
    """Fields of the learner's configuration as ``name=value``, for example ``lr=1e-3``."""
    hindsight_ratio: float = 0.0
    """Goal environments: share of sampled stretches that are learned from with a goal that
    they went on to reach."""
    warm_up_env_steps: int = 1000
    """Environment steps with random actions only; on-policy learners take none."""
    hold: int = 1
    """Steps for which a random action is kept."""
    updates_per_env_step: float = 1.0
    """Updates per environment step; on-policy learners learn once per interval."""
    learn_interval: int = 50
    """Environment steps between bursts of updates."""
    batch_size: int = 256
    """Stretches of experience per update."""
    buffer_size: int = 1_000_000
    """Decisions kept for learning."""
    n_envs: int = 1
    """Environment instances that collect experience."""
    total_env_steps: int = 10_000
    """Environment steps of training, over all instances."""
    test_interval: int = 2000
    """Environment steps between periodic tests; 0 for none."""
    checkpoint_interval: int = 5000
    """Environment steps between checkpoints; 0 for none but the one at Ctrl-C."""


_SMALL = ("hidden_sizes=(64, 64)", "lr=1e-3")
_WIDE = ("hidden_sizes=(256, 256)", "lr=1e-3")
# A policy that is sure of a wrong choice must be able to learn.
_UNCLIPPED = ("Discrete.clip_prob_low=1e-6", "Discrete.clip_prob_high=0.999999")
_SAC_MEDIUM = FlatArguments(
    env_id="Maze2D-Medium-v0",
    learner_options=_SMALL,
    hindsight_ratio=0.8,
    n_envs=8,
    hold=10,
    updates_per_env_step=0.25,
    total_env_steps=300_000,
    test_interval=50_000,
    checkpoint_interval=50_000,
)
_TDMPC2_MEDIUM = FlatArguments(
    env_id="Maze2D-Medium-v0",
    learner="tdmpc2",
    learner_options=("episodic=False", "plans_while_exploring=False"),
    n_envs=8,
    hold=10,
    updates_per_env_step=0.125,
    total_env_steps=100_000,
    test_interval=25_000,
    checkpoint_interval=25_000,
)
PRESETS = {
    "sac-pendulum": FlatArguments(learner_options=_WIDE),
    "ppo-cartpole": FlatArguments(
        env_id="CartPole-v1",
        learner="ppo",
        learner_options=_SMALL,
        n_envs=8,
        learn_interval=1024,
        total_env_steps=100_000,
        test_interval=20_000,
    ),
    "dqn-cartpole": FlatArguments(
        env_id="CartPole-v1",
        learner="dqn",
        learner_options=(
            "hidden_sizes=(256, 256)",
            "lr=3e-4",
            "n_steps=3",
            "target_update_interval=250",
            "epsilon=1.0 -> 0.04 in 10000",
        ),
        n_envs=8,
        learn_interval=256,
        updates_per_env_step=0.5,
        batch_size=64,
        total_env_steps=80_000,
        test_interval=20_000,
    ),
    "td3-inverted-pendulum": FlatArguments(
        env_id="InvertedPendulum-v5",
        learner="td3",
        learner_options=_SMALL,
        total_env_steps=20_000,
        test_interval=5000,
    ),
    "sac-fetch-reach": FlatArguments(
        env_id="FetchReach-v4",
        learner_options=(*_WIDE, "gamma=0.98"),
        hindsight_ratio=0.8,
        n_envs=4,
        total_env_steps=18_000,
        test_interval=6000,
    ),
    "sac-point-maze-umaze": FlatArguments(
        env_id="PointMaze_UMaze-v3",
        learner_options=_SMALL,
        hindsight_ratio=0.8,
        n_envs=8,
        hold=10,
        updates_per_env_step=0.25,
        total_env_steps=200_000,
        test_interval=40_000,
        checkpoint_interval=40_000,
    ),
    "sac-maze-medium": _SAC_MEDIUM,
    "sac-point-maze-medium": replace(_SAC_MEDIUM, env_id="PointMaze_Medium-v3"),
    "tdmpc2-maze-medium": _TDMPC2_MEDIUM,
    "tdmpc2-point-maze-medium": replace(_TDMPC2_MEDIUM, env_id="PointMaze_Medium-v3"),
    "tdmpc2-pendulum": FlatArguments(
        learner="tdmpc2",
        learner_options=("episodic=False",),
        updates_per_env_step=0.5,
        test_interval=5000,
    ),
    "tdmpc2-inverted-pendulum": FlatArguments(
        env_id="InvertedPendulum-v5",
        learner="tdmpc2",
        learner_options=("tau=0.05",),
        updates_per_env_step=0.5,
        total_env_steps=15_000,
        test_interval=5000,
    ),
    "sequence-tmaze": FlatArguments(
        env_id="TMaze-v0",
        env_kwargs=("corridor_length=30",),
        learner="sequence",
        learner_options=(
            "traj_encoder=gru",
            "learning_rate=1e-3 -> 1e-4 in 60000",
            "entropy_coeff=0.05",
            "tau=0.03",
            "td_lambda=0.9",
            "exploration=0.1 -> 0.01 in 40000",
        ),
        gin=_UNCLIPPED,
        warm_up_env_steps=10_000,
        hold=30,
        n_envs=16,
        batch_size=32,
        updates_per_env_step=0.08,
        learn_interval=256,
        total_env_steps=60_000,
        test_interval=10_000,
    ),
    "sequence-cartpole": FlatArguments(
        env_id="CartPoleNoVelocity-v0",
        learner="sequence",
        learner_options=(
            "traj_encoder=gru",
            "learning_rate=1e-3 -> 1e-4 in 60000",
            "gammas=(0.9, 0.97, 0.99)",
            "gamma=0.99",
            "entropy_coeff=0.01",
            "tau=0.03",
            "td_lambda=0.9",
            "exploration=0.3 -> 0.02 in 20000",
        ),
        n_envs=8,
        batch_size=32,
        # Returns follow what was done, so it has to be what would be done now, nearly.
        buffer_size=20_000,
        updates_per_env_step=0.05,
        learn_interval=128,
        total_env_steps=60_000,
        test_interval=20_000,
    ),
}


def build_levels(arguments: FlatArguments, env: VectorEnv) -> list[Level]:
    """Describe the one level.

    Args:
        arguments: Concrete choices.
        env: Where it will act.

    Returns:
        The description.
    """
    ratio = arguments.hindsight_ratio
    learner = choose_learner(arguments.learner, arguments.learner_options)
    is_on_policy = isinstance(learner, A2CConfig)
    warm_up_env_steps = 0 if is_on_policy else arguments.warm_up_env_steps
    exploration = Exploration(warm_up_env_steps=warm_up_env_steps, hold=arguments.hold)
    learning = LearningSchedule(
        start_env_steps=warm_up_env_steps,
        interval_env_steps=arguments.learn_interval,
        updates_per_env_step=arguments.updates_per_env_step,
        batch_size=arguments.batch_size,
    )
    level = PolicyLevel(
        learner=learner,
        hindsight=hindsight_for(env, ratio=ratio) if ratio > 0.0 else None,
        exploration=exploration,
        learning=learning,
        buffer_size=arguments.buffer_size,
    )
    return [level]


def run() -> None:
    """Read the command line and run the experiment."""
    run_program("flat", FlatArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: FlatArguments) -> None:
    run_and_report(
        "flat",
        arguments,
        lambda env: build_levels(arguments, env),
        draw_learning_curve,
    )


if __name__ == "__main__":
    main(run)
