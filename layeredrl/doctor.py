"""What is installed, measured against what the package asks for.

It imports nothing of the library, and nothing that may be missing: it has to work where little
else does.
"""

import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

PACKAGE = "layeredrl"
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


class Finding(NamedTuple):
    """A package beside what is asked of it."""

    name: str
    """The package."""
    asked: str
    """Versions that fit, as in ``setup.cfg``; empty for any."""
    installed: str | None
    """The version that is there; ``None`` if there is none."""
    fits: bool
    """Whether it is there in a version that fits."""

    def line(self) -> str:
        """Lay it out.

        Returns:
            A line of text.
        """
        mark = "ok" if self.fits else "MISSING" if self.installed is None else "WRONG"
        return (
            f"  {self.name:<22}{self.installed or '-':<16}{self.asked:<24}{mark}"
        ).rstrip()


def examine(package: str = PACKAGE) -> tuple[str, bool]:
    """Look at the installation.

    Args:
        package: An installed package.

    Returns:
        The report, and whether everything required is there in versions that fit.
    """
    lines = [f"Python      {platform.python_version()} at {sys.executable}"]
    lines.append(f"platform    {platform.platform()}, {os.cpu_count()} processors")
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        lines.append(f"{package} is not installed: {_pip(['-e', '.'])} in its folder")
        return "\n".join(lines), False
    try:
        by_extra = requirements(found.requires or [])
    except ModuleNotFoundError as error:
        lines.append(f"{error.name} is missing: {_pip([str(error.name)])}")
        return "\n".join(lines), False
    required = by_extra.pop("")
    lines += ["", f"{package} {found.version} needs"]
    lines += [finding.line() for finding in required]
    is_healthy = all(finding.fits for finding in required)
    if not is_healthy:
        lines += ["  to install them:", f"    {_pip(_source(found))}"]
    for extra, findings in sorted(by_extra.items()):
        lines += ["", *_extra_lines(found, extra, findings)]
    lines += ["", "devices", *_devices()]
    verdict = "all that is required is there" if is_healthy else "something is missing"
    return "\n".join([*lines, "", verdict]), is_healthy


def requirements(entries: Sequence[str]) -> dict[str, list[Finding]]:
    """Compare requirements with what is installed.

    Args:
        entries: As a package's metadata lists them.

    Returns:
        Findings by extra; those of the package itself under the empty name. What is asked
        of a package with an extra of its own, as in ``ray[tune]``, is followed by what that
        brings.

    Raises:
        ModuleNotFoundError: If ``packaging`` is missing.
    """
    from packaging.requirements import Requirement

    by_extra: dict[str, list[Finding]] = {"": []}
    for entry in entries:
        asked = Requirement(entry)
        named = _EXTRA.search(str(asked.marker or ""))
        extra = named[1] if named else ""
        if asked.marker is not None and not asked.marker.evaluate({"extra": extra}):
            continue  # asked for on other platforms only
        installed = version_of(asked.name)
        fits = installed is not None and asked.specifier.contains(
            installed, prereleases=True
        )
        finding = Finding(asked.name, str(asked.specifier), installed, fits)
        group = by_extra.setdefault(extra, [])
        group.append(finding)
        if asked.extras and installed is not None:
            theirs = requirements(metadata.requires(asked.name) or [])
            group += [part for name in asked.extras for part in theirs.get(name, [])]
    return by_extra


def version_of(name: str) -> str | None:
    """Look up what is installed.

    Args:
        name: A package.

    Returns:
        Its version; ``None`` if it is not there.
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def install_command(extra: str, package: str = PACKAGE) -> str:
    """Tell how an extra is installed, where the package came from.

    Args:
        extra: One of the package's extras.
        package: The package.

    Returns:
        A command to type; in the package's folder, if it is not installed.
    """
    try:
        source = _source(metadata.distribution(package), extra)
    except metadata.PackageNotFoundError:
        source = ["-e", f".[{extra}]"]
    return _pip(source)


def _extra_lines(
    found: metadata.Distribution, extra: str, findings: list[Finding]
) -> list[str]:
    is_whole = all(finding.fits for finding in findings)
    lines = [f"extra {extra!r} is {'there' if is_whole else 'not whole'}"]
    lines += [finding.line() for finding in findings]
    if not is_whole:
        lines += ["  to install it:", f"    {_pip(_source(found, extra))}"]
    return lines


def _source(found: metadata.Distribution, extra: str = "") -> list[str]:
    """What pip installs: the folder again where it came from one, else the name."""
    brackets = f"[{extra}]" if extra else ""
    clone = Path(str(found.locate_file(""))).resolve()
    if (clone / "setup.py").exists():
        return ["-e", f"{clone}{brackets}"]
    name = found.metadata["Name"]
    try:
        origin: dict[str, Any] = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        origin = {}
    url = urlsplit(origin.get("url", ""))
    if url.scheme != "file":
        return [f"{name}{brackets}"]
    is_editable = origin.get("dir_info", {}).get("editable", False)
    return [*["-e"] * is_editable, f"{unquote(url.path)}{brackets}"]


def _pip(words: Sequence[str]) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", *words])


def _devices() -> list[str]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that it needs
        return [f"  torch cannot be imported: {error}"]
    lines = [f"  torch {torch.__version__}, {torch.get_num_threads()} threads"]
    threads = os.environ.get("OMP_NUM_THREADS")
    lines[0] += f" (OMP_NUM_THREADS={threads or 'not set'})"
    if torch.cuda.is_available():
        names = [
            torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())
        ]
        lines.append(f"  CUDA {torch.version.cuda}: {', '.join(names)}")
    else:
        built = torch.version.cuda
        why = f"torch is built for {built}, no GPU is found" if built else "a CPU build"
        lines.append(f"  no CUDA: {why}")
    has_mps = torch.backends.mps.is_available()
    lines.append(f"  MPS: {'yes' if has_mps else 'no'}")
    return lines
