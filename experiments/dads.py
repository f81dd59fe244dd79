"""Plan with skills whose every step is predictable (DADS), the baseline of SPlaTES."""

from gymnasium.vector import VectorEnv

from experiments.builders.skill_arguments import SkillArguments
from experiments.builders.skills import planner_level
from experiments.figures import draw_skill_run
from experiments.programs.program import run_program
from experiments.running.training import main, run_and_report
from layeredrl.levels import DADSLevel, Level

PRESETS = {
    "maze-medium": SkillArguments(
        fixed_std=(0.2, 0.1, 10_000),
        use_value=False,
        hindsight_ratio=0.0,
        horizon=5,
        n_iterations=3,
        n_eval_candidates=256,
        n_eval_iterations=4,
        # Fifty steps to differentiate, at every step: too slow for a baseline.
        n_refinements=0,
        n_eval_refinements=0,
        skill_batch_size=500,
        learner_options=("hidden_sizes=(64, 64)", "lr=1e-3", "alpha=0.03"),
        buffer_size=60_000,
        surprise=None,
        skill_updates_per_env_step=0.125,
        model_updates_per_env_step=0.2,
    )
}


def build_levels(arguments: SkillArguments, env: VectorEnv) -> list[Level]:
    """Describe planner and skills.

    The model predicts single steps, so the planner decides at each of them, but keeps a
    skill for ``control_interval`` of them.

    Args:
        arguments: Concrete choices.
        env: Where they will act.

    Returns:
        The descriptions, from top to bottom.
    """
    planner = planner_level(arguments, env, n_repeats=arguments.control_interval)
    return [planner, DADSLevel(**arguments.skill_options())]


def run() -> None:
    """Read the command line and run the experiment."""
    run_program("dads", SkillArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: SkillArguments) -> None:
    run_and_report(
        "dads",
        arguments,
        lambda env: build_levels(arguments, env),
        draw_skill_run,
    )


if __name__ == "__main__":
    main(run)
