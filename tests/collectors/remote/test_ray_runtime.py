import importlib

import pytest

from layeredrl.collectors.remote import import_ray
from layeredrl.errors import MissingExtraError


def test_without_ray_the_command_that_installs_it_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[distributed\]"):
        import_ray()
