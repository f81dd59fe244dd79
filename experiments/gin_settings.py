"""What gin says of networks, put in force."""

import importlib
from collections.abc import Sequence

import gin

from layeredrl.errors import ConfigurationError

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
