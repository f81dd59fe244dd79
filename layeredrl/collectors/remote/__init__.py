"""Experience from workers in other processes or on other machines."""

from layeredrl.collectors.remote.ray_runtime import RayRuntime, import_ray
from layeredrl.collectors.remote.ray_workers import RayWorkers
from layeredrl.collectors.remote.remote_experience import RemoteExperience
from layeredrl.collectors.remote.rollout_worker import EnvMaker, RolloutWorker
from layeredrl.collectors.remote.rollouts import ForwardedStep, Rollout, merge_rollouts
from layeredrl.collectors.remote.workers import Collected, Workers

__all__ = [
    "Collected",
    "EnvMaker",
    "ForwardedStep",
    "RayRuntime",
    "RayWorkers",
    "RemoteExperience",
    "Rollout",
    "RolloutWorker",
    "Workers",
    "import_ray",
    "merge_rollouts",
]
