"""Plan with skills that are predictable as a whole and correct themselves (SPlaTES)."""

from dataclasses import dataclass, replace

from gymnasium.vector import VectorEnv

from experiments.builders.skill_arguments import SkillArguments, sac_options
from experiments.builders.skills import planner_level
from experiments.figures import draw_skill_run
from experiments.programs.program import run_program
from experiments.running.training import main, run_and_report
from layeredrl.levels import Level, SPlaTESLevel


@dataclass(frozen=True)
class SPlaTESArguments(SkillArguments):
    """Arguments of a planner over skills that are predictable as a whole."""

    potential_differences: bool = False
    """Whether payment is spread over the skill."""
    n_value_samples: int = 4
    """Skills over which the value at the end of a skill is averaged."""


# The medium maze does with fewer updates than this.
_THOROUGH = SPlaTESArguments(
    n_refinements=8,
    skill_updates_per_env_step=0.125,
    model_updates_per_env_step=0.2,
)

# Motion by force takes longer, and skills have to learn to steer first. Rewards are
# sparse: where a plan does not come to the goal only the value tells whether it comes closer.
# Outcomes are uncertain wherever there is speed, and a random skill after each would cost much.
_POINT_MAZE = replace(
    _THOROUGH,
    env_id="PointMaze_UMaze-v3",
    control_interval=25,
    fixed_std=(0.5, 0.15, 12_000),
    sb_start_duration=12_000,
    gamma=0.995,
    horizon=16,
    surprise=None,
    hold=8,
    plan_from_env_steps=12_000,
    learner_options=sac_options(n_steps=25, gamma=0.97),
    skill_batch_size=32,
    freeze_env_steps=40_000,
)

# The longest ways are 19 cells, and nothing but the plan knows of them: it has to be as long.
_LARGE_MAZE = replace(
    _THOROUGH,
    env_id="Maze2D-Large-v0",
    control_interval=15,
    use_value=False,
    hindsight_ratio=0.0,
    horizon=24,
    plan_from_env_steps=12_000,
    learner_options=sac_options(n_steps=15, gamma=0.93),
    freeze_env_steps=40_000,
    buffer_size=20_000,
    total_env_steps=200_000,
)

# Episodes are short, and so are skills: a hand moves by up to 0.2 m in five decisions, and
# where skills repel each other over longer distances only the longest ones are left.
_FETCH = replace(
    _THOROUGH,
    env_id="FetchReachDense-v4",
    skill_dim=3,
    control_interval=5,
    fixed_std=(0.2, 0.05, 6000),
    sb_start_duration=4000,
    gamma=0.95,
    horizon=5,
    surprise=None,
    warm_up_env_steps=1000,
    plan_from_env_steps=4000,
    learner_options=sac_options(n_steps=5, gamma=0.9),
    skill_batch_size=160,
    freeze_env_steps=12_000,
    total_env_steps=20_000,
    test_interval=5000,
    checkpoint_interval=5000,
)

PRESETS = {
    "maze-medium": SPlaTESArguments(),
    "maze-large": _LARGE_MAZE,
    "maze-giant": replace(
        _LARGE_MAZE, env_id="Maze2D-Giant-v0", horizon=36, total_env_steps=300_000
    ),
    "point-maze-umaze": _POINT_MAZE,
    "point-maze-medium": replace(
        _POINT_MAZE,
        env_id="PointMaze_Medium-v3",
        freeze_env_steps=60_000,
        buffer_size=20_000,
        total_env_steps=200_000,
    ),
    # Not solved, but skills walk. Episodes of training are short, as an ant that has fallen
    # on its back stays there. It moves little at first, so distances count in units of
    # what is usual, and every step is paid.
    "ant-maze-umaze": replace(
        _POINT_MAZE,
        env_id="AntMaze_UMaze-v5",
        env_kwargs=("include_cfrc_ext_in_observation=False",),
        train_env_kwargs=("max_episode_steps=100",),
        fixed_std=(0.7, 0.4, 200_000),
        whiten=True,
        potential_differences=True,
        relabel_ratio=0.5,
        sb_start_duration=200_000,
        gamma=0.998,
        hold=5,
        warm_up_env_steps=5000,
        plan_from_env_steps=80_000,
        learner_options=sac_options(n_steps=3, gamma=0.95, width=128),
        skill_updates_per_env_step=0.5,
        skill_batch_size=12,
        freeze_env_steps=None,
        model_updates_per_env_step=0.03,
        buffer_size=20_000,
        total_env_steps=150_000,
        test_interval=50_000,
    ),
    "fetch-reach": _FETCH,
    # Where the block is, seen from the hand: what touching it does is then the same
    # everywhere. Noise on what the model learns from keeps plans from its mistakes there.
    "fetch-push": replace(
        _FETCH,
        env_id="FetchPushDense-v4",
        state_columns=(6, 7, 8),
        fixed_std=(0.15, 0.04, 8000),
        sb_start_duration=6000,
        gamma=0.98,
        horizon=8,
        freeze_env_steps=15_000,
        model_updates_per_env_step=0.3,
        buffer_size=30_000,
        total_env_steps=60_000,
        test_interval=15_000,
        checkpoint_interval=15_000,
    ),
}


def build_levels(arguments: SPlaTESArguments, env: VectorEnv) -> list[Level]:
    """Describe planner and skills.

    Args:
        arguments: Concrete choices.
        env: Where they will act.

    Returns:
        The descriptions, from top to bottom.
    """
    skills = SPlaTESLevel(
        control_interval=arguments.control_interval,
        potential_differences=arguments.potential_differences,
        n_value_samples=arguments.n_value_samples,
        **arguments.skill_options(),
    )
    return [planner_level(arguments, env), skills]


def run() -> None:
    """Read the command line and run the experiment."""
    run_program("splates", SPlaTESArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: SPlaTESArguments) -> None:
    run_and_report(
        "splates",
        arguments,
        lambda env: build_levels(arguments, env),
        draw_skill_run,
    )


if __name__ == "__main__":
    main(run)
