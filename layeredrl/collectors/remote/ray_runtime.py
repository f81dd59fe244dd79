"""Ray: imported only where it is asked for, and started if it does not run."""

import importlib
import logging
import os
from typing import Any

from layeredrl.doctor import install_command
from layeredrl.errors import ConfigurationError, MissingExtraError

# Rollouts are small; a share of the machine's memory, as Ray would take, is far too much.
_STORE_BYTES = 512 * 2**20


def import_ray(part: str = "ray") -> Any:
    """Import Ray.

    Args:
        part: A package of it, for example ``ray.tune``.

    Returns:
        The package.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return importlib.import_module(part)
    except ImportError as error:
        raise MissingExtraError(
            f"this needs {part}, which is not installed; "
            f"to install it: {install_command('distributed')}"
        ) from error


class RayRuntime:
    """A Ray that runs.

    Where the process is connected to Ray already, or ``RAY_ADDRESS`` names a cluster, that
    is used and left running. Else Ray is started on this machine.

    Attributes:
        ray: The package.
        n_cpus: Processors of the cluster.
    """

    def __init__(self, n_cpus: int):
        """Connect or start.

        Args:
            n_cpus: Actors or tasks that run at once; each counts for one processor.

        Raises:
            MissingExtraError: If Ray is not installed.
            ConfigurationError: If a running Ray has fewer processors.
        """
        self.ray = import_ray()
        self._is_own = not self.ray.is_initialized()
        if self._is_own:
            self._start(n_cpus)
        self.n_cpus = int(self.ray.cluster_resources().get("CPU", 0))
        if self.n_cpus < n_cpus:
            self.close()
            raise ConfigurationError(
                f"{n_cpus} processors are asked for, but Ray has {self.n_cpus}; "
                "ask for fewer workers, or add machines"
            )

    def close(self) -> None:
        """End Ray if it was started here."""
        if self._is_own:
            self.ray.shutdown()
            self._is_own = False

    def _start(self, n_cpus: int) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if "RAY_ADDRESS" in os.environ:
            self.ray.init(**quiet)
            return
        self.ray.init(
            address="local",
            num_cpus=n_cpus,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            **quiet,
        )
