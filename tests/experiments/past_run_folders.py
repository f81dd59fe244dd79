"""Run folders as a finished run leaves them, without the run."""

import json

from experiments.running.arguments import RunArguments, as_plain


def make_past_run(
    folder,
    seed,
    score,
    *,
    method="flat",
    curve=(0.1, 0.5),
    env_id="Some-v0",
    env_kwargs=(),
    command="python -m experiments.flat",
    **changes,
):
    """Success is the score; a score of ``None`` makes a task without success."""
    folder.mkdir(parents=True)
    arguments = RunArguments(env_id=env_id, seed=seed, env_kwargs=env_kwargs)
    plain = as_plain(arguments) | {"learner": method} | changes
    result = {
        "env_id": env_id,
        "env_steps": 2000,
        "wall_s": 1.5,
        "episodes": 100,
        "success_any": score,
        "success_last": score,
        "return_mean": 10.0 * (score or 0.5),
        "random_success_any": None if score is None else 0.05,
        "random_success_last": None if score is None else 0.05,
        "success_ci95": None if score is None else [0.1, 0.9],
        "random_return_mean": 0.5,
        "seed": seed,
        "versions": {"torch": "2"},
        "command": command,
    }
    lines = [
        {"env_steps": 1000 * (i + 1) + seed, "test/success_last": value}
        | {"test/success_any": value, "test/return_mean": 10.0 * value}
        for i, value in enumerate(curve)
    ]
    (folder / "args.json").write_text(json.dumps(plain))
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in lines))
    return folder


def make_methods(root, **scores):
    """One method per keyword, one seed per score."""
    return [
        make_past_run(root / name / f"seed{seed}", seed, score, method=name)
        for name, values in scores.items()
        for seed, score in enumerate(values)
    ]
