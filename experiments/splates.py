"""Plan with skills that are predictable as a whole and correct themselves (SPlaTES)."""

from gymnasium.vector import VectorEnv

from experiments.figures import draw_skill_run
from experiments.program import run_program
from experiments.skills import SkillArguments, planner_level
from experiments.training import main, run_and_report
from layeredrl.levels import Level, SPlaTESLevel

PRESETS = {"maze-medium": SkillArguments()}


def build_levels(arguments: SkillArguments, env: VectorEnv) -> list[Level]:
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
    run_program("splates", SkillArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: SkillArguments) -> None:
    run_and_report(
        "splates",
        arguments,
        lambda env: build_levels(arguments, env),
        draw_skill_run,
    )


if __name__ == "__main__":
    main(run)
