"""What is installed: the library whole, nothing else, and all that it imports."""

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from layeredrl import __version__

ROOT = Path(__file__).parents[1]
# Asked for nowhere: a faster path where somebody has it.
OPTIONAL = {"mamba_ssm"}
PACKED = ("layeredrl", "setup.cfg", "setup.py", "README.md", "LICENSE", "MANIFEST.in")


def declared():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    entries = config["options"]["install_requires"].split()
    return {re.split(r"[<>=!~]", entry)[0].lower() for entry in entries}


def imported():
    """Yield top-level names that the library imports, wherever it does."""
    for path in (ROOT / "layeredrl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield node.module.partition(".")[0]


def test_all_that_is_imported_is_asked_for():
    foreign = set(imported()) - set(sys.stdlib_module_names) - {"layeredrl"} - OPTIONAL
    providers = metadata.packages_distributions()
    assert {"torch", "gin", "packaging"} <= foreign  # the search finds something
    missing = {
        name
        for name in foreign
        if not declared() & {found.lower() for found in providers[name]}
    }
    assert not missing


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation
    page = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    assert f"version {__version__}" in page


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build from a copy, as building writes beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    for name in ("tests", "experiments"):  # decoys, as they lie beside it
        (source / name).mkdir()
        (source / name / "__init__.py").touch()
        (source / name / "test_decoy.py").touch()
    finished = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", str(source)],
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return source / "dist"


@pytest.mark.slow
def test_the_wheel_holds_the_library_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"layeredrl-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name) for name in archive.namelist()}
    modules = {
        path.relative_to(ROOT)
        for path in (ROOT / "layeredrl").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    info = Path(f"layeredrl-{__version__}.dist-info")
    packed = {name for name in names if name.parts[0] != info.name}
    assert packed == modules | {Path("layeredrl/py.typed")}
    assert info / "licenses" / "LICENSE" in names


@pytest.mark.slow
def test_the_source_distribution_can_be_built_again(built):
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert {Path(name) for name in ("setup.cfg", "setup.py", "LICENSE")} <= names
    assert Path("layeredrl/py.typed") in names
    assert not {name.parts[0] for name in names if name.parts} & {
        "tests",
        "docs",
        "experiments",
    }
