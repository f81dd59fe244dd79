"""The T-maze as an ordinary Gymnasium environment."""

from typing import Any

from layeredrl.envs.tmaze_world import TMazeWorld
from layeredrl.envs.world_env import WorldEnv


class TMazeEnv(WorldEnv):
    """A cue at the start of a corridor says where to turn at its end.

    The T-maze of Bakker, "Reinforcement Learning with Long Short-Term Memory" (NIPS 2001),
    as Ni et al. make it ("When Do Transformers Shine in RL? Decoupling Memory from Credit
    Assignment", NeurIPS 2023), in its passive form: the oracle is in the start cell, so
    that only memory is asked for, and no search. The cue has to be kept in mind for
    ``corridor_length`` steps.

    - **Actions**, ``Discrete(4)``: right, up, left, down. Moves into walls do nothing. The
      arms are up and down from the junction at the right end; entering one ends an
      episode.
    - **Observation**, (3,) float32: the cue (1: up is right, -1: down is) in the start cell,
      else 0; whether this is the junction, 0 or 1; the arm entered, 1 up, -1 down, else 0.
      All cells in between look the same.
    - **Reward**: 1 for entering the right arm, 0 for the wrong one. Each step before the
      last one costs 1 / (T - 1) if the agent is then less than as many cells along the
      corridor as steps were done, where T are ``episode_steps``. Walking straight to the
      right arm returns 1, straight to any arm 0.5 on average without memory, and never
      moving -1.
    - ``info["success"]``: whether the right arm was entered by this step.

    An episode terminates in an arm, or after ``episode_steps`` steps: that limit is part of
    the task, since what waiting at the junction costs is that there is no more time. Such an
    end is reported as truncated too.

    ``reset(options={"cue": 1})`` sets the cue.

    Its state has ``corridor_length``, ``episode_steps``, ``places``, ``arms``, ``cues`` and
    ``elapsed_steps`` (1,) int64, and ``generators``.
    """

    def __init__(self, *, render_mode: str | None = None, **world_options: Any) -> None:
        """Set up the T-maze.

        Args:
            render_mode: ``"rgb_array"``, or ``None``.
            **world_options: Arguments of ``TMazeWorld``: ``corridor_length``,
                ``episode_steps``.
        """
        super().__init__(TMazeWorld(1, **world_options), render_mode)
