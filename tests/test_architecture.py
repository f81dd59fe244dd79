"""The rule of direction: a room imports only from rooms of strictly lower rank."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RANKS = {
    "version": -1,
    "doctor": 0,
    "types": 0,
    "errors": 0,
    "utils": 1,
    "optimizers": 1,
    "nets": 2,
    "envs": 2,
    "models": 3,
    "predictors": 4,
    "planners": 5,
    "learners": 5,
    "objectives": 5,
    "levels": 6,
    "hierarchies": 7,
    "collectors": 8,
    "diagnostics": 9,
}
# The same for the folders of the experiments; programs beside them stand at their rank.
EXPERIMENT_RANKS = {
    "running": 0,
    "builders": 1,
    "reports": 1,
    "benchmarks": 1,
    "programs": 2,
    "figures": 2,
    "planner": 3,
    "dads": 3,
    "flat": 3,
    "splates": 3,
    "subgoals": 3,
    "memory": 4,
    "pixels": 4,
    "trained": 5,
    "disturbances": 6,
    "sweeps": 6,
}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
# Public faces: mostly docstrings, and signatures that an API page fixes.
LONG_FILES = {
    "layeredrl/hierarchies/hierarchy.py",
    "layeredrl/predictors/predictor.py",
    "layeredrl/predictors/reward_predictor.py",
}


def sources():
    return sorted((ROOT / "layeredrl").rglob("*.py"))


def experiments():
    return sorted((ROOT / "experiments").rglob("*.py"))


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "layeredrl" and len(parts) > 1 else None


def imported_modules(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports absolutely"
            yield node.module


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    own = path.relative_to(ROOT / "layeredrl").parts[0].removesuffix(".py")
    if own in {"__init__", "__main__"}:
        return
    for module in imported_modules(ast.parse(path.read_text())):
        assert module.split(".")[0] != "experiments"
        room = room_of(module)
        if room is None or room == own:
            continue
        assert RANKS[room] < RANKS[own], f"{own} imports {module}"


@pytest.mark.parametrize("path", experiments(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_of_experiments_point_down(path):
    own = path.relative_to(ROOT / "experiments").parts[0].removesuffix(".py")
    on_top = max(EXPERIMENT_RANKS.values()) + 1  # programs that no other imports
    for module in imported_modules(ast.parse(path.read_text())):
        package, _, rest = module.partition(".")
        name = rest.partition(".")[0]
        if package == "experiments" and rest and name != own:
            assert EXPERIMENT_RANKS[name] < EXPERIMENT_RANKS.get(own, on_top), module


@pytest.mark.parametrize(
    "path", sources() + experiments(), ids=lambda p: str(p.relative_to(ROOT))
)
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    relative = str(path.relative_to(ROOT))
    assert relative in LONG_FILES or len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0].lineno
            if ast.get_docstring(node) is not None and len(node.body) > 1:
                first = node.body[1].lineno
            assert node.end_lineno - first < MAX_FUNCTION_LINES, node.name


def test_every_room_is_ranked():
    rooms = {p.name for p in (ROOT / "layeredrl").iterdir() if p.is_dir()}
    assert rooms - {"__pycache__"} <= set(RANKS)


def test_library_neither_prints_nor_logs_to_services():
    for path in sources():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", path
        assert "wandb" not in set(imported_modules(tree)), path
