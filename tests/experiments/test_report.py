import json
import sys

import numpy as np
import pytest

from experiments import report
from experiments.reports.comparison import compare
from experiments.reports.figures import figures_of, plt
from experiments.running.past_runs import (
    experiment_of,
    find_run_folders,
    preset_in,
    read_past_run,
)
from layeredrl.errors import ConfigurationError, RunFolderError
from tests.experiments.past_run_folders import make_methods, make_past_run


def compared(folders, *rest):
    return compare([read_past_run(folder) for folder in folders], *rest)


def test_a_report_has_page_numbers_and_pictures(tmp_path, monkeypatch, capsys):
    make_methods(tmp_path, sac=(0.9, 0.8, 1.0), ppo=(0.4, 0.5, 0.6))
    words = [str(tmp_path / "*"), "--output", str(tmp_path / "report")]
    monkeypatch.setattr(sys, "argv", ["report", *words])
    report.run()
    assert "| sac | 3 | 0.90 [0.80, 1.00]" in capsys.readouterr().out
    page = (tmp_path / "report" / "report.md").read_text()
    for name in ("learning_curves", "scores", "profiles", "improvement"):
        assert f"({name}.png)" in page
        assert (tmp_path / "report" / f"{name}.png").stat().st_size > 5000
    assert "Agarwal" in page and "too narrow" in page
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    first, second = numbers["methods"]
    assert (first["label"], second["label"]) == ("ppo", "sac")
    assert second["iqm"]["value"] == pytest.approx(0.9)
    assert second["seeds"] == [0, 1, 2]
    assert numbers["improvements"][0]["value"] == 0.0
    assert numbers["random"] == pytest.approx(0.05)
    again = json.dumps(numbers["methods"])
    report.run()  # an older report is replaced, by the same numbers
    numbers = json.loads((tmp_path / "report" / "report.json").read_text())
    assert json.dumps(numbers["methods"]) == again


def test_one_seed_has_no_interval_and_the_page_says_so(tmp_path):
    comparison = compared(make_methods(tmp_path, sac=(0.9,)))
    page = report.page_of(comparison)
    assert "0.90 (one seed)" in page and "has no interval" in page
    figures = figures_of(comparison)
    assert "improvement" not in figures
    plt.close("all")


def test_equal_scores_and_a_missing_curve_can_be_drawn(tmp_path):
    folders = [
        make_past_run(tmp_path / f"seed{s}", s, None, curve=()) for s in range(2)
    ]
    comparison = compared(folders)
    assert comparison.metric == "return_mean"
    assert comparison.methods[0].estimates["iqm"].interval == (5.0, 5.0)
    assert set(figures_of(comparison)) == {"scores", "profiles"}
    plt.close("all")


def test_many_seeds_and_methods_can_be_drawn(tmp_path):
    scores = {f"m{i}": np.linspace(0, 0.1 * i, 5) for i in range(8)}
    figures = figures_of(compared(make_methods(tmp_path, **scores)))
    curves = figures["learning_curves"].axes[0]
    assert curves.get_ylabel() == "success at the last step"
    plt.close("all")


def test_curves_are_those_of_the_tests(tmp_path):
    curve = compared(make_methods(tmp_path, sac=(0.9, 0.8))).methods[0].curve
    np.testing.assert_allclose(curve.env_steps, [1001, 2000])
    np.testing.assert_allclose(curve.middle, [0.1, 0.5], atol=1e-3)


@pytest.mark.parametrize(
    "metric, score", [("success_any", 0.9), ("return", 9.0), (None, 0.9)]
)
def test_the_metric_can_be_chosen(tmp_path, metric, score):
    comparison = compared(make_methods(tmp_path, sac=(0.9,)), metric)
    assert comparison.methods[0].scores == pytest.approx([score])


def test_a_metric_that_the_task_lacks_is_named(tmp_path):
    folder = make_past_run(tmp_path / "seed0", 0, None)
    with pytest.raises(ConfigurationError, match="Some-v0 has no success_any"):
        compared([folder], "success_any")


