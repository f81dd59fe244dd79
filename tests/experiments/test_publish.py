import pytest

from experiments.past_runs import read_past_run
from experiments.publish import figure_of, page_of
from tests.experiments.past_run_folders import make_past_run


@pytest.mark.parametrize("success", [0.75, None])
def test_every_seed_is_shown_with_its_command(tmp_path, success):
    folders = [
        make_past_run(tmp_path / str(s), s, success, command=f"python --seed {s}")
        for s in range(2)
    ]
    runs = [read_past_run(folder) for folder in folders]
    page = page_of("some", runs)
    for seed in range(2):
        assert f"| {seed} |" in page and f"--seed {seed}" in page
    assert ("0.05" in page) == (success is not None)
    lines = figure_of(runs).axes[0].get_lines()
    assert len(lines) == 2 * 2 + 1
    scale = 10.0 if success is None else 1.0
    assert lines[0].get_ydata().tolist() == [0.1 * scale, 0.5 * scale]
