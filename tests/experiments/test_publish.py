import json

import pytest

from experiments.publish import figure_of, page_of, read_run
from layeredrl.errors import RunFolderError


def make_run(folder, seed, success):
    folder.mkdir()
    result = {
        "env_id": "Some-v0",
        "env_steps": 400,
        "wall_s": 12.3,
        "episodes": 100,
        "success_any": success,
        "success_last": success,
        "success_ci95": None if success is None else [0.1, 0.9],
        "return_mean": 1.5,
        "random_success_last": None if success is None else 0.25,
        "random_return_mean": 0.5,
        "seed": seed,
        "versions": {"torch": "2"},
        "command": f"python -m experiments.planner --seed {seed}",
    }
    (folder / "result.json").write_text(json.dumps(result))
    line = {"env_steps": 200, "test/success_last": 0.5, "test/return_mean": 1.0}
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    return folder


@pytest.mark.parametrize("success", [0.75, None])
def test_every_seed_is_shown_with_its_command(tmp_path, success):
    runs = [read_run(make_run(tmp_path / str(s), s, success)) for s in range(2)]
    assert runs[0].curve == [(200, 0.5 if success else 1.0)]
    page = page_of("some", runs)
    for seed in range(2):
        assert f"| {seed} |" in page and f"--seed {seed}" in page
    assert ("0.25" in page) == (success is not None)
    axes = figure_of(runs).axes[0]
    assert len(axes.get_lines()) == 2 * 2 + 1


def test_an_unfinished_run_is_named(tmp_path):
    with pytest.raises(RunFolderError, match="no finished run"):
        read_run(tmp_path)
