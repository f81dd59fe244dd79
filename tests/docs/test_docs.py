"""What the documentation shows works: code runs, links lead somewhere, names are there."""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import types
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import gin
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
SPHINX_PARTS = ("sphinx", "furo", "myst_parser", "latex2mathml")
OWN_PARTS = DOCS / "bring_your_own.md"
# They train for longer than a page should.
SLOW_PAGES = {README, OWN_PARTS}

BLOCK = re.compile(
    r"^(?P<comment><!--[^\n]*-->\n+)?^```python\n(?P<code>.*?)^```$", re.M | re.S
)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")
FENCE = re.compile(r"^(`{3,}).*?^\1`*$", re.M | re.S)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def ident(page):
    return str(page.relative_to(ROOT))


def params(chosen, slow=()):
    return [
        pytest.param(p, id=ident(p), marks=[pytest.mark.slow] if p in slow else [])
        for p in chosen
    ]


def pages_with_code():
    """All pages that show code, and the README in any case."""
    return [p for p in PAGES if BLOCK.search(p.read_text(encoding="utf-8"))] + [README]


def rooms():
    names = [p.parent.name for p in (ROOT / "layeredrl").glob("*/__init__.py")]
    return sorted(names)


def runnable_blocks(text):
    """Yield (code, line on which it starts) of each block that is to be run."""
    for match in BLOCK.finditer(text):
        comment = (match["comment"] or "").strip()
        if NOT_RUN.fullmatch(comment):
            continue
        yield match["code"], text.count("\n", 0, match.start("code"))


# The parsers themselves


def test_blocks_are_found_and_marked_ones_left_out():
    text = (
        "# A\n\n```python\na = 1\n```\n\n<!-- a remark -->\n```python\nb = 2\n```\n"
        "\n<!-- not run: needs a robot -->\n```python\nc = 3\n```\n"
        "\n<!-- not run: -->\n```python\nd = 4\n```\n\n```\ne = 5\n```\n"
    )
    found = list(runnable_blocks(text))
    assert [code for code, _ in found] == ["a = 1\n", "b = 2\n", "d = 4\n"]
    assert [text.splitlines()[line] for _, line in found] == ["a = 1", "b = 2", "d = 4"]


# Code


@pytest.fixture
def unlocked_gin():
    """Pages configure gin, which is one for all; and it may be locked by other tests."""
    gin.clear_config()
    yield
    gin.clear_config()


@pytest.mark.parametrize("page", params(pages_with_code(), slow=SLOW_PAGES))
@pytest.mark.usefixtures("unlocked_gin")
def test_code_runs(page, tmp_path, monkeypatch):
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    blocks = list(runnable_blocks(text))
    if not blocks:
        pytest.skip(f"{ident(page)} has no blocks to run")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    # A module of its own: dataclasses look their names up there.
    module = types.ModuleType("documented_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for code, line in blocks:
        # Leading blank lines make a traceback show the page's own lines.
        exec(compile("\n" * line + code, str(page), "exec"), vars(module))


def test_parts_of_ones_own_take_less_than_thirty_lines():
    sections = OWN_PARTS.read_text(encoding="utf-8").split("\n## ")
    lengths = {
        section.splitlines()[0]: sum(
            bool(line.strip())
            for code, _ in runnable_blocks(section)
            for line in code.splitlines()
        )
        for section in sections
    }
    assert sum(length > 0 for length in lengths.values()) >= 8  # all parts end in code
    assert max(lengths.values()) < 30, lengths


# Links


def anchors(page):
    """Headings as links name them: lower case, hyphens for spaces, no punctuation."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ +(.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def misleading(page):
    """Yield links to files that are not there, and to headings that pages lack."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        url = urlsplit(target)
        if url.scheme:
            continue
        file = page.parent / unquote(url.path) if url.path else page
        if not file.exists():
            yield f"{page.name}: {target}"
        elif url.fragment and file.suffix == ".md":
            if unquote(url.fragment) not in anchors(file):
                yield f"{page.name}: {target}"


def test_misleading_links_are_found(tmp_path):
    (tmp_path / "other.md").write_text("# Other\n")
    page = tmp_path / "page.md"
    targets = "#a-b-c #a gone.md other.md#other other.md#page https://example.org"
    links = "".join(f"[x]({target})" for target in targets.split())
    page.write_text(f"# A (b), `c`\n\n{links}\n")
    found = [entry.split(": ")[1] for entry in misleading(page)]
    assert found == ["#a", "gone.md", "other.md#page"]


@pytest.mark.parametrize("page", params([*PAGES, README, ROOT / "CONTRIBUTING.md"]))
def test_relative_links_lead_somewhere(page):
    if not page.exists():
        pytest.skip(f"there is no {ident(page)}")
    assert not list(misleading(page))


# Completeness


@pytest.mark.parametrize("room", rooms())
def test_every_public_name_is_on_its_rooms_page(room):
    text = (DOCS / "rooms" / f"{room}.md").read_text(encoding="utf-8")
    package = importlib.import_module(f"layeredrl.{room}")
    missing = [name for name in package.__all__ if f"`{name}`" not in text]
    assert not missing, f"docs/rooms/{room}.md does not mention {missing}"


def listed(page):
    """Yield the code words of each row's first two cells under "What is in it"."""
    text = page.read_text(encoding="utf-8")
    section = re.search(r"^## What is in it\n(.*?)^## ", text, re.M | re.S)[1]
    for row in re.findall(r"^\|(.*)\|$", section, re.M):
        first, second, *_ = row.split("|")
        yield re.findall(r"`([^`]+)`", first), re.findall(r"`([^`]+)`", second)


@pytest.mark.parametrize("room", [r for r in rooms() if r != "utils"])
def test_what_a_page_lists_exists(room):
    package = importlib.import_module(f"layeredrl.{room}")
    names = [n for first, _ in listed(DOCS / "rooms" / f"{room}.md") for n in first]
    assert names
    for name in names:
        if name.startswith(f"{room}."):
            importlib.import_module(f"layeredrl.{name}")
        else:
            assert name in package.__all__, name


def test_what_the_page_of_utils_lists_exists():
    for files, names in listed(DOCS / "rooms" / "utils.md"):
        for file in files:
            module = importlib.import_module(f"layeredrl.utils.{file[:-3]}")
            assert not [name for name in names if not hasattr(module, name)], file


@pytest.mark.parametrize("room", rooms())
def test_every_room_has_its_reference(room):
    text = (DOCS / "api" / f"{room}.md").read_text(encoding="utf-8")
    assert f"automodule:: layeredrl.{room}" in text


def public_names(module):
    own = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
    ]
    names = getattr(module, "__all__", own)
    return [name for name in names if not name.startswith("_")]


