"""What a user says of a sequence actor-critic."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import LearnerConfig, LearnerSpec
from layeredrl.learners.sequence.encoder import SMALL_TRANSFORMER, small_tstep_encoder
from layeredrl.nets.policy_dists import PolicyOutput, TanhGaussian
from layeredrl.nets.traj_encoder import TrajEncoderType
from layeredrl.nets.tstep_encoder import TstepEncoderType
from layeredrl.utils.schedules import LinearSchedule, Schedule, as_schedule

if TYPE_CHECKING:
    from layeredrl.learners.sequence.actor_critic import SequenceActorCritic


@dataclass(frozen=True)
class SequenceActorCriticConfig(LearnerConfig):
    """An actor-critic that remembers, for tasks that single observations do not tell.

    After AMAGO (Grigsby et al., "AMAGO: Scalable In-Context Reinforcement Learning for
    Adaptive Agents", ICLR 2024): one sequence model under actor and critics, all trained
    together, off-policy, on whole sequences and for several discounts at once.
    """

    tstep_encoder: TstepEncoderType = small_tstep_encoder
    """Builds the encoder of single steps from the Dict space of the observation's parts
    and the Box of reward and action features. The default is a small MLP, or a CNN where
    there is a picture."""
    traj_encoder: TrajEncoderType = SMALL_TRANSFORMER
    """Builds the encoder that remembers from the features of an encoded step and
    ``max_seq_len``: Transformer, GRU or Mamba, or ``FFTrajEncoder`` for no memory."""
    max_seq_len: int = 64
    """Longest sequence of observations that is learned from [decisions]."""
    gammas: tuple[float, ...] = (0.9, 0.97, 0.99)
    """Discounts per environment step that are learned for, in [0, 1); those beside
    ``gamma`` teach the encoder about nearer or farther futures."""
    gamma: float = 0.99
    """The discount that decisions are taken for, one of ``gammas``."""
    policy_dist: type[PolicyOutput] = TanhGaussian
    """Distribution of ``Box`` actions: ``TanhGaussian``, ``Beta`` or ``GMM``."""
    actor_hidden: tuple[int, int] = (2, 128)
    """Number of hidden layers of the actor, and units of each."""
    critic: Literal["scalar", "two_hot"] = "scalar"
    """Whether critics regress values, or classify them into bins."""
    critic_hidden: tuple[int, int] = (2, 128)
    """Number of hidden layers of each critic, and units of each."""
    n_critics: int = 4
    """Critics in the ensemble."""
    n_target_critics: int = 2
    """How many of them, drawn anew for each update, the smallest bootstraps from (as in
    REDQ, Chen et al. 2021)."""
    n_bins: int = 64
    """Bins of two-hot critics."""
    return_range: tuple[float, float] = (-1000.0, 1000.0)
    """Smallest and largest return that two-hot critics can tell; bins are even in symlog."""
    use_popart: bool = True
    """Whether values are normalised by running statistics (PopArt), for regression and
    for the weight of the actor's loss."""
    tau: float = 0.005
    """Share of the online networks that target networks take over per update, (0, 1]."""
    td_lambda: float = 0.0
    """How far returns follow what was really done before they bootstrap, in [0, 1]
    (Peng's Q(lambda)). Rewards that lie far ahead are then learned of within fewer
    updates, at the price that what exploration spoiled counts against the policy."""
    learning_rate: Schedule | float = 3e-4
    """Of Adam, for all networks, over the decisions that explored so far."""
    max_grad_norm: float | None = 1.0
    """Largest norm of all gradients together; ``None`` for any."""
    critic_coeff: float = 10.0
    """Weight of the critics' loss."""
    online_coeff: float = 1.0
    """Weight of the actor's loss by the critics; 0 to learn from others' data only."""
    offline_coeff: float = 0.0
    """Weight of cloning the stored actions that pass the advantage filter."""
    advantage_filter: Literal["binary", "exp"] = "binary"
    """Whether actions better than the policy are cloned, all alike, or all actions by the
    exponential of their normalised advantage."""
    advantage_temperature: float = 1.0
    """Advantage that makes e times the weight, with ``"exp"``."""
    entropy_coeff: float = 0.05
    """Weight of the policy's entropy [nats] in the actor's loss."""
    exploration: Schedule | float = LinearSchedule(1.0, 0.05, duration=10_000)
    """Over the decisions that explored so far: the probability of a uniformly random
    action where they are ``Discrete``, and the standard deviation of Gaussian noise, in
    half ranges, where they are ``Box``. It comes on top of drawing from the policy."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        self._check_names()
        self._check_discounts()
        low, high = self.return_range
        requirements = {
            "max_seq_len": (self.max_seq_len >= 2, "at least 2"),
            "actor_hidden": (min(self.actor_hidden) >= 1, "positive"),
            "critic_hidden": (min(self.critic_hidden) >= 1, "positive"),
            "n_critics": (self.n_critics >= 1, "positive"),
            "n_target_critics": (
                1 <= self.n_target_critics <= self.n_critics,
                "in 1 .. n_critics",
            ),
            "n_bins": (self.n_bins >= 2, "at least 2"),
            "return_range": (low < high, "a lower and a higher number"),
            "tau": (0.0 < self.tau <= 1.0, "in (0, 1]"),
            "td_lambda": (0.0 <= self.td_lambda <= 1.0, "in [0, 1]"),
            "learning_rate": (as_schedule(self.learning_rate)(0) > 0.0, "positive"),
            "max_grad_norm": (
                self.max_grad_norm is None or self.max_grad_norm > 0.0,
                "positive or None",
            ),
            "critic_coeff": (self.critic_coeff > 0.0, "positive"),
            "online_coeff": (self.online_coeff >= 0.0, "not negative"),
            "offline_coeff": (self.offline_coeff >= 0.0, "not negative"),
            "advantage_temperature": (self.advantage_temperature > 0.0, "positive"),
            "entropy_coeff": (self.entropy_coeff >= 0.0, "not negative"),
        }
        for name, (is_met, expected) in requirements.items():
            if not is_met:
                raise ConfigurationError(
                    f"{name} must be {expected}, got {getattr(self, name)}"
                )
        if self.online_coeff == self.offline_coeff == 0.0:
            raise ConfigurationError(
                "the actor would learn nothing: online_coeff or offline_coeff must be "
                "positive"
            )

    def build(self, spec: LearnerSpec) -> "SequenceActorCritic":
        """Build the learner."""
        from layeredrl.learners.sequence.actor_critic import SequenceActorCritic

        return SequenceActorCritic(spec, self)

    @property
    def acted_gamma(self) -> int:
        """Which of ``gammas`` decisions are taken for."""
        return self.gammas.index(self.gamma)

    def _check_names(self) -> None:
        if self.critic not in ("scalar", "two_hot"):
            raise ConfigurationError(
                f"critic must be 'scalar' or 'two_hot', got {self.critic!r}"
            )
        if self.advantage_filter not in ("binary", "exp"):
            raise ConfigurationError(
                "advantage_filter must be 'binary' or 'exp', got "
                f"{self.advantage_filter!r}"
            )
        kind = self.policy_dist
        if not (isinstance(kind, type) and issubclass(kind, PolicyOutput)):
            raise ConfigurationError(f"policy_dist is no kind of policy: {kind!r}")
        has_gradient = kind(d_action=1).actions_differentiable
        if not has_gradient and self.online_coeff + self.entropy_coeff > 0.0:
            raise ConfigurationError(
                f"policy_dist {kind.__name__} has no differentiable actions; it needs "
                "online_coeff and entropy_coeff of 0, and learns by offline_coeff alone"
            )

    def _check_discounts(self) -> None:
        if not all(0.0 <= gamma < 1.0 for gamma in self.gammas):
            raise ConfigurationError(f"gammas must be in [0, 1), got {self.gammas}")
        if self.gamma not in self.gammas:
            raise ConfigurationError(
                f"gamma must be one of gammas, got {self.gamma} and {self.gammas}"
            )
