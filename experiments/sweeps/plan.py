"""What a trial of a sweep runs: the words of its values, its folder, its runs."""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from experiments.programs.seed_runs import SeedRun
from experiments.sweeps.tried import as_text

Kind = Literal["value", "values", "switch"]
_MAX_NAME = 100


@dataclass(frozen=True)
class SweepPlan:
    """What all trials share. It travels to where they run, so it knows texts only."""

    experiment: str
    """Name of the experiment."""
    seeds: tuple[int, ...]
    """Seeds of each trial."""
    folder: Path
    """Where trials have their folders."""
    words: tuple[str, ...]
    """The command line of a run, but for what is tried, its seed and its folder."""
    kinds: Mapping[str, Kind]
    """How the arguments that are tried are written."""
    session: tuple[str, ...] = ()
    """Further words that make no other run: whether it goes on."""
    entries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Entries of those that have some, as they are without what is tried."""
    here: Path = field(default_factory=Path.cwd)
    """Where relative paths start."""

    def name_of(self, number: int, values: Mapping[str, object]) -> str:
        """Name a trial.

        Args:
            number: Its number, from 0.
            values: What it tries, by name.

        Returns:
            Its number and values, as a file may be called.
        """
        told = ",".join(
            f"{_last_part(name)}={as_text(value)}" for name, value in values.items()
        )
        name = re.sub(r"[^\w.,=+-]+", "_", f"{number:02d}-{told}")
        return name[:_MAX_NAME].rstrip("._")

    def words_of(self, values: Mapping[str, object]) -> list[str]:
        """Write what a trial tries as a command line.

        Args:
            values: What it tries, by name.

        Returns:
            Flags and values.
        """
        entries = dict(self.entries)
        words = []
        for name, value in values.items():
            argument, _, entry = name.partition(".")
            flag, text = argument.replace("_", "-"), as_text(value)
            if entry:
                entries[argument] = _with_entry(entries[argument], entry, text)
            elif self.kinds[argument] == "switch":
                words.append(f"--{flag}" if text == "True" else f"--no-{flag}")
            elif self.kinds[argument] == "values":
                words += [f"--{flag}", *shlex.split(text)]
            else:
                words += [f"--{flag}", text]
        for argument, chosen in entries.items():
            words += [f"--{argument.replace('_', '-')}", *chosen]
        return words

    def runs_of(self, name: str, values: Mapping[str, object]) -> list[SeedRun]:
        """Lay out what a trial starts.

        Args:
            name: Its name.
            values: What it tries, by name.

        Returns:
            One run per seed.
        """
        module = f"experiments.{self.experiment}"
        words = (*self.words, *self.session, *self.words_of(values))
        command = (sys.executable, "-m", module, *words)
        return [
            SeedRun.within(self.folder / name, seed, command) for seed in self.seeds
        ]

    def command_of(self, values: Mapping[str, object]) -> str:
        """Write down how to repeat a trial by hand.

        Args:
            values: What it tries, by name.

        Returns:
            A command without folder: it writes where the experiment usually does.
        """
        seeds = [str(seed) for seed in self.seeds]
        own = ["--seeds", *seeds] if len(seeds) > 1 else ["--seed", *seeds]
        words = [*self.words, *self.words_of(values), *own]
        return shlex.join(["python", "-m", f"experiments.{self.experiment}", *words])


def _with_entry(entries: tuple[str, ...], name: str, value: str) -> tuple[str, ...]:
    """Replace or add ``name=value``."""
    others = [entry for entry in entries if entry.partition("=")[0].strip() != name]
    return (*others, f"{name}={value}")


def _last_part(name: str) -> str:
    """``lr`` of ``learner_options.lr``."""
    return name.partition(".")[2] or name
