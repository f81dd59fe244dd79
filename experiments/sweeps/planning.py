"""From a command line to what the trials of a sweep run, with all that can be checked before."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.builders.learners import LEARNERS, choose_learner
from experiments.programs.program import has_flag, without_flags
from experiments.running.arguments import RunArguments
from experiments.running.command_line import parse_arguments
from experiments.sweeps.plan import Kind, SweepPlan
from experiments.sweeps.tried import Tried
from layeredrl.errors import ConfigurationError

# What each run has a value of its own for, or what says nothing of the method.
_NOT_TRIED = {
    "seed",
    "run_dir",
    "overwrite",
    "resume",
    "force",
    "workers",
    "round_steps",
}
# What only we understand, or give to each run by ourselves.
_OURS = ("seed", "run-dir", "overwrite", "resume", "force")
_OPTIONS = "learner_options"


def plan_sweep(
    experiment: str,
    arguments: RunArguments,
    presets: Mapping[str, RunArguments],
    tried: Sequence[Tried],
    words: Sequence[str],
    **shared: Any,
) -> SweepPlan:
    """Lay out what trials run, and try a value of everything on the experiment's arguments.

    Args:
        experiment: Name of the experiment.
        arguments: What the command line says.
        presets: Defaults by name.
        tried: What is tried.
        words: The command line, without what describes the sweep.
        **shared: Other fields of the plan: seeds and folder.

    Returns:
        The plan.

    Raises:
        ConfigurationError: If something cannot be tried, or not so. A value of the wrong type
            ends the process as it would that of a run.
    """
    for each in tried:
        _check_name(each.name, arguments, tried)
        _check_flag(each.name, words)
    with_entries = {each.name.partition(".")[0] for each in tried if "." in each.name}
    flags = [name.replace("_", "-") for name in with_entries]
    plan = SweepPlan(
        experiment=experiment,
        words=tuple(without_flags(words, [*_OURS, *flags])),
        kinds={each.name: _kind(arguments, each.name) for each in tried},
        entries={name: getattr(arguments, name) for name in with_entries},
        session=_session(arguments),
        **shared,
    )
    for each in tried:
        for text in each.examples():
            _check_value(plan, arguments, presets, each.name, text)
    return plan


def _session(arguments: RunArguments) -> tuple[str, ...]:
    return ("--resume",) * arguments.resume + ("--force",) * arguments.force


def _kind(arguments: RunArguments, name: str) -> Kind:
    value = getattr(arguments, name.partition(".")[0])
    if isinstance(value, bool):
        return "switch"
    return "values" if isinstance(value, tuple) else "value"


def _check_name(name: str, arguments: RunArguments, tried: Sequence[Tried]) -> None:
    argument, dot, entry = name.partition(".")
    fields = {field.name for field in dataclasses.fields(arguments)} - _NOT_TRIED
    options = _learner_options(arguments, tried)
    if argument not in fields:
        known = {each: each for each in fields}
        known |= {option: f"{_OPTIONS}.{option}" for option in options}
        near = difflib.get_close_matches(argument, known, n=1)
        hint = (
            f"did you mean {known[near[0]]}?" if near else f"there are {sorted(fields)}"
        )
        raise ConfigurationError(f"there is no argument {argument!r} to try; {hint}")
    if not dot:
        return
    value = getattr(arguments, argument)
    if not entry or not isinstance(value, tuple):
        raise ConfigurationError(f"{argument} has no entries to try, got {name!r}")
    if argument == _OPTIONS and options and entry not in options:
        near = difflib.get_close_matches(entry, options, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {sorted(options)}"
        raise ConfigurationError(f"the learner has no option {entry!r}; {hint}")


def _learner_options(arguments: RunArguments, tried: Sequence[Tried]) -> set[str]:
    """Options of the learner; none where it has none, or is itself tried."""
    told = {
        field.name: getattr(arguments, field.name)
        for field in dataclasses.fields(arguments)
    }
    if _OPTIONS not in told or "learner" in {each.name for each in tried}:
        return set()
    learner: Any = LEARNERS[told["learner"]]
    return {field.name for field in dataclasses.fields(learner)}


def _check_flag(name: str, words: Sequence[str]) -> None:
    flag = name.replace("_", "-")
    if has_flag(words, flag) or has_flag(words, f"no-{flag}"):
        raise ConfigurationError(f"{name} is tried, and given by --{flag}, too")


def _check_value(
    plan: SweepPlan,
    arguments: RunArguments,
    presets: Mapping[str, RunArguments],
    name: str,
    text: str,
) -> None:
    if plan.kinds[name] == "switch" and text not in ("True", "False"):
        raise ConfigurationError(f"{name} is True or False, got {text!r}")
    words = [*plan.words, *plan.words_of({name: text})]
    about = f"Tried: {name}={text}."
    told = vars(parse_arguments(type(arguments), presets, about, words))
    if name.partition(".")[0] == _OPTIONS and "learner" not in plan.kinds:
        choose_learner(told["learner"], told[_OPTIONS])
