"""Training: environments are stepped, levels learn, tests are run, numbers are written."""

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gymnasium.vector import VectorEnv
from tqdm import tqdm

from layeredrl.collectors.env_stepper import EnvStepper
from layeredrl.collectors.episodes import Episode, EpisodeTracker, headline, summarize
from layeredrl.collectors.evaluator import evaluate
from layeredrl.collectors.experience import Experience, LocalExperience
from layeredrl.collectors.interrupts import InterruptGuard
from layeredrl.collectors.metrics_log import MetricsLog
from layeredrl.collectors.run_checkpoints import RunCheckpoints
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
from layeredrl.utils.global_generators import (
    global_generator_states,
    set_global_generator_states,
)
from layeredrl.utils.seeding import integer_seed, spawn

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_RECENT_EPISODES = 20


class Collector:
    """Lets a hierarchy collect experience in a vector environment, and learn from it.

    Periodic tests use an acting copy and an environment of their own, so training with
    tests ends in the same weights as training without.

    Attributes:
        n_env_steps: Environment steps collected so far, over all instances.
        n_episodes: Episodes finished so far.
        stopwatch: Where the time goes.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        env: VectorEnv | Experience,
        test_env: VectorEnv | None = None,
        writer: "SummaryWriter | None" = None,
        metrics_log: MetricsLog | None = None,
        checkpoints: RunCheckpoints | None = None,
    ):
        """Put the parts together.

        Args:
            hierarchy: Built for ``env``.
            env: Where experience is collected, in any autoreset mode; or what brings the
                experience of workers.
            test_env: Where tests are run; of the same spaces, of any size.
            writer: TensorBoard writer, if there is no ``metrics_log``.
            metrics_log: Where numbers go.
            checkpoints: Where checkpoints go.

        Raises:
            ConfigurationError: If ``env`` is no vector environment, has another size than
                the hierarchy was built for, or is the test environment too.
            SpaceError: If an environment has other spaces than the hierarchy.
        """
        if not isinstance(env, Experience):
            env = LocalExperience(env, hierarchy)
        if isinstance(env, LocalExperience) and env.stepper.env is test_env:
            raise ConfigurationError("tests need an environment of their own")
        if test_env is not None:
            EnvStepper(test_env)  # raises where it cannot be stepped
            hierarchy.check_env(test_env)
        self.hierarchy = hierarchy
        self._experience = env
        self.stopwatch = env.stopwatch
        self._test_env = test_env
        self._checkpoints = checkpoints
        self._log = metrics_log or MetricsLog(writer=writer)
        self._tracker = EpisodeTracker(env.n_instances)
        self._recent: deque[Episode] = deque(maxlen=_RECENT_EPISODES)
        self._seed = 0
        self._last_test: dict[str, float] = {}
        self._learned: dict[str, float] = {}
        self._is_reset = False
        self.n_env_steps = 0
        self.n_episodes = 0

    def reset(self, seed: int) -> None:
        """Begin new episodes everywhere.

        Args:
            seed: Seeds the environment, and tests by seeds apart from it.
        """
        self._seed = seed
        env_seed, _ = spawn(seed, 2)
        self._experience.reset(integer_seed(env_seed))
        self._tracker = EpisodeTracker(self._experience.n_instances)
        self._is_reset = True

    def collect(
        self,
        n_steps: int,
        learn: bool = True,
        test_interval: int | None = None,
        n_test_episodes: int = 20,
        log_interval: int = 1000,
        checkpoint_interval: int | None = None,
        show_progress: bool = True,
    ) -> dict[str, float]:
        """Collect experience, and learn from it as the levels' schedules say.

        Ctrl-C ends it after the step in progress, with a checkpoint if there is a place;
        a second one ends it at once.

        Args:
            n_steps: Environment steps over all instances; the last vector step is whole.
            learn: Whether levels may learn.
            test_interval: Environment steps between tests; ``None`` for no tests.
            n_test_episodes: Episodes per test.
            log_interval: Environment steps between entries in the log.
            checkpoint_interval: Environment steps between checkpoints, or ``None``.
            show_progress: Whether to show a bar with rates and the last success.

        Returns:
            A summary of the most recent episodes and the last test.

        Raises:
            ConfigurationError: If a number is not positive, or tests or checkpoints have
                no place.
            CheckpointError: If a checkpoint cannot be written; the last one stays.
        """
        self._check(
            n_steps=n_steps,
            test_interval=test_interval,
            n_test_episodes=n_test_episodes,
            log_interval=log_interval,
            checkpoint_interval=checkpoint_interval,
        )
        if not self._is_reset:
            self.reset(seed=0)
        self.hierarchy.train()
        goal = self.n_env_steps + n_steps
        with (
            InterruptGuard() as interrupt,
            tqdm(total=n_steps, unit="step", disable=not show_progress) as bar,
        ):
            while self.n_env_steps < goal and not interrupt.is_requested:
                before = self.n_env_steps
                has_news = self._step()
                if learn:
                    with self.stopwatch.timing("learning"):
                        self._learned |= self.hierarchy.learn()
                if _passed(test_interval, before, self.n_env_steps):
                    self._log.write(self.n_env_steps, self.test(n_test_episodes))
                    has_news = True
                if _passed(log_interval, before, self.n_env_steps):
                    self._write()
                if _passed(checkpoint_interval, before, self.n_env_steps):
                    self.save_checkpoint()
                if has_news:
                    bar.set_postfix(headline(self._summary()), refresh=False)
                bar.update(min(self.n_env_steps, goal) - min(before, goal))
            if interrupt.is_requested:
                if self._checkpoints is not None:
                    self.save_checkpoint()
                raise KeyboardInterrupt
        return self._summary()

    def test(self, n_episodes: int) -> dict[str, float]:
        """Evaluate an acting copy of the hierarchy; training is not disturbed.

        Args:
            n_episodes: Number of held-out episodes, the same ones at every test.

        Returns:
            Their summary, ``test/...``.

        Raises:
            ConfigurationError: If there is no test environment.
        """
        if self._test_env is None:
            raise ConfigurationError("tests were asked for, but there is no test_env")
        _, test_seed = spawn(self._seed, 2)
        acting_seed, env_seed = spawn(test_seed, 2)
        copy = self.hierarchy.acting_copy(self._test_env, acting_seed)
        seed = integer_seed(env_seed)
        with self.stopwatch.timing("testing"):
            episodes = evaluate(copy, self._test_env, n_episodes, seed)
        self._last_test = {f"test/{k}": v for k, v in summarize(episodes).items()}
        return self._last_test

    def save_checkpoint(self) -> None:
        """Write a checkpoint from which the run continues exactly.

        Raises:
            CheckpointError: If it cannot be written; the last one stays.
        """
        with self.stopwatch.timing("saving"):
            self._place().save(self)

    def restore_checkpoint(self) -> bool:
        """Continue from the newest checkpoint that is whole.

        Returns:
            Whether there was one.

        Raises:
            CheckpointError: If none is whole, or of this hierarchy.
        """
        return self._place().restore(self) is not None

    def state_dict(self) -> dict[str, Any]:
        """Copy everything that changes, but for replay buffers.

        Returns:
            Tensors, arrays and plain values.
        """
        return {
            "hierarchy": self.hierarchy.state_dict(),
            "stepper": self._experience.state_dict(),
            "tracker": self._tracker.state_dict(),
            "recent": [list(episode) for episode in self._recent],
            "numbers": {"last_test": self._last_test, "learned": self._learned},
            "counters": [self.n_env_steps, self.n_episodes, self._seed],
            "log": self._log.state_dict(),
            "seconds": dict(self.stopwatch.seconds),
            "global_generators": global_generator_states(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore all but replay buffers and running episodes.

        Args:
            state: What :meth:`state_dict` returned.
        """
        self.hierarchy.load_state_dict(state["hierarchy"])
        self._tracker.load_state_dict(state["tracker"])
        self._recent.clear()
        self._recent.extend(Episode(*episode) for episode in state["recent"])
        self._last_test = dict(state["numbers"]["last_test"])
        self._learned = dict(state["numbers"]["learned"])
        self.n_env_steps, self.n_episodes, self._seed = state["counters"]
        self._log.load_state_dict(state["log"])
        self.stopwatch.load(state.get("seconds", {}))

    def load_episodes(self, state: Mapping[str, Any]) -> None:
        """Bring the running episodes back; where that fails, new ones begin.

        Args:
            state: What :meth:`state_dict` returned; loaded before.
        """
        if not self._experience.load_state_dict(state["stepper"]):
            self._tracker = EpisodeTracker(self._experience.n_instances)
        self._is_reset = True
        # Last, since environments may draw from them.
        set_global_generator_states(state["global_generators"])

    def _place(self) -> RunCheckpoints:
        if self._checkpoints is None:
            raise ConfigurationError("this collector was given no checkpoints")
        return self._checkpoints

    def _step(self) -> bool:
        """Take a step; tell whether it finished episodes."""
        step = self._experience.step()
        self._tracker.drop(self._experience.broken_off)
        finished = self._tracker.add(step)
        self._recent.extend(finished)
        self.n_episodes += len(finished)
        self.n_env_steps += int(step.taken.sum())
        return bool(finished)

    def _write(self) -> None:
        rate = self.n_env_steps / max(self.stopwatch.total, 1e-9)
        rates = {"time/env_steps_per_s": rate} | self.stopwatch.numbers()
        told = self.hierarchy.log()
        numbers = self._learned | told.numbers | self._train() | rates
        self._log.write(self.n_env_steps, numbers, told.samples)
        self._learned = {}

    def _summary(self) -> dict[str, float]:
        return self._train() | self._last_test | {"env_steps": float(self.n_env_steps)}

    def _train(self) -> dict[str, float]:
        return {f"train/{k}": v for k, v in summarize(list(self._recent)).items()}

    def _check(self, **numbers: int | None) -> None:
        for name, number in numbers.items():
            if number is not None and number < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {number}")
        if numbers["test_interval"] is not None and self._test_env is None:
            raise ConfigurationError("tests were asked for, but there is no test_env")
        if numbers["checkpoint_interval"] is not None and self._checkpoints is None:
            raise ConfigurationError("checkpoints were asked for without a place")


def _passed(interval: int | None, before: int, after: int) -> bool:
    return interval is not None and before // interval < after // interval
