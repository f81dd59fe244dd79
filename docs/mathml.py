"""Formulas as MathML, which browsers draw by themselves: the site needs no network."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def write_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula that stands in a line.

    Args:
        translator: Writes the page.
        node: The formula.

    Raises:
        nodes.SkipNode: Always; nothing is left to be written.
    """
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def write_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that stands by itself; it scrolls where the page is narrow.

    Args:
        translator: Writes the page.
        node: The formula.

    Raises:
        nodes.SkipNode: Always; nothing is left to be written.
    """
    formula = convert(node.astext(), display="block")
    translator.body.append(f'<div class="math" tabindex="0">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the renderer ``mathml``.

    Args:
        app: Sphinx.

    Returns:
        What Sphinx asks of extensions.
    """
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
