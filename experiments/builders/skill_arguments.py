"""Arguments of planners over learned skills."""

from dataclasses import dataclass
from typing import Any

from experiments.builders.learners import LearnerName, choose_learner
from experiments.builders.search_methods import OptimizerName
from experiments.running.arguments import RunArguments
from layeredrl.levels import Exploration, LearningSchedule
from layeredrl.utils.schedules import LinearSchedule, Schedule


def sac_options(n_steps: int, gamma: float, width: int = 64) -> tuple[str, ...]:
    """Describe the usual learner for skills of some length.

    Args:
        n_steps: Rewards per return; as many as a skill has decisions.
        gamma: Discount per environment step.
        width: Units of each of its two hidden layers.

    Returns:
        Fields of its configuration as ``name=value``.
    """
    sizes = (f"hidden_sizes=({width}, {width})", "lr=1e-3")
    return (*sizes, f"n_steps={n_steps}", f"gamma={gamma}", "alpha=0.03")


@dataclass(frozen=True)
class SkillArguments(RunArguments):
    """Arguments of a planner over skills."""

    env_id: str = "Maze2D-Medium-v0"
    """Any goal-based environment; ``module:Env-v0`` imports the module first."""
    state_keys: tuple[str, ...] = ("achieved_goal",)
    """Observation keys that make up the latent state."""
    state_columns: tuple[int, ...] = ()
    """Columns of ``observation`` that it holds besides, for example where the hand is that
    is to move an object."""
    skill_dim: int = 2
    """Features of a skill."""
    n_skills: int = 0
    """Number of discrete skills; 0 for continuous ones. More than the latent state has
    features need ``sb_start_duration=0``."""
    control_interval: int = 10
    """Decisions per skill."""
    fixed_std: tuple[float, float, int] = (1.0, 0.3, 10_000)
    """Length at which skills repel each other: at the start, in the end, and environment
    steps between."""
    whiten: bool = False
    """Whether that is measured in units of the standardised change, else in those of the
    latent state."""
    n_skill_samples: int = 16
    """Other skills that a skill is held against."""
    clip: float = 4.0
    """Largest absolute score [nats]."""
    relabel_ratio: float = 0.8
    """Share of sampled skills that are learned from as if another had been asked for."""
    sb_start_duration: int = 8000
    """Environment steps of the symmetry-breaking start; 0 turns it off."""
    sb_gain: float = 1.73
    """Length of the normalised change that a skill of length one causes in it."""
    n_models: int = 1
    """Ensemble members of the skill model."""
    n_modes: int = 1
    """Modes per member."""
    n_frequencies: int = 4
    """Sines and cosines of the latent state that the skill model sees beside it."""
    state_noise: float = 0.3
    """Noise on the states that the skill model learns from, in units of a skill's change."""
    model_lr: float = 3e-3
    """Learning rate of the skill model at the start; it falls to a tenth."""
    known_reward: bool = False
    """Whether plans are paid by the environment's own ``compute_reward``."""
    use_value: bool = True
    """Whether a value is learned and added at the end of plans."""
    gamma: float = 0.99
    """Discount of the value, used with ``use_value``."""
    hindsight_ratio: float = 0.5
    """Share of sampled stretches that reward and value learn from with a goal that they
    went on to reach."""
    optimizer: OptimizerName = "icem"
    """How plans are searched; discrete skills always use the categorical CEM."""
    horizon: int = 8
    """Planned skills."""
    n_followed: int = 1
    """Planned skills that are carried out before the next search."""
    surprise: float | None = 0.8
    """Deviation of a skill's outcome from its prediction beyond which a plan is given up
    [predicted standard deviations]; ``None`` for never."""
    surprise_duration: int = 1
    """Random skills that follow a surprise, in tests and evaluation, too."""
    n_candidates: int = 64
    """Candidate sequences of skills per iteration."""
    n_iterations: int = 2
    """Iterations per plan."""
    n_eval_candidates: int = 128
    """Candidate sequences per iteration in tests and evaluation."""
    n_eval_iterations: int = 3
    """Iterations per plan in tests and evaluation."""
    n_refinements: int = 5
    """Gradient steps of the best plan after the search. Discrete skills and
    ``--known-reward``, which has no gradient, do without them."""
    n_eval_refinements: int = 10
    """Gradient steps in tests and evaluation."""
    noise_beta: float = 2.0
    """Colour of iCEM's noise along time; 0 is white, more is slower."""
    disagreement_weight: float = 0.0
    """Weight of member disagreement in the objective; negative is a penalty."""
    exploration_bonus: float = 0.0
    """Weight of member disagreement that is added to that while training, so that plans
    lead to where the model has most to learn; needs several members."""
    warm_up_env_steps: int = 2000
    """Environment steps in which actions are random."""
    plan_from_env_steps: int = 8000
    """Environment steps in which skills are random."""
    hold: int = 5
    """Steps for which a random action is kept."""
    random_probability: float = 0.05
    """Chance that a planning instance starts a random phase when a skill is over."""
    random_duration: int = 3
    """Skills of a random phase."""
    noise_std: float = 0.1
    """Noise on planned skills while training, in half ranges."""
    learner: LearnerName = "sac"
    """How skills learn, off-policy."""
    learner_options: tuple[str, ...] = sac_options(n_steps=10, gamma=0.9)
    """Fields of its configuration as ``name=value``."""
    skill_updates_per_env_step: float = 0.0625
    """Updates of the skills per environment step."""
    skill_batch_size: int = 80
    """Whole skills per update."""
    freeze_env_steps: int | None = 20_000
    """Environment steps after which skills stay as they are."""
    model_updates_per_env_step: float = 0.08
    """Updates of the skill model and reward per environment step."""
    batch_size: int = 128
    """Transitions per update of reward and value."""
    model_batch_size: int = 256
    """Transitions per update of the skill model."""
    buffer_size: int = 10_000
    """Skills kept for learning the model."""
    learn_interval: int = 160
    """Environment steps between bursts of updates."""
    n_envs: int = 16
    """Environment instances that collect experience."""
    total_env_steps: int = 100_000
    """Environment steps of training, over all instances."""
    test_interval: int = 25_000
    """Environment steps between periodic tests; 0 for none."""
    checkpoint_interval: int = 25_000
    """Environment steps between checkpoints; 0 for none but the one at Ctrl-C."""

    def repulsion(self) -> Schedule:
        """Read ``fixed_std``.

        Returns:
            The schedule.
        """
        return LinearSchedule(*self.fixed_std)

    def skill_options(self) -> dict[str, Any]:
        """Read what all skill levels take.

        Returns:
            Keyword arguments of their constructors.
        """
        return {
            "skill_dim": self.skill_dim,
            "n_skills": self.n_skills or None,
            "n_skill_samples": self.n_skill_samples,
            "clip": self.clip,
            "fixed_std": self.repulsion(),
            "learner": choose_learner(self.learner, self.learner_options),
            "relabel_ratio": self.relabel_ratio,
            "exploration": Exploration(self.warm_up_env_steps, hold=self.hold),
            "learning": LearningSchedule(
                start_env_steps=self.warm_up_env_steps,
                interval_env_steps=self.learn_interval,
                updates_per_env_step=self.skill_updates_per_env_step,
                batch_size=self.skill_batch_size,
            ),
            "freeze_env_steps": self.freeze_env_steps,
        }
