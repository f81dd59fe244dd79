"""The description of a TD-MPC2 learner."""

from dataclasses import dataclass
from typing import get_args

from layeredrl.errors import ConfigurationError
from layeredrl.learners.learner import LearnerConfig, LearnerSpec
from layeredrl.learners.tdmpc2.learner import TDMPC2Learner
from layeredrl.learners.tdmpc2.sizes import ModelSizeName
from layeredrl.optimizers.checks import check_choice, check_count, check_range


@dataclass(frozen=True)
class TDMPC2Config(LearnerConfig):
    """Numbers of a :class:`TDMPC2Learner`.

    The search is smaller than the paper's (512 samples, 64 elites, 24 trajectories of the
    policy, 6 iterations), for CPUs.
    """

    model_size: ModelSizeName = "tiny"
    """Size of the networks: ``"tiny"`` for a laptop's CPU, ``"base"`` for a GPU."""

    gamma: float = 0.99
    """Discount per environment step, [0, 1)."""

    horizon: int = 3
    """Decisions that are imagined, in learning as in planning."""

    learning_rate: float = 1e-3
    """Step size of Adam; the paper's 3e-4 suits its larger networks."""

    encoder_lr_scale: float = 0.3
    """The encoder's step size as a multiple of the others'."""

    clip_grad_max_norm: float = 20.0
    """Largest norm of the world model's gradients together, and of the policy's."""

    tau: float = 0.01
    """How fast target values and running averages follow, (0, 1]."""

    rho: float = 0.5
    """Ratio of the weights of successive steps in all losses, (0, 1]."""

    consistency_coef: float = 20.0
    """Weight of the loss of imagined latent states."""

    reward_coef: float = 0.1
    """Weight of the loss of rewards."""

    value_coef: float = 0.1
    """Weight of the loss of values."""

    termination_coef: float = 1.0
    """Weight of the loss of ends of episodes."""

    entropy_coef: float = 1e-4
    """Weight of the policy's entropy against its value in units of the running scale."""

    n_bins: int = 101
    """Bins over which rewards and values are spread."""

    vmin: float = -10.0
    """Lowest bin, in symlog of a reward or value; -10 stands for about -22,000."""

    vmax: float = 10.0
    """Highest bin, in symlog of a reward or value."""

    episodic: bool = True
    """Whether the agent learns when episodes terminate; without need it costs time."""

    use_policy: bool = False
    """Whether the policy acts alone, which is many times faster than planning."""

    plans_while_exploring: bool = True
    """Whether decisions are planned while exploring, too; else the policy takes those."""

    n_samples: int = 32
    """Candidate sequences that are drawn per iteration."""

    n_elites: int = 8
    """Best candidates, the policy's included, that shape the next iteration."""

    n_policy_trajectories: int = 8
    """Candidate sequences from the policy; 0 is legal."""

    n_iterations: int = 3
    """Iterations per decision."""

    temperature: float = 0.5
    """Distance from the highest value at which an elite's weight has fallen to 1/e. The paper
    multiplies by its temperature of 0.5 instead: that is 2 here."""

    min_std: float = 0.05
    """Floor of the deviation of actions in [-1, 1] that are explored."""

    max_std: float = 2.0
    """Deviation with which a search starts."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_choice("model_size", self.model_size, get_args(ModelSizeName))
        for name in ("horizon", "n_samples", "n_elites", "n_iterations"):
            check_count(name, getattr(self, name))
        if self.n_policy_trajectories != 0:
            check_count("n_policy_trajectories", self.n_policy_trajectories)
        check_range("gamma", self.gamma, 0, 1, allow_high=False)
        for name in ("tau", "rho"):
            check_range(name, getattr(self, name), 0, 1, allow_low=False)
        positive = ("learning_rate", "clip_grad_max_norm", "temperature", "max_std")
        for name in positive:
            check_range(name, getattr(self, name), 0, allow_low=False)
        coefs = ("consistency", "reward", "value", "termination", "entropy")
        for name in ("encoder_lr_scale", *(f"{coef}_coef" for coef in coefs)):
            check_range(name, getattr(self, name))
        check_range("min_std", self.min_std, 0, self.max_std)
        self._check_bins()
        n_candidates = self.n_samples + self.n_policy_trajectories
        if self.n_elites > n_candidates:
            raise ConfigurationError(
                f"n_elites must be at most n_samples + n_policy_trajectories = "
                f"{n_candidates}, got {self.n_elites}"
            )

    def build(self, spec: LearnerSpec) -> TDMPC2Learner:
        """Build the learner."""
        return TDMPC2Learner(spec, self)

    def _check_bins(self) -> None:
        check_count("n_bins", self.n_bins)
        check_range("vmin", self.vmin, -80, 80)
        check_range("vmax", self.vmax, -80, 80)
        if self.n_bins < 2 or self.vmin >= self.vmax:
            raise ConfigurationError(
                "there must be at least 2 bins, from vmin to a larger vmax, got "
                f"{self.n_bins} from {self.vmin} to {self.vmax}"
            )