@pytest.mark.parametrize("name", ["types", "errors"])
def test_the_vocabulary_is_on_its_page(name):
    text = (DOCS / "rooms" / "types_and_errors.md").read_text(encoding="utf-8")
    names = public_names(importlib.import_module(f"layeredrl.{name}"))
    assert names
    assert not [n for n in names if f"`{n}`" not in text]


def test_every_topic_of_utils_is_on_its_page():
    text = (DOCS / "rooms" / "utils.md").read_text(encoding="utf-8")
    for path in (ROOT / "layeredrl" / "utils").glob("[a-z]*.py"):
        assert f"`{path.name}`" in text, path.name
        module = importlib.import_module(f"layeredrl.utils.{path.stem}")
        assert not [n for n in public_names(module) if f"`{n}`" not in text], path.name


def test_every_experiment_is_on_its_page():
    text = (DOCS / "rooms" / "experiments.md").read_text(encoding="utf-8")
    folders = {path.parent for path in (ROOT / "experiments").glob("*/__init__.py")}
    for path in [*(ROOT / "experiments").glob("[a-z]*.py"), *folders]:
        name = f"{path.name}/" if path.is_dir() else path.name
        assert f"`{name}`" in text, name
    for folder in ("running", "builders", "reports", "programs", "trained", "sweeps"):
        for path in (ROOT / "experiments" / folder).glob("[a-z]*.py"):
            assert f"`{path.name}`" in text, path


# The house


def test_the_picture_shows_the_house_as_it_is():
    image_module = pytest.importorskip("PIL.Image")
    house = load_script("draw_house")
    drawn = house.rooms()
    assert set(rooms()) <= set(drawn)
    with image_module.open(house.PICTURE) as picture:
        shown = picture.text[house.ROOMS_KEY]
    assert shown == house.description(drawn), "run docs/draw_house.py"


def test_the_house_can_be_drawn():
    house = load_script("draw_house")
    figure = house.draw()
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert set(house.rooms()) <= texts
    house.plt.close(figure)


def test_the_backbones_can_be_drawn():
    backbones = load_script("draw_backbones")
    batch = backbones.sample()
    window = batch.window
    assert window.obs.shape[1] == backbones.MAX_SEQ_LEN  # the widest fills the picture
    assert not window.mask.all() and (window.time_idxs[:, 0] > 0).any()
    figure = backbones.draw()
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {stage.title for stage in backbones.STAGES.values()} <= texts
    backbones.plt.close(figure)


def texts_of(figure):
    return {axes.get_title() for axes in figure.axes} - {""}


