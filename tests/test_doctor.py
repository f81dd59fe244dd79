import sys
from importlib import metadata
from pathlib import Path

import pytest

from layeredrl import doctor
from layeredrl.__main__ import main
from layeredrl.version import __version__


class Installation:
    """Pretends that packages are, or are not, installed."""

    def __init__(self, monkeypatch):
        self._versions = {}
        real = metadata.version

        def version(name):
            found = self._versions.get(name, "real")
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return real(name) if found == "real" else found

        monkeypatch.setattr(metadata, "version", version)

    def pretend(self, **versions):
        self._versions |= versions


@pytest.fixture
def installation(monkeypatch):
    return Installation(monkeypatch)


def test_this_installation_is_healthy(capsys):
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for name in ("Python", "torch", "tianshou", "devices", "CUDA", "MPS", "ray"):
        assert name in shown


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["--version"])
    assert exit_info.value.code == 0
    assert __version__ in capsys.readouterr().out


def test_without_command_help_is_shown(capsys):
    assert main([]) == 0
    assert "doctor" in capsys.readouterr().out


def test_an_unknown_command_names_the_known_one(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["docter"])
    assert exit_info.value.code == 2
    assert "doctor" in capsys.readouterr().err


@pytest.mark.parametrize("version, mark", [(None, "MISSING"), ("1.9.0", "WRONG")])
def test_what_is_required_and_not_there_is_a_failure(
    installation, capsys, version, mark
):
    installation.pretend(torch=version)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    line = next(x for x in shown.splitlines() if x.startswith("  torch "))
    assert mark in line and ">=2.4" in line
    assert f"{sys.executable} -m pip install" in shown


def test_a_missing_extra_is_no_failure_and_names_its_command(installation, capsys):
    installation.pretend(mujoco=None)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "extra 'envs' is not whole" in shown
    assert "[envs]'" in shown


def test_requirements_of_other_platforms_are_left_out():
    entries = [
        "numpy>=1",
        "colorama; sys_platform == 'nothing'",
        "mujoco; extra == 'e'",
    ]
    found = doctor.requirements(entries)
    assert {extra: [f.name for f in group] for extra, group in found.items()} == {
        "": ["numpy"],
        "e": ["mujoco"],
    }


def test_an_extra_is_installed_from_where_the_package_came_from():
    command = doctor.install_command("envs")
    assert command.startswith(f"{sys.executable} -m pip install -e ")
    assert f"{Path(__file__).parents[1]}[envs]" in command
    assert doctor.install_command("envs", "no-such-package").endswith("-e '.[envs]'")


def test_what_the_extra_of_a_package_brings_is_listed(installation):
    pytest.importorskip("ray")
    installation.pretend(pyarrow="1.0")
    found = {part.name: part for part in doctor.requirements(["ray[tune]>=2"])[""]}
    assert found["ray"].fits and not found["pyarrow"].fits
    assert found["pyarrow"].asked.startswith(">=")


def test_a_package_that_is_not_installed_is_named():
    report, is_healthy = doctor.examine("no-such-package")
    assert not is_healthy
    assert "no-such-package is not installed" in report
