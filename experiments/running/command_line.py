"""Command lines: read, and written down so that they can be typed again."""

import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import docstring_parser
import tyro

from experiments.running.arguments import RunArguments
from layeredrl.errors import ConfigurationError

A = TypeVar("A", bound=RunArguments)
K = TypeVar("K")
L = TypeVar("L")


def read_command_line(
    kind: type[K], description: str | None, words: Sequence[str] | None = None
) -> K:
    """Read the command line of a program without presets.

    Args:
        kind: The dataclass to fill.
        description: Shown by ``--help``.
        words: Arguments; ``None`` for those of the process.

    Returns:
        The arguments. Unknown names end the process with the nearest known ones.
    """
    _explain(kind)
    return tyro.cli(kind, prog=program_name(), args=words, description=description)


def parse_arguments(
    kind: type[A],
    presets: Mapping[str, A],
    description: str,
    words: Sequence[str] | None = None,
) -> A:
    """Read the command line of a single run; ``--preset NAME`` sets other defaults.

    Args:
        kind: The dataclass to fill.
        presets: Defaults by name.
        description: Shown by ``--help``.
        words: Arguments; ``None`` for those of the process.

    Returns:
        The arguments. Unknown names end the process with the nearest known ones.

    Raises:
        ConfigurationError: If there is no such preset.
    """
    arguments: A = _parse(kind, presets, description, {}, words).run
    return arguments


def parse_program(
    kind: type[A],
    presets: Mapping[str, A],
    description: str,
    launch: L,
    words: Sequence[str] | None = None,
) -> tuple[L, A]:
    """Read the command line of a program, which may start several runs.

    Args:
        kind: The dataclass that describes a run.
        presets: Defaults by name.
        description: Shown by ``--help``.
        launch: Defaults of what is started.
        words: Arguments; ``None`` for those of the process.

    Returns:
        What is started, and the arguments of a run, as :func:`parse_arguments`.

    Raises:
        ConfigurationError: If there is no such preset.
    """
    found = _parse(kind, presets, description, {"launch": launch}, words)
    return found.launch, found.run


def _parse(
    kind: type[A],
    presets: Mapping[str, A],
    description: str,
    beside: dict[str, Any],
    words: Sequence[str] | None,
) -> Any:
    """Read a run's arguments and those beside them, each under its name."""
    left = list(sys.argv[1:] if words is None else words)
    preset = _take_preset(left, presets)
    parts = beside | {"run": kind() if preset is None else presets[preset]}
    for part in parts.values():
        _explain(type(part))
    fields: list[Any] = [(name, type(part)) for name, part in parts.items()]
    if presets:
        # Taken out above: here it is only to be found by --help.
        name = Annotated[str | None, tyro.conf.arg(metavar="NAME")]
        told = f"Other defaults, which --help then shows: {', '.join(sorted(presets))}."
        fields.insert(0, ("preset", name, dataclasses.field(metadata={"help": told})))
        parts["preset"] = preset
    program = dataclasses.make_dataclass("Program", fields, frozen=True)
    return tyro.cli(
        program,
        prog=program_name(),
        default=program(**parts),
        args=left,
        description=description,
        config=(tyro.conf.OmitArgPrefixes,),
    )


def _explain(kind: type[Any]) -> None:
    """Hand the fields' docstrings to tyro as running text: it shows them as they stand."""
    for base in reversed([b for b in kind.__mro__ if dataclasses.is_dataclass(b)]):
        told = {
            entry.arg_name: entry.description
            for entry in docstring_parser.parse_from_object(base).params
        }
        for field in dataclasses.fields(kind):
            text = told.get(field.name)
            if text:
                plain = " ".join(text.replace("``", "").split())
                field.metadata = MappingProxyType({"help": plain})


def _take_preset(words: list[str], presets: Mapping[str, Any]) -> str | None:
    """Take ``--preset NAME`` or ``--preset=NAME`` out, and return the name."""
    is_flag = [word.partition("=")[0] == "--preset" for word in words]
    if not any(is_flag):
        return None
    at = is_flag.index(True)
    _, has_name, name = words.pop(at).partition("=")
    if not has_name:
        name = words.pop(at) if at < len(words) else ""
    if name not in presets:
        raise ConfigurationError(
            f"there is no preset {name!r}; there are {sorted(presets)}"
        )
    return name


def program_words() -> list[str]:
    """Tell what the interpreter was asked to run.

    Returns:
        A module behind ``-m``, or the name of a file.
    """
    module = sys.modules["__main__"].__spec__
    return ["-m", module.name] if module is not None else [Path(sys.argv[0]).name]


def program_name() -> str:
    """Name the program as it is started, for its help and what it says of wrong words.

    Returns:
        For example ``python -m experiments.flat``.
    """
    return " ".join(["python", *program_words()])


def command_line() -> str:
    """Write down the command that started the run.

    Returns:
        The command, without the path of the interpreter.
    """
    return shlex.join(["python", *program_words(), *sys.argv[1:]])


def python_command(*words: str) -> str:
    """Write down a command for the interpreter that runs us, whose tools need not be on PATH.

    Args:
        *words: What follows the interpreter.

    Returns:
        The command, short where the interpreter lies below the working directory.
    """
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return shlex.join([str(python), *words])