def test_predictions_can_be_drawn():
    script = load_script("draw_predictors")
    figure = script.draw(n_steps=2)
    assert len(texts_of(figure)) == 2
    script.plt.close(figure)


def test_planning_can_be_drawn():
    script = load_script("draw_planning")
    best = [float(values.max()) for _, values in script.search()]
    assert best == sorted(best) and best[-1] > best[0]  # as its picture shows
    path, plans = script.follow()
    assert (path[-1] - script.GOAL).norm() < 0.3 and len(plans) == len(path) - 1
    figure = script.draw()
    assert len(texts_of(figure)) == 4
    script.plt.close(figure)


def test_levels_can_be_drawn():
    script = load_script("draw_levels")
    found = script.decisions()
    for instance in range(script.N_INSTANCES):
        above, between, actions = (level[instance] for level in found)
        assert (actions[0] == 1).all() and len(actions[0]) == script.N_STEPS
        # Orders end early, and never late; an episode's end ends those of all levels.
        assert between[0].max() == script.LENGTHS[1] > between[0].min()
        assert (
            between[0].max() < above[0].max() <= script.LENGTHS[0] * script.LENGTHS[1]
        )
        for lengths, is_last in (above, between, actions):
            assert np.cumsum(lengths)[is_last].tolist() == [script.EPISODE]
    figure = script.draw()
    texts = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert texts == set(script.NAMES)
    script.plt.close(figure)


def test_scores_can_be_drawn():
    script = load_script("draw_scores")
    ends = torch.tensor([script.SKILL, (0.0, 0.0), (-0.7, -0.3)])
    at_its_end, at_the_start, elsewhere = script.scores(ends, 0.2).tolist()
    assert at_its_end > 0 > at_the_start > elsewhere  # as its page says
    figure = script.draw()
    assert len(texts_of(figure)) == 3
    script.plt.close(figure)


@pytest.mark.parametrize("script", sorted(DOCS.glob("draw_*.py")), ids=lambda p: p.name)
def test_drawn_pictures_are_there(script):
    assert load_script(script.stem).PICTURE.exists(), f"run docs/{script.name}"


@pytest.mark.parametrize(
    "picture", sorted((DOCS / "_static").iterdir()), ids=lambda p: p.name
)
def test_pictures_are_small(picture):
    assert picture.stat().st_size < 200_000


# The site


class _Page(HTMLParser):
    """Collects where a built page leads, and what on it can be led to."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.anchors.add(attrs["id"])
        for name in ("href", "src"):
            if attrs.get(name):
                self.targets.append(attrs[name])


def dead_links(site):
    built = {path: _Page(path) for path in site.rglob("*.html")}
    for path, page in built.items():
        for target in page.targets:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            file = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not file.is_file():
                yield f"{path.relative_to(site)}: {target}"
            elif url.fragment and file in built:
                if unquote(url.fragment) not in built[file].anchors:
                    yield f"{path.relative_to(site)}: {target}"


def test_dead_links_are_found(tmp_path):
    (tmp_path / "there.html").write_text('<p id="here">text</p>')
    links = ["there.html#here", "there.html#gone", "gone.html", "https://example.org"]
    text = "".join(f'<a href="{link}">link</a>' for link in links)
    (tmp_path / "index.html").write_text(text)
    found = list(dead_links(tmp_path.resolve()))
    assert found == ["index.html: there.html#gone", "index.html: gone.html"]


def undocumented_names(site):
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    documented = {name for kind in inventory.data.values() for name in kind}
    for room in rooms():
        prefix = f"layeredrl.{room}."
        known = {n.rpartition(".")[2] for n in documented if n.startswith(prefix)}
        for name in importlib.import_module(f"layeredrl.{room}").__all__:
            if name not in known:
                yield prefix + name


def parts_from_elsewhere(site):
    """Scripts and styles that only who is online would see."""
    for page in site.rglob("*.html"):
        for tag in re.findall(r"<(?:script|link)\b[^>]*>", page.read_text()):
            if re.search(r'(?:src|href)="(?:https?:)?//', tag):
                yield f"{page.relative_to(site)}: {tag}"


@pytest.mark.slow
def test_the_site_builds_without_warnings_dead_links_or_gaps(tmp_path):
    for name in SPHINX_PARTS:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed; make docs installs it")
    site = tmp_path.resolve() / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    folders = ["-d", str(tmp_path / "doctrees"), str(DOCS), str(site)]
    finished = subprocess.run(
        [*command, "-b", "html", *folders],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert not list(dead_links(site))
    assert not list(undocumented_names(site))
    assert not list(parts_from_elsewhere(site))
    assert "<math" in (site / "concepts" / "planning.html").read_text()