def test_methods_are_told_apart_by_their_arguments(tmp_path):
    preset = "python -m experiments.{} --preset maze"
    runs = [
        make_past_run(tmp_path / "a" / "seed0", 0, 0.1, command=preset.format("dads")),
        make_past_run(
            tmp_path / "b" / "seed0", 0, 0.2, command=preset.format("splates")
        ),
        make_past_run(
            tmp_path / "b" / "seed1", 1, 0.3, command=preset.format("splates"), added=1
        ),
    ]
    methods = compared(runs).methods
    assert [m.label for m in methods] == ["dads maze", "splates maze"]
    # Tested less often, and an argument that came later: the same method all the same.
    assert methods[1].seeds == [0, 1]


def test_names_fall_back_to_folders(tmp_path):
    runs = [
        make_past_run(tmp_path / name / "seed0", 0, 0.1, hold=i)
        for i, name in enumerate(("slow", "fast"))
    ]
    assert [m.label for m in compared(runs).methods] == ["slow", "fast"]


def test_labels_name_and_join_methods(tmp_path):
    runs = [make_past_run(tmp_path / f"x{i}", i, 0.1, hold=i) for i in range(3)]
    methods = compared(runs, None, [f"mine={tmp_path}/x[01]"]).methods
    assert [(m.label, m.seeds) for m in methods] == [("mine", [0, 1]), ("flat", [2])]


@pytest.mark.parametrize("label", ["mine", "=x", "mine=", "mine=elsewhere"])
def test_a_label_that_fits_nothing_is_refused(tmp_path, label):
    with pytest.raises(ConfigurationError, match="label"):
        compared(make_methods(tmp_path, sac=(0.9,)), None, [label])


def test_a_seed_counts_once(tmp_path):
    runs = [make_past_run(tmp_path / name / "seed0", 0, 0.1) for name in "ab"]
    with pytest.raises(ConfigurationError, match="seed 0 of flat would count twice"):
        compared(runs)


@pytest.mark.parametrize("change", [{"env_id": "B-v0"}, {"env_kwargs": ("size=2",)}])
def test_tasks_are_not_mixed(tmp_path, change):
    a = make_past_run(tmp_path / "a" / "seed0", 0, 0.1)
    b = make_past_run(tmp_path / "b" / "seed0", 0, 0.1, **change)
    with pytest.raises(ConfigurationError, match="2 tasks.*Some-v0 in"):
        compared([a, b])


def test_run_folders_are_found_once(tmp_path):
    folders = make_methods(tmp_path, sac=(0.9, 0.8))
    places = [tmp_path, tmp_path / "sac", folders[0], tmp_path / "*" / "seed*"]
    assert sorted(find_run_folders(places)) == sorted(folders)


@pytest.mark.parametrize("place", ["nowhere", "no*", "empty"])
def test_places_without_runs_are_named(tmp_path, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match="no"):
        find_run_folders([tmp_path / place])
    with pytest.raises(RunFolderError, match="at least one"):
        find_run_folders([])


@pytest.mark.parametrize("broken", ["args.json", "result.json", "metrics.jsonl"])
def test_a_run_without_results_is_named(tmp_path, broken):
    folder = make_past_run(tmp_path / "seed0", 0, 0.1)
    (folder / broken).write_text("[1")
    with pytest.raises(RunFolderError, match="cannot read"):
        read_past_run(folder)
    (folder / broken).unlink()
    with pytest.raises(RunFolderError, match="seed0"):
        read_past_run(folder)


def test_commands_tell_experiment_and_preset():
    command = "python -m experiments.flat --preset a --gin it's"
    assert experiment_of({}, {"command": command}) == "flat"
    assert experiment_of({"experiment": "dads"}, {"command": command}) == "dads"
    assert experiment_of({}, {"command": "python pytest"}) is None
    assert experiment_of({}, {}) is preset_in("") is None
    assert preset_in(command) == "a"
    assert preset_in("python -m experiments.flat --preset") is None
    assert preset_in("python -m experiments.flat --seed 1 --preset=b") == "b"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    comparison = compared(make_methods(tmp_path, sac=(0.9,)))
    with pytest.raises(RunFolderError, match="file"):
        report.write_report(comparison, tmp_path / "file" / "report")
    plt.close("all")
