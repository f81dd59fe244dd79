"""Plan where the goal has to be remembered."""

from dataclasses import dataclass
from functools import partial

from gymnasium.vector import VectorEnv

from experiments.builders.backbones import Backbone, backbones
from experiments.builders.goal_predictors import falling_rate
from experiments.planner import (
    PlannerArguments,
    refuse_goal_options,
    run_planner,
)
from experiments.programs.program import run_program
from experiments.running.training import main
from layeredrl.envs.maze2d_vector import Maze2DVectorEnv
from layeredrl.envs.tmaze_vector import TMazeVectorEnv
from layeredrl.nets.tstep_encoders import FFTstepEncoder
from layeredrl.predictors import PredictorFactory, get_memory_predictor_factory

BACKBONES = backbones(width=32)


@dataclass(frozen=True)
class MemoryArguments(PlannerArguments):
    """Arguments of the planner that remembers."""

    env_id: str = "Maze2D-MemoryGoal-Open-v0"
    """Any registered Gymnasium id; ``module:Env-v0`` imports the module first."""
    backbone: Backbone = "transformer"
    """What carries memory along an episode; ``none`` looks at single steps."""
    hide_rl2s: bool = True
    """Whether previous actions and rewards are hidden. In the maze the reward alone tells how
    far the goal is, so that little needs to be remembered."""
    max_seq_len: int = 80
    """Longest sequence that is trained on, in decisions."""
    state_keys: tuple[str, ...] = ("observation",)
    """Goal environments: observation keys that make up the latent state."""
    n_context_features: int = 4
    """Learned features of the context."""
    k_steps: int = 16
    """Steps of each sampled stretch on which rewards and model are learned."""
    encoder_warm_up: int = 0
    """Bursts of updates in which only encoder and reward learn."""
    learning_rate: float = 3e-3
    """Of encoder and reward at the start; it falls to a tenth in a straight line."""
    n_envs: int = 16
    """Environment instances that collect experience."""
    total_env_steps: int = 16_000
    """Environment steps of training, over all instances."""
    horizon: int = 15
    """Planned steps."""
    hold: int = 10
    """Steps for which a random action is kept."""
    updates_per_env_step: float = 0.4
    """Updates of the predictor per environment step."""
    batch_size: int = 128
    """Partial trajectories per update, for reward and value."""
    test_interval: int = 8000
    """Environment steps between periodic tests; 0 for none."""


PRESETS: dict[str, MemoryArguments] = {
    f"memory-{name}": MemoryArguments(backbone=name) for name in BACKBONES
} | {"memory-mamba": MemoryArguments(backbone="mamba", total_env_steps=24_000)}


def choose_predictor(arguments: MemoryArguments, env: VectorEnv) -> PredictorFactory:
    """Build the predictor with the chosen backbone.

    Args:
        arguments: Concrete choices.
        env: Where it will be used.

    Returns:
        Its factory.

    Raises:
        ConfigurationError: If rewards shall be known, or goals relabelled.
    """
    refuse_goal_options(arguments, "goals may be hidden")
    falling = falling_rate(arguments.learning_rate, arguments.total_env_steps)
    return get_memory_predictor_factory(
        env,
        BACKBONES[arguments.backbone],
        tstep_encoder_type=partial(
            FFTstepEncoder, d_hidden=64, d_output=32, hide_rl2s=arguments.hide_rl2s
        ),
        max_seq_len=arguments.max_seq_len,
        state_keys=arguments.state_keys,
        n_context_features=arguments.n_context_features,
        n_models=arguments.n_models,
        k_steps=arguments.k_steps,
        encoder_warm_up=arguments.encoder_warm_up,
        encoder_lr=falling,
        reward_lr=falling,
        model_lr=1e-3,
        clip_grad_max_norm=None,
        gamma=arguments.gamma,
    )


def guessing_share(env: VectorEnv) -> float | None:
    """Tell how often an agent would be right that guesses what it cannot remember.

    Args:
        env: A maze or T-maze of ours.

    Returns:
        One over the places where the goal can be; ``None`` for other environments.
    """
    inner = env.unwrapped
    if isinstance(inner, Maze2DVectorEnv):
        return 1.0 / (len(inner.task.maze.corners) - 1)  # it does not start at its goal
    return 0.5 if isinstance(inner, TMazeVectorEnv) else None


def run() -> None:
    """Read the command line and run the experiment."""
    run_program("memory", MemoryArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: MemoryArguments) -> None:
    finished = run_planner("memory", arguments, choose_predictor)
    share = guessing_share(finished.eval_env)
    if share is not None:
        print(f"guessing where the goal is would be right {share:.2f} of the time")


if __name__ == "__main__":
    main(run)
