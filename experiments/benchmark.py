"""Measure the hot paths as ratios against stated references in the same run."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from experiments.benchmarks.checkpoints import checkpoint_benchmarks
from experiments.benchmarks.learners import learner_benchmarks
from experiments.benchmarks.mazes import maze_benchmarks
from experiments.benchmarks.measuring import Benchmark, Measurement, measure_all
from experiments.benchmarks.networks import network_benchmarks
from experiments.benchmarks.planning import planning_benchmarks
from experiments.benchmarks.replay import replay_benchmarks
from experiments.benchmarks.skills import skill_benchmarks
from experiments.benchmarks.updates import update_benchmarks
from experiments.running.command_line import command_line, read_command_line
from experiments.running.run_folder import versions

GROUPS: dict[str, Callable[[], Iterator[Benchmark]]] = {
    "planning": planning_benchmarks,
    "replay": replay_benchmarks,
    "updates": update_benchmarks,
    "networks": network_benchmarks,
    "learners": learner_benchmarks,
    "skills": skill_benchmarks,
    "mazes": maze_benchmarks,
    "checkpoints": checkpoint_benchmarks,
}


@dataclass(frozen=True)
class BenchmarkArguments:
    """What to measure, and for how long."""

    groups: tuple[str, ...] = tuple(GROUPS)
    """Which hot paths."""
    seconds: float = 8.0
    """About how long each measurement takes."""
    output: Path | None = None
    """Also write the results to this JSON file."""


def table(measurements: list[Measurement]) -> str:
    """Lay measurements out.

    Args:
        measurements: What was measured.

    Returns:
        A text table; absolute times are for orientation only.
    """
    header = ("", "ratio", "quartiles", "target", "ms", "reference")
    rows = [header]
    for m in measurements:
        quartiles = f"{m.ratio_low:.2f}-{m.ratio_high:.2f}"
        mark = "" if m.is_met else "  MISSED"
        ratio, target = f"{m.ratio:.2f}", f"<= {m.target:.2f}"
        rows.append(
            (
                m.name,
                ratio,
                quartiles,
                target,
                f"{m.subject_ms:.1f}",
                m.reference_name + mark,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def main() -> None:
    """Read the command line, measure, print."""
    arguments = read_command_line(BenchmarkArguments, __doc__)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    benchmarks = [b for name in arguments.groups for b in GROUPS[name]()]
    measurements = measure_all(benchmarks, arguments.seconds)
    print(table(measurements))
    if arguments.output is not None:
        results = {
            "measurements": [asdict(m) | {"is_met": m.is_met} for m in measurements],
            "versions": versions(),
            "command": command_line(),
        }
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
