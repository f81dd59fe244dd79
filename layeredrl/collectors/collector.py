"""Training: environments are stepped, levels learn, tests are run, numbers are written."""

import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from gymnasium.vector import VectorEnv
from tqdm import tqdm

from layeredrl.collectors.env_stepper import EnvStepper
from layeredrl.collectors.episodes import Episode, EpisodeTracker, summarize
from layeredrl.collectors.evaluator import evaluate
from layeredrl.collectors.metrics_log import MetricsLog
from layeredrl.errors import ConfigurationError
from layeredrl.hierarchies import Hierarchy
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
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        env: VectorEnv,
        test_env: VectorEnv | None = None,
        writer: "SummaryWriter | None" = None,
        metrics_log: MetricsLog | None = None,
    ):
        """Put the parts together.

        Args:
            hierarchy: Built for ``env``.
            env: Where experience is collected; any autoreset mode.
            test_env: Where tests are run; of the same spaces, of any size.
            writer: TensorBoard writer, if there is no ``metrics_log``.
            metrics_log: Where numbers go.

        Raises:
            ConfigurationError: If ``env`` is no vector environment, has another size than
                the hierarchy was built for, or is the test environment too.
            SpaceError: If an environment has other spaces than the hierarchy.
        """
        self._stepper = EnvStepper(env, hierarchy)
        if env is test_env:
            raise ConfigurationError("tests need an environment of their own")
        hierarchy.check_env(env)
        if test_env is not None:
            EnvStepper(test_env)  # raises where it cannot be stepped
            hierarchy.check_env(test_env)
        self.hierarchy = hierarchy
        self._test_env = test_env
        self._log = metrics_log or MetricsLog(writer=writer)
        self._tracker = EpisodeTracker(env.num_envs)
        self._recent: deque[Episode] = deque(maxlen=_RECENT_EPISODES)
        self._test_seed = np.random.SeedSequence(0)
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
        env_seed, self._test_seed = spawn(seed, 2)
        self._stepper.reset(integer_seed(env_seed))
        self._tracker = EpisodeTracker(self._stepper.env.num_envs)
        self.hierarchy.reset()
        self._is_reset = True

    def collect(
        self,
        n_steps: int,
        learn: bool = True,
        test_interval: int | None = None,
        n_test_episodes: int = 20,
        log_interval: int = 1000,
        show_progress: bool = True,
    ) -> dict[str, float]:
        """Collect experience, and learn from it as the levels' schedules say.

        Args:
            n_steps: Environment steps to take, over all instances; as many more as finish
                the last step of the vector environment.
            learn: Whether levels may learn.
            test_interval: Environment steps between tests; ``None`` for no tests.
            n_test_episodes: Episodes per test.
            log_interval: Environment steps between two entries in the log.
            show_progress: Whether to show a bar with rates and the last success.

        Returns:
            A summary of the most recent episodes and the last test.

        Raises:
            ConfigurationError: If a number is not positive, or tests are asked for
                without a test environment.
        """
        self._check(n_steps, test_interval, n_test_episodes, log_interval)
        if not self._is_reset:
            self.reset(seed=0)
        self.hierarchy.train()
        goal = self.n_env_steps + n_steps
        started, first = time.monotonic(), self.n_env_steps
        with tqdm(total=n_steps, unit="step", disable=not show_progress) as bar:
            while self.n_env_steps < goal:
                before = self.n_env_steps
                has_news = self._step()
                if learn:
                    self._learned |= self.hierarchy.learn()
                if _passed(test_interval, before, self.n_env_steps):
                    self._log.write(self.n_env_steps, self.test(n_test_episodes))
                    has_news = True
                if _passed(log_interval, before, self.n_env_steps):
                    seconds = max(time.monotonic() - started, 1e-9)
                    self._write((self.n_env_steps - first) / seconds)
                if has_news:
                    bar.set_postfix(self._headline(), refresh=False)
                bar.update(min(self.n_env_steps, goal) - min(before, goal))
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
        acting_seed, env_seed = spawn(self._test_seed, 2)
        copy = self.hierarchy.acting_copy(self._test_env, acting_seed)
        episodes = evaluate(copy, self._test_env, n_episodes, integer_seed(env_seed))
        summary = summarize(episodes)
        self._last_test = {f"test/{name}": value for name, value in summary.items()}
        return self._last_test

    def _step(self) -> bool:
        """Take a step; tell whether it finished episodes."""
        stepper = self._stepper
        actions = self.hierarchy.get_action(stepper.obs, stepper.active)
        step = stepper.step(actions)
        info = {} if step.success is None else {"success": step.success}
        self.hierarchy.process_transition(
            step.next_obs, step.reward, step.terminated, step.truncated, info
        )
        finished = self._tracker.add(step)
        self._recent.extend(finished)
        self.n_episodes += len(finished)
        self.n_env_steps += int(step.taken.sum())
        return bool(finished)

    def _write(self, rate: float) -> None:
        train = {f"train/{k}": v for k, v in summarize(list(self._recent)).items()}
        rates = {"time/env_steps_per_s": rate}
        self._log.write(self.n_env_steps, self._learned | train | rates)
        self._learned = {}

    def _headline(self) -> dict[str, str]:
        numbers = {**summarize(list(self._recent)), **self._last_test}
        shown = {
            "return": numbers.get("return_mean"),
            "success": numbers.get("success_last"),
            "test success": numbers.get("test/success_last"),
            "test return": numbers.get("test/return_mean"),
        }
        return {name: f"{x:.2f}" for name, x in shown.items() if x is not None}

    def _summary(self) -> dict[str, float]:
        train = {f"train/{k}": v for k, v in summarize(list(self._recent)).items()}
        return train | self._last_test | {"env_steps": float(self.n_env_steps)}

    def _check(
        self,
        n_steps: int,
        test_interval: int | None,
        n_test_episodes: int,
        log_interval: int,
    ) -> None:
        numbers = {
            "n_steps": n_steps,
            "test_interval": 1 if test_interval is None else test_interval,
            "n_test_episodes": n_test_episodes,
            "log_interval": log_interval,
        }
        for name, number in numbers.items():
            if number < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {number}")
        if test_interval is not None and self._test_env is None:
            raise ConfigurationError("tests were asked for, but there is no test_env")


def _passed(interval: int | None, before: int, after: int) -> bool:
    return interval is not None and before // interval < after // interval
