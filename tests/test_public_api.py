"""Every room's ``__all__`` is sorted, complete and importable."""

import importlib
import inspect
import pkgutil

import pytest

import layeredrl

ROOMS = ["layeredrl"] + [
    f"layeredrl.{info.name}"
    for info in pkgutil.iter_modules(layeredrl.__path__)
    if info.ispkg
]


@pytest.mark.parametrize("name", ROOMS)
def test_all_is_sorted_and_every_name_exists(name):
    room = importlib.import_module(name)
    names = room.__all__
    assert list(names) == sorted(names)
    assert len(set(names)) == len(names)
    for public in names:
        assert hasattr(room, public)


@pytest.mark.parametrize("name", ROOMS)
def test_everything_public_has_a_docstring(name):
    room = importlib.import_module(name)
    for public in room.__all__:
        value = getattr(room, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{name}.{public} has no docstring"
