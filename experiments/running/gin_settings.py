"""What gin says of networks, put in force."""

import importlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import gin

from layeredrl.errors import ConfigurationError, LayeredRLError

# Whose networks gin can configure, beside what is imported here anyway.
_CONFIGURABLE = (
    "layeredrl.nets.actor_critic",
    "layeredrl.nets.cnn",
    "layeredrl.nets.traj_encoders",
    "layeredrl.nets.tstep_encoders",
)


def configure_gin(entries: Sequence[str]) -> None:
    """Apply gin files and bindings; earlier ones of the process are dropped.

    Args:
        entries: Paths that end in ``.gin``, or bindings.

    Raises:
        ConfigurationError: If a file cannot be read, or gin does not know or understand
            what is bound.
    """
    gin.clear_config()
    files = [entry for entry in entries if entry.endswith(".gin")]
    bindings = [entry for entry in entries if not entry.endswith(".gin")]
    for module in _CONFIGURABLE:
        importlib.import_module(module)
    # Not finalised: modules that are imported later may bring configurables of their own.
    try:
        gin.parse_config_files_and_bindings(files, bindings, finalize_config=False)
    except (OSError, SyntaxError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise ConfigurationError(f"gin cannot use {[*entries]}: {first}") from error


@contextmanager
def gin_is_named() -> Iterator[None]:
    """While networks are built: an error that comes of gin's values says so.

    Raises:
        ConfigurationError: If what gin configures cannot be built.
    """
    try:
        yield
    except LayeredRLError:
        raise
    except Exception as error:
        told = str(error)
        called = re.search(r"In call to configurable '(\w+)'", told)
        values = _lines_of(called[1], gin.config_str()) if called else []
        if not values:
            raise
        reason = f"{type(error).__name__}: {told.partition(chr(10))[0]}"
        raise ConfigurationError(
            f"nothing can be built with gin's {', '.join(values)} ({reason})"
        ) from error


def unused_gin() -> list[str]:
    """Tell what gin was to configure and did not.

    Returns:
        Names of parameters of networks that were not built since the configuration was put in
        force, or were given by their builder.
    """
    used = _names(gin.operative_config_str())
    return [name for name in _names(gin.config_str()) if name not in used]


def _names(config: str) -> list[str]:
    return re.findall(r"^([\w./]+) =", config, flags=re.MULTILINE)


def _lines_of(configurable: str, config: str) -> list[str]:
    return re.findall(rf"^{configurable}\.\w+ = .*$", config, flags=re.MULTILINE)
