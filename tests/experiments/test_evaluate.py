import dataclasses
import json
import sys
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from experiments import evaluate, flat, planner
from experiments.evaluate import EvaluateArguments, evaluate_trained
from experiments.figures.animation import pictures_gif
from experiments.running.environments import make_vector_env
from experiments.running.training import run_and_report
from experiments.trained.rebuilding import EXPERIMENTS, find_trained, load_agent
from layeredrl.errors import CheckpointError, ConfigurationError, RunFolderError
from layeredrl.hierarchies import persistence
from tests.experiments.untrained_runs import make_untrained

TINY = flat.FlatArguments(
    env_kwargs=("max_episode_steps=10",),
    train_env_kwargs=("max_episode_steps=12",),
    learner_options=("hidden_sizes=(8,)",),
    n_envs=2,
    total_env_steps=40,
    log_interval=20,
    warm_up_env_steps=20,
    learn_interval=20,
    updates_per_env_step=0.1,
    batch_size=4,
    test_interval=0,
    checkpoint_interval=20,
    n_eval_episodes=3,
    n_eval_envs=2,
    seed=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run."""
    place = tmp_path_factory.mktemp("runs") / "run"
    arguments = dataclasses.replace(TINY, run_dir=place)
    run_and_report(
        "flat",
        arguments,
        lambda env: flat.build_levels(arguments, env),
        lambda run: None,
    )
    return place


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("checkpoint", ["final.pt", "step-000000000040.pt", None])
def test_a_runs_own_evaluation_can_be_repeated(folder, tmp_path, checkpoint):
    place = folder if checkpoint is None else folder / "checkpoints" / checkpoint
    before, output = result_of(folder), tmp_path / "e.json"
    result = evaluate_trained(EvaluateArguments(place, episodes=3, output=output))
    shared = before.keys() & result.keys() - {"command"}
    assert {"return_mean", "random_return_mean", "env_steps"} <= shared
    assert {name: result[name] for name in shared} == {n: before[n] for n in shared}
    low, high = result["return_ci95"]
    assert low <= result["return_mean"] <= high
    assert result["length_mean"] == 10.0 and result["length_ci95"] == (10.0, 10.0)
    assert json.loads(output.read_text())["experiment"] == "flat"
    assert result_of(folder) == before


def test_as_a_program_it_prints_a_table_and_writes_beside_the_result(
    folder, monkeypatch, capsys
):
    words = [str(folder), "--episodes", "2", "--n-envs", "1", "--seed", "7"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *words])
    for _ in range(2):  # an older evaluation is replaced
        evaluate.run()
    shown = capsys.readouterr().out
    assert "mean return" in shown and "random" in shown and "success" not in shown
    written = json.loads((folder / "evaluation-final-seed7.json").read_text())
    assert (written["episodes"], written["seed"]) == (2, 7)


def test_success_has_two_intervals(tmp_path):
    env_id, kwargs = "Maze2D-Open-v0", ("max_episode_steps=5",)
    arguments = dataclasses.replace(TINY, env_id=env_id)
    place = make_untrained("flat", arguments, tmp_path)
    result = evaluate_trained(
        EvaluateArguments(place, episodes=3, n_envs=3, env_kwargs=kwargs)
    )
    for name in ("success_any", "success_last"):
        low, high = result["success_ci95" if "last" in name else f"{name}_ci95"]
        assert low <= result[name] <= high
    assert "success, any step" in evaluate.table_of(result)


@pytest.mark.parametrize("rebuilds_itself", [True, False])
@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_every_experiment_is_rebuilt(name, rebuilds_itself, tmp_path, monkeypatch):
    def refuse(_):
        raise ConfigurationError("a lambda")

    if not rebuilds_itself:
        monkeypatch.setattr(persistence, "encode", refuse)
    kind, _ = EXPERIMENTS[name]
    arguments = kind(**({} if name in {"flat", "subgoals"} else {"buffer_size": 100}))
    trained = find_trained(make_untrained(name, arguments, tmp_path))
    assert trained.experiment == name
    shared = trained.shared()
    env = make_vector_env(shared.env_id, 3, shared.parsed_env_kwargs())
    agent, n_env_steps = load_agent(trained, env, "cpu", seed=0)
    obs, _ = env.reset(seed=0)
    assert env.action_space.contains(agent.get_action(obs))
    assert n_env_steps == 0 and not agent.is_training


def told_anew(place, **entries):
    """Change what a run's arguments tell."""
    path = place / "args.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    return find_trained(place).experiment


def test_a_runs_arguments_name_its_experiment(folder, tmp_path):
    arguments = json.loads((folder / "args.json").read_text())
    assert arguments["experiment"] == "flat"
    place = make_untrained("splates", EXPERIMENTS["splates"][0](), tmp_path)
    assert "experiment" not in json.loads((place / "args.json").read_text())
    assert find_trained(place).experiment == "splates"  # by its place
    command = {"command": "python -m experiments.dads"}
    (place / "result.json").write_text(json.dumps(command))
    assert find_trained(place).experiment == "dads"
    assert told_anew(place, experiment="splates") == "splates"
    # One that is not ours is none of ours, however much alike.
    assert told_anew(place, experiment="mine") is None


def test_what_cannot_be_rebuilt_says_what_it_needs(tmp_path, monkeypatch):
    arguments = dataclasses.replace(TINY, env_id="Pendulum-v1")
    place = make_untrained("flat", arguments, tmp_path)
    content = torch.load(place / "checkpoints" / "final.pt", weights_only=True)
    content["content"]["recipe"] = None
    torch.save(content, tmp_path / "alone.pt")
    args = EvaluateArguments(tmp_path / "alone.pt", env_id="Pendulum-v1")
    with pytest.raises(CheckpointError, match="--experiment"):
        evaluate_trained(args)
    with pytest.raises(ConfigurationError, match="args.json"):
        evaluate_trained(dataclasses.replace(args, experiment="flat"))
    with pytest.raises(ConfigurationError, match="--env-id"):
        evaluate_trained(dataclasses.replace(args, env_id=None))
    with pytest.raises(ConfigurationError, match="there are.*splates"):
        evaluate_trained(dataclasses.replace(args, experiment="splate"))


def test_arguments_that_are_gone_are_named(folder, tmp_path):
    trained = find_trained(folder / "checkpoints" / "step-000000000040.pt")
    foreign = dataclasses.replace(trained, arguments=trained.arguments | {"gone": 1})
    env = make_vector_env("Pendulum-v1", 2, {})
    with pytest.raises(ConfigurationError, match="gone"):
        load_agent(foreign, env, "cpu", seed=0)


def test_a_folder_without_checkpoint_is_named(tmp_path):
    with pytest.raises(RunFolderError, match="no checkpoint"):
        evaluate_trained(EvaluateArguments(tmp_path))
    with pytest.raises(RunFolderError, match="nowhere"):
        evaluate_trained(EvaluateArguments(tmp_path / "nowhere"))


def test_a_foreign_file_is_named(folder, tmp_path):
    foreign = tmp_path / "model.pt"
    torch.save({"weights": torch.zeros(2)}, foreign)
    for place in (foreign, folder / "args.json"):
        with pytest.raises(CheckpointError, match=place.name):
            evaluate_trained(EvaluateArguments(place, env_id="Pendulum-v1"))


def test_an_unknown_environment_names_the_nearest(folder):
    with pytest.raises(ConfigurationError, match="did you mean Pendulum"):
        evaluate_trained(EvaluateArguments(folder, env_id="Pendulm-v1"))


def test_another_environment_does_not_fit(folder):
    with pytest.raises(CheckpointError, match="of another hierarchy"):
        evaluate_trained(EvaluateArguments(folder, env_id="CartPole-v1"))


def test_a_result_is_never_overwritten(folder, tmp_path):
    before = (folder / "result.json").read_text()
    for output in (folder / "result.json", folder / "metrics.jsonl", folder):
        with pytest.raises(RunFolderError, match="not overwritten"):
            evaluate_trained(EvaluateArguments(folder, output=output))
    with pytest.raises(RunFolderError, match="no folder"):
        evaluate_trained(EvaluateArguments(folder, output=tmp_path / "a" / "b.json"))
    assert (folder / "result.json").read_text() == before


@pytest.mark.parametrize("wrong", [{"episodes": 0}, {"n_envs": 0}])
def test_counts_must_be_positive(tmp_path, wrong):
    with pytest.raises(ConfigurationError, match="at least 1"):
        EvaluateArguments(tmp_path, **wrong)


def frames_of(data):
    with Image.open(data) as image:
        return image.format, image.n_frames


def test_an_episode_is_animated_with_its_plans(tmp_path):
    arguments = planner.PlannerArguments(
        env_id="Maze2D-Open-v0", env_kwargs=("max_episode_steps=8",), n_eval_envs=2
    )
    folder = make_untrained("planner", arguments, tmp_path)
    result = evaluate_trained(EvaluateArguments(folder, episodes=2, gif=True))
    assert result["gif"] == result["output"].replace(".json", ".gif")
    kind, n_frames = frames_of(result["gif"])
    assert kind == "GIF" and n_frames > 4


def test_without_plans_and_pictures_there_is_nothing_to_animate(folder, tmp_path):
    output = tmp_path / "e.json"
    with pytest.raises(ConfigurationError, match="nothing to animate.*rgb_array"):
        evaluate_trained(EvaluateArguments(folder, episodes=2, output=output, gif=True))


def test_pictures_alone_are_animated():
    colors = np.random.default_rng(0).integers(0, 256, (7, 1, 1, 3), dtype=np.uint8)
    pictures = list(np.broadcast_to(colors, (7, 40, 60, 3)))
    data = pictures_gif(pictures)
    assert frames_of(BytesIO(data)) == ("GIF", 7)
    assert frames_of(BytesIO(pictures_gif(pictures, len(data) - 1)))[1] < 7
    assert pictures_gif(pictures, 10) == b""
