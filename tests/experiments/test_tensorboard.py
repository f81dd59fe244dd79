"""What TensorBoard shows of a run: read back from its file, and seen in a browser."""

import dataclasses
import io
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import (
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
    parse_session_start_info_plugin_data,
)

from experiments import splates
from experiments.figures import draw_skill_run
from experiments.running.training import run_experiment
from tests.experiments.test_skills import TINY

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("logdir") / "run"
    arguments = dataclasses.replace(TINY, n_modes=2, horizon=1, run_dir=place)
    run_experiment(
        "splates",
        arguments,
        lambda env: splates.build_levels(arguments, env),
        draw_skill_run,
    )
    return place


@pytest.fixture(scope="module")
def events(folder):
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0, "histograms": 0})
    found.Reload()
    return found


def test_scalars_are_grouped_by_level_and_part(events):
    tags = set(events.Tags()["scalars"])
    groups = {tag.split("/")[0] for tag in tags}
    assert {"train", "test", "time", "result", "result.diagnostics"} <= groups
    assert {"level0.predictor", "level0.plan", "level1.skill"} <= groups
    assert not any(tag.count("/") > 1 for tag in tags)
    returns = {"level0.plan/predicted_return", "level0.plan/achieved_return"}
    assert returns | {"level0.plan/disagreement"} <= tags


def test_skills_and_mixture_weights_have_histograms(events):
    tags = events.Tags()["histograms"]
    assert {"level0.decision/feature_0", "level0.decision/feature_1"} <= set(tags)
    weights = events.Histograms("level0.model/mixture_weights")
    for entry in weights:
        assert 0.0 <= entry.histogram_value.min <= entry.histogram_value.max <= 1.0
    steps = [entry.step for entry in events.Histograms("level0.decision/feature_0")]
    assert steps == [40, 80, 120]  # at log intervals alone


def test_pictures_are_there_and_show_something(events):
    tags = events.Tags()["images"]
    assert {"figures/plan", "figures/rollouts", "figures/skills"} <= set(tags)
    for tag in tags:
        data = events.Images(tag)[0].encoded_image_string
        with Image.open(io.BytesIO(data)) as image:
            assert np.asarray(image.convert("L")).std() > 5.0, tag


def test_the_configuration_is_told_as_text(folder, events):
    tags = events.Tags()["tensors"]
    assert {"arguments/text_summary", "gin/text_summary"} <= set(tags)
    text = events.Tensors("arguments/text_summary")[0].tensor_proto.string_val[0]
    told = json.loads((folder / "args.json").read_text())
    assert json.loads(text.decode().strip("`\n")) == told


def test_hyperparameters_stand_beside_final_results(folder, events):
    data = events.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
    given = parse_session_start_info_plugin_data(data).hparams
    assert given["experiment"].string_value == "splates"
    assert given["horizon"].number_value == 1.0
    assert given["whiten"].string_value == "False"
    assert not {"run_dir", "overwrite", "device"} & set(given)
    assert events.SummaryMetadata(SESSION_END_INFO_TAG) is not None
    result = json.loads((folder / "result.json").read_text())
    [shown] = events.Scalars("result/return_mean")
    assert shown.step == result["env_steps"]
    assert shown.value == pytest.approx(result["return_mean"], rel=1e-6)
    assert [path for path in folder.iterdir() if path.is_dir()] == [
        folder / "checkpoints"
    ]  # no run within the run


@pytest.fixture(scope="module")
def server(folder):
    """TensorBoard on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--logdir", str(folder), "--port", str(port), "--load_fast", "false"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(address, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/data/runs") as answer:
                if json.load(answer):
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{address} does not answer")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium, to look at TensorBoard")
@pytest.mark.parametrize("tab", ["timeseries", "images", "hparams"])
def test_a_browser_shows_it(server, tab, tmp_path):
    picture = tmp_path / "page.png"
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
    words += ["--no-first-run", "--disable-background-networking"]
    words += ["--disable-component-update", "--disable-sync"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
    words += ["--window-size=1000,1000", "--virtual-time-budget=20000"]
    subprocess.run(
        [BROWSER, *words, f"{server}/#{tab}"],
        check=True,
        capture_output=True,
        timeout=300,
    )
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    # Beside the white page and the orange bar there is much to see.
    colors = np.unique(pixels[100:].reshape(-1, 3), axis=0)
    assert len(colors) > 50
