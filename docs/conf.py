"""Sphinx configuration; ``make docs`` builds the site."""

import posixpath
import re
import sys
from pathlib import Path

import numpy.typing
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS)]

from layeredrl import __version__  # noqa: E402

project = "layeredrl"
author = "The layeredrl developers"
copyright = "the layeredrl developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autoclass_content = "both"
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "special-members": "__call__",
}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
# Attributes become fields of their class, so that annotated ones are described once.
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"layeredrl {release}"
html_static_path = ["_static"]
html_css_files = ["formulas.css"]
html_math_renderer = "mathml"
html_theme_options = {"navigation_with_keys": True}

_SHIELD = ".."


class ArrayLike:
    """Whatever numpy can turn into an array."""


# The union that it is fills half a page wherever it is written out.
numpy.typing.ArrayLike = ArrayLike


class LinkSources(SphinxTransform):
    """Turns links to our source files into links to their pages on the site."""

    default_priority = 700

    def apply(self) -> None:
        """Replace the links."""
        here = (DOCS / self.env.docname).parent
        for node in list(self.document.findall(addnodes.download_reference)):
            source = (here / node["reftarget"]).resolve()
            if source.suffix != ".py" or not source.is_relative_to(ROOT):
                continue
            page = posixpath.join(
                "_modules", source.relative_to(ROOT).with_suffix(".html").as_posix()
            )
            uri = posixpath.relpath(page, posixpath.dirname(self.env.docname) or ".")
            node.replace_self(
                nodes.reference("", "", *node.children, refuri=uri, internal=True)
            )


class DropObjectBases(SphinxTransform):
    """Does not say that a class derives from ``object``."""

    default_priority = 700

    def apply(self) -> None:
        """Remove the lines."""
        for node in list(self.document.findall(nodes.paragraph)):
            if node.astext() == "Bases: object":
                node.parent.remove(node)


def skip_tuple_fields(
    app: Sphinx, what: str, name: str, value: object, skip: bool, options: object
) -> bool | None:
    """Leave out the fields of named tuples, which their class lists already.

    Args:
        app: Sphinx.
        what: Kind of the owner.
        name: Name of the member.
        value: The member.
        skip: What autodoc would do.
        options: Options of the directive.

    Returns:
        Whether to skip it; ``None`` for autodoc's own choice.
    """
    return True if type(value).__name__ == "_tuplegetter" else None


def shield_attribute(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Keep napoleon from reading ``Part 1: ...`` of an attribute as its type.

    Args:
        app: Sphinx.
        what: Kind of the object.
        name: Its name.
        value: The object.
        options: Options of the directive.
        lines: Its docstring; changed in place.
    """
    if what in {"attribute", "data", "property"}:
        lines[:0] = [_SHIELD, ""]  # the first line is the only one that is looked at


def tidy_docstring(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Make a docstring legal for docutils, and drop what Python itself wrote.

    Args:
        app: Sphinx.
        what: Kind of the object.
        name: Its name.
        value: The object.
        options: Options of the directive.
        lines: Its docstring; changed in place.
    """
    if lines[:1] == [_SHIELD]:
        del lines[:2]
    lines[:] = [
        # Shapes such as (B, *shape) or (*shape, 3).
        re.sub(r"(?<=, )\*(?=\w)|(?<=\()\*(?=[\w.]+[,)])", r"\*", line)
        for line in lines
        if not line.startswith("Create new instance of")  # named tuples
    ]


def list_results(app: Sphinx, docname: str, source: list[str]) -> None:
    """List what was published on the page of results; there may be nothing yet.

    Args:
        app: Sphinx.
        docname: Name of the page.
        source: Its text; changed in place.
    """
    if docname != "results/index":
        return
    folder = DOCS / "results"
    pages = sorted(p.parent.name for p in folder.glob("*/index.md"))
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.json"))
    if pages:
        entries = [f"{name}/index" for name in pages]
        source[0] += "\n".join(["\n```{toctree}", ":maxdepth: 1\n", *entries, "```\n"])
    if files:
        links = [f"- [{name}]({name})" for name in files]
        source[0] += "\n".join(["\nThe files:\n", *links, ""])
    if not (pages or files):
        source[0] += "\nNothing yet.\n"


def read_results_again(app: Sphinx, *pages: object) -> list[str]:
    """Read the page of results at every build, as files may have come or gone.

    Args:
        app: Sphinx.
        *pages: What Sphinx knows of the other pages.

    Returns:
        Name of the page.
    """
    return ["results/index"]


def setup(app: Sphinx) -> None:
    """Connect the above.

    Args:
        app: Sphinx.
    """
    app.add_transform(LinkSources)
    app.add_transform(DropObjectBases)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("autodoc-process-docstring", shield_attribute, priority=400)
    app.connect("autodoc-process-docstring", tidy_docstring)
    app.connect("source-read", list_results)
    app.connect("env-get-outdated", read_results_again)
