"""Arguments and final results for the HPARAMS tab of TensorBoard."""

from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from experiments.running.past_runs import NOT_THE_METHOD

_RESULTS = (
    "success_last",
    "success_any",
    "return_mean",
    "random_return_mean",
    "wall_s",
)


def write_hyperparameters(
    writer: SummaryWriter, told: dict[str, Any], result: dict[str, Any]
) -> None:
    """Tell TensorBoard what a run was given and what it came to.

    ``SummaryWriter.add_hparams`` would open a run within the run.

    Args:
        writer: Of the run.
        told: What ``args.json`` holds; bookkeeping is left out.
        result: What ``result.json`` holds.
    """
    shown = {"experiment": told["experiment"], "seed": told["seed"]} | {
        name: _shown(value)
        for name, value in told.items()
        if name not in NOT_THE_METHOD and value is not None
    }
    results = {
        f"result/{name}": float(result[name])
        for name in _RESULTS
        if result[name] is not None
    }
    for name, number in results.items():
        writer.add_scalar(name, number, result["env_steps"])
    file_writer: Any = writer.file_writer
    for summary in hparams(shown, results):
        file_writer.add_summary(summary)


def _shown(value: Any) -> Any:
    """The tab knows numbers and words."""
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return str(value) if isinstance(value, bool) else value
