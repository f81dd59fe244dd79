"""Look at the model of a trained agent: what it predicts, against what happens."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.figures import Album, check_model, draw_model, planner_of, study_agent
from experiments.running.command_line import read_command_line
from experiments.running.run_folder import write_json
from experiments.running.training import main
from experiments.trained.revisiting import RevisitArguments, revisit
from layeredrl.diagnostics import numbers_ahead
from layeredrl.errors import ConfigurationError, RunFolderError

# Columns of the table: entries of the file, and what they are called.
_COLUMNS = {
    "error": "error",
    "position_error": "position",
    "still": "if still",
    "error_in_std": "in std",
    "coverage_90": "in 90 %",
    "calibration_error": "calibration",
    "reward_error": "reward",
    "reward_explained": "explained",
}
_WIDTH, _MOST_ROWS = 13, 8


@dataclass(frozen=True)
class InspectArguments(RevisitArguments):
    """Whose model to look at, and how thoroughly."""

    episodes: int = 20
    """Held-out episodes."""
    horizon: int | None = None
    """Decisions that are looked ahead; by default those of a plan."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        super().__post_init__()
        if self.horizon is not None and self.horizon < 1:
            raise ConfigurationError(f"horizon must be at least 1, got {self.horizon}")


def inspect_trained(arguments: InspectArguments) -> dict[str, Any]:
    """Play held-out episodes, measure the model of each level that has one, draw it.

    Args:
        arguments: Whose model.

    Returns:
        What the JSON file holds, with the paths of file and pictures.

    Raises:
        RunFolderError: If there is no checkpoint, or something else would be replaced.
        CheckpointError: If the checkpoint is foreign or does not fit.
        ConfigurationError: If no level has a predictor, or the environment is not known.
    """
    with revisit("model", arguments) as found:
        planner_of(found.agent)
        _check_pictures(found.output)
        studied = study_agent(
            found.agent,
            found.env,
            arguments.episodes,
            found.eval_seed,
            arguments.horizon,
        )
    checks = check_model(studied, found.eval_seed)
    album = Album(found.output.parent, f"{found.output.stem}-")
    draw_model(album, studied, checks)
    ahead = numbers_ahead(studied.recording, studied.errors, *checks)
    result = found.description() | {
        "episodes": studied.recording.n_episodes,
        "decisions": len(studied.recording),
        "levels": {"level0": {name: _plain(x) for name, x in ahead.items()}},
    }
    write_json(found.output, result)
    pictures = [str(path) for path in album.paths]
    return result | {"output": str(found.output), "pictures": pictures}


def table_of(level: dict[str, Any]) -> str:
    """Lay out how good a level's model is, the further it looks ahead.

    Args:
        level: Entry of ``levels`` in what :func:`inspect_trained` returned.

    Returns:
        A text table, with more of the near steps.
    """
    names = [name for name in _COLUMNS if name in level]
    n = len(level["ahead"])
    rows = np.unique(np.rint(np.geomspace(1, n, min(n, _MOST_ROWS))).astype(int)) - 1
    titles = [f"{_COLUMNS[name]:>{_WIDTH}}" for name in names]
    lines = ["ahead" + "".join(titles)]
    for row in rows:
        numbers = [_shown(level[name][row]) for name in names]
        lines.append(f"{level['ahead'][row]:<5}" + "".join(numbers))
    return "\n".join(lines)


def _shown(number: float | None) -> str:
    return f"{'-':>{_WIDTH}}" if number is None else f"{number:>{_WIDTH}.3g}"


def _plain(values: np.ndarray) -> list[Any]:
    """JSON knows no NaN."""
    if values.dtype.kind == "i":
        return [int(x) for x in values]
    return [round(float(x), 6) if math.isfinite(x) else None for x in values]


def _check_pictures(output: Path) -> None:
    """Older pictures of ours lie beside an older file of ours."""
    foreign = sorted(output.parent.glob(f"{output.stem}-*.png"))
    if foreign and not output.exists():
        raise RunFolderError(
            f"{foreign[0]} lies there without {output.name} and is not overwritten; "
            "--output names another"
        )


def run() -> None:
    """Read the command line, look at the model, and print the table."""
    arguments = read_command_line(InspectArguments, __doc__)
    result = inspect_trained(arguments)
    print(f"\n{result['env_id']}, {result['decisions']} decisions in", end=" ")
    print(f"{result['episodes']} held-out episodes, seed {result['seed']}")
    for name, level in result["levels"].items():
        print(f"\n{name}: what its predictor says of decisions ahead")
        print(table_of(level))
    print(f"\nnumbers         {result['output']}")
    for picture in result["pictures"]:
        print(f"picture         {picture}")


if __name__ == "__main__":
    main(run)
