"""What a docstring documents is what the signature has: no ghosts, no gaps."""

import importlib
import inspect
import pkgutil
import re

import pytest

import layeredrl


def modules():
    infos = pkgutil.walk_packages(layeredrl.__path__, "layeredrl.")
    return [info.name for info in infos if not info.name.endswith("__main__")]


def functions_of(module):
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for attribute, member in vars(value).items():
                member = getattr(member, "__func__", member)
                if inspect.isfunction(member):
                    yield f"{name}.{attribute}", member


def documented_parameters(docstring):
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", docstring, re.M | re.S)
    if section is None:
        return []
    return re.findall(r"^    \*{0,2}(\w+):", section.group(1), re.M)


@pytest.mark.parametrize("name", modules())
def test_documented_parameters_are_the_parameters(name):
    for qualname, function in functions_of(importlib.import_module(name)):
        docstring = inspect.getdoc(function)
        if not docstring or "Args:" not in docstring:
            continue
        actual = [
            p
            for p in inspect.signature(function).parameters
            if p not in ("self", "cls")
        ]
        documented = documented_parameters(docstring)
        assert documented == actual, f"{name}.{qualname}"


@pytest.mark.parametrize("name", modules())
def test_public_functions_have_docstrings(name):
    for qualname, function in functions_of(importlib.import_module(name)):
        if not any(part.startswith("_") for part in qualname.split(".")):
            owner, _, attribute = qualname.rpartition(".")
            module = importlib.import_module(name)
            inherited = owner and inspect.getdoc(
                getattr(getattr(module, owner), attribute)
            )
            assert function.__doc__ or inherited, f"{name}.{qualname}"
