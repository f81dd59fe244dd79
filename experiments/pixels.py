"""Plan from pictures alone."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from gymnasium.vector import VectorEnv

from experiments.builders.goal_predictors import falling_rate
from experiments.planner import (
    PlannerArguments,
    refuse_goal_options,
    run_planner,
)
from experiments.programs.program import run_program
from experiments.running.training import main
from layeredrl.nets.cnn import DrQCNN, GridworldCNN, IMPALAishCNN, NatureishCNN
from layeredrl.nets.tstep_encoders import CNNType
from layeredrl.predictors import PredictorFactory, get_pixel_predictor_factory

CNNName = Literal["nature", "drq", "impala", "gridworld"]
CNNS: dict[CNNName, CNNType] = {
    # Half of the published channels: faster by far on a CPU, and no worse here.
    "nature": partial(NatureishCNN, channels=(16, 32, 32)),
    "drq": DrQCNN,
    "impala": IMPALAishCNN,
    "gridworld": GridworldCNN,
}


@dataclass(frozen=True)
class PixelArguments(PlannerArguments):
    """Arguments of the planner that sees."""

    env_id: str = "Maze2D-Open-v0"
    """Any registered Gymnasium id; ``module:Env-v0`` imports the module first."""
    env_kwargs: tuple[str, ...] = ("pixels=True",)
    """Keyword arguments of the environment as ``name=value``, values as in Python."""
    train_env_kwargs: tuple[str, ...] = ("max_episode_steps=100",)
    """Further ones, or others, of the training environment alone. Shorter episodes show more
    goals."""
    cnn: CNNName = "nature"
    """Network that reads pictures."""
    drqv2_aug: bool = True
    """Whether pictures are shifted at random in training."""
    n_state_features: int = 8
    """Learned features of the latent state."""
    n_context_features: int = 8
    """Learned features of the context."""
    imagination_steps: int = 12
    """Steps that are imagined in training, whose rewards teach encoder and model."""
    encoder_warm_up: int = 4
    """Bursts of updates in which only encoder and reward learn."""
    learning_rate: float = 1e-3
    """Of encoder, reward and model at the start; it falls to a tenth in a straight line."""
    n_envs: int = 16
    """Environment instances that collect experience."""
    total_env_steps: int = 20_000
    """Environment steps of training, over all instances."""
    horizon: int = 15
    """Planned steps."""
    hold: int = 10
    """Steps for which a random action is kept."""
    random_probability: float = 0.03
    """Chance that a planning instance starts a random phase at a step: what it looks like
    beside the goal has to be seen, too."""
    random_duration: int = 10
    """Steps of a random phase."""
    updates_per_env_step: float = 0.4
    """Updates of the predictor per environment step."""
    batch_size: int = 96
    """Partial trajectories per update, for reward and value."""
    model_batch_size: int = 64
    """Transitions per update, for the model."""
    buffer_size: int = 20_000
    """Transitions kept for learning."""
    test_interval: int = 5000
    """Environment steps between periodic tests; 0 for none."""
    n_test_episodes: int = 10
    """Episodes per periodic test."""


PRESETS = {"pixels-open": PixelArguments()}


def choose_predictor(arguments: PixelArguments, env: VectorEnv) -> PredictorFactory:
    """Build the predictor with the chosen network for pictures.

    Args:
        arguments: Concrete choices.
        env: Where it will be used.

    Returns:
        Its factory.

    Raises:
        ConfigurationError: If rewards shall be known, or goals relabelled.
    """
    refuse_goal_options(arguments, "goals are in pictures")
    falling = falling_rate(arguments.learning_rate, arguments.total_env_steps)
    return get_pixel_predictor_factory(
        env,
        CNNS[arguments.cnn],
        drqv2_aug=arguments.drqv2_aug,
        n_state_features=arguments.n_state_features,
        n_context_features=arguments.n_context_features,
        n_models=arguments.n_models,
        k_steps=1,
        imagination_steps=arguments.imagination_steps,
        encoder_warm_up=arguments.encoder_warm_up,
        encoder_lr=falling,
        reward_lr=falling,
        model_lr=falling,
        gamma=arguments.gamma,
    )


def run() -> None:
    """Read the command line and run the experiment."""
    run_program("pixels", PixelArguments, PRESETS, str(__doc__), _run_one)


def _run_one(arguments: PixelArguments) -> None:
    run_planner("pixels", arguments, choose_predictor)


if __name__ == "__main__":
    main(run)
