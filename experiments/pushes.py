"""Push agents aside in the middle of skills: how close do they still end to what was predicted?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from experiments.disturbances import disturb, pushes_figure
from experiments.running.command_line import command_line, read_command_line
from experiments.running.run_folder import versions, write_json
from experiments.running.training import main
from layeredrl.errors import ConfigurationError, RunFolderError


@dataclass(frozen=True)
class PushArguments:
    """Whom to push, and how."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders or checkpoints of planners over skills in ``Maze2D`` environments."""
    pushes: int = 200
    """How many of each."""
    length: float = 0.4
    """How far [cells]."""
    seed: int = 0
    """Root of the randomness: starts, goals, left or right."""
    output: Path = Path("runs/pushes")
    """Folder for ``pushes.json`` and ``pushes.png``; older ones are replaced."""
    device: str = "cpu"
    """Where networks live, for example ``cuda``."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        if not self.runs or self.pushes < 1 or self.length <= 0:
            raise ConfigurationError(
                "runs, pushes and length must be at least one run, 1 and positive, got "
                f"{len(self.runs)} runs, {self.pushes} and {self.length}"
            )


def table_of(rows: list[dict[str, Any]]) -> str:
    """Lay the numbers out.

    Args:
        rows: What :meth:`Disturbed.numbers` returned, of each run.

    Returns:
        A text table.
    """
    names = {
        "end_pushed": "ends off, pushed",
        "end_calm": "left alone",
        "way": "way",
        "corrected": "corrected",
    }
    lines = [f"{'':<20}" + "".join(f"{words:>26}" for words in names.values())]
    for row in rows:
        cells = []
        for name in names:
            value, (low, high) = row[name]["value"], row[name]["ci95"]
            cells.append(f"{f'{value:.2f} ({low:.2f} .. {high:.2f})':>26}")
        lines.append(f"{row['label']:<20}" + "".join(cells))
    push = np.mean([row["push"]["value"] for row in rows])
    return "\n".join(
        [*lines, f"{rows[0]['n_pushes']} pushes each, by {push:.2f} cells"]
    )


def run() -> None:
    """Read the command line, push, write numbers and picture, print the table."""
    arguments = read_command_line(PushArguments, __doc__)
    disturbed = [
        disturb(
            place, arguments.pushes, arguments.length, arguments.seed, arguments.device
        )
        for place in arguments.runs
    ]
    rows = [one.numbers() for one in disturbed]
    how = {"length": arguments.length, "seed": arguments.seed, "versions": versions()}
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        pushes_figure(disturbed).savefig(arguments.output / "pushes.png", dpi=110)
    except OSError as error:
        raise RunFolderError(f"cannot write to {arguments.output}: {error}") from error
    content = {"runs": rows, **how, "command": command_line()}
    write_json(arguments.output / "pushes.json", content)
    print(f"\n{table_of(rows)}\n\npicture         {arguments.output / 'pushes.png'}")


if __name__ == "__main__":
    main(run)
