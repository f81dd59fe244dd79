"""``python -m layeredrl``: which version this is, and whether all that it needs is there."""

import argparse
import sys
from collections.abc import Sequence

from layeredrl.doctor import examine
from layeredrl.version import __version__


def main(command_line: Sequence[str] | None = None) -> int:
    """Read the command line and answer.

    Args:
        command_line: Arguments; ``None`` for those of the process.

    Returns:
        The exit code: 0, or 1 if something required is missing.
    """
    parser = argparse.ArgumentParser("python -m layeredrl", description=__doc__)
    parser.add_argument(
        "--version", action="version", version=f"layeredrl {__version__}"
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    about = "say what is installed, what is missing, and the command that installs it"
    commands.add_parser("doctor", help=about, description=about)
    if parser.parse_args(command_line).command is None:
        parser.print_help()
        return 0
    report, is_healthy = examine()
    sys.stdout.write(report + "\n")
    return 0 if is_healthy else 1


if __name__ == "__main__":
    sys.exit(main())
