"""Run folders with a checkpoint, without the training."""

import json

from experiments.running.arguments import as_plain
from experiments.running.environments import make_vector_env
from experiments.trained.rebuilding import EXPERIMENTS
from layeredrl.hierarchies import Hierarchy


def make_untrained(name, arguments, folder):
    """Where an older run of the experiment would lie."""
    _, build = EXPERIMENTS[name]
    place = folder / "runs" / name / "task" / "seed0"
    place.mkdir(parents=True)
    env = make_vector_env(arguments.env_id, 2, arguments.parsed_train_env_kwargs())
    hierarchy = Hierarchy(build(arguments, env), env)
    hierarchy.save(place / "checkpoints" / "final.pt", with_buffers=False)
    (place / "args.json").write_text(json.dumps(as_plain(arguments)))
    return place
