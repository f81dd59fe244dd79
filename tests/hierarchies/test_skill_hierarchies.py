"""A planner over skills: they act, learn, are saved and evaluated."""

import copy
from functools import partial

import numpy as np
import pytest

from layeredrl.envs import Maze2DVectorEnv, TMazeVectorEnv
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import (
    DiscreteSACConfig,
    DQNConfig,
    SACConfig,
    TD3Config,
    TDMPC2Config,
)
from layeredrl.levels import (
    ActionSequenceLevel,
    DADSLevel,
    Exploration,
    LearningSchedule,
    SPlaTESLevel,
)
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import FixedEncoderNet
from layeredrl.predictors import PredictorFactory
from tests.hierarchies.acting import Life, everything
from tests.learners.tdmpc2_cases import FAST
from tests.same import assert_same, is_same
from tests.toy_levels import (
    QUICK_CEM,
    QUICK_CHOICE,
    SMALL_NET,
    SMALL_PREDICTOR,
    planner_level,
)

N, INTERVAL = 3, 3
SMALL = {"hidden_sizes": (8,), "lr": 1e-2}
LEARNERS = {
    "sac": SACConfig(**SMALL, n_steps=3),
    "td3": TD3Config(**SMALL),
    "tdmpc2": TDMPC2Config(**FAST),
    "dqn": DQNConfig(**SMALL),
    "discrete-sac": DiscreteSACConfig(**SMALL),
}


def maze():
    return Maze2DVectorEnv(N, layout="Open", max_episode_steps=11)


def tmaze():
    return TMazeVectorEnv(N, corridor_length=1, episode_steps=8)


def predictor(state, context):
    """Predicts skills, from directions that mean nothing to what was learned."""
    arguments = SMALL_PREDICTOR.constructor_arguments()
    return PredictorFactory(
        **{
            **arguments,
            "partial_model": partial(
                ProbabilisticEnsemble,
                partial_net=SMALL_NET,
                config=EnsembleConfig(n_modes=2, sb_start_duration=60),
            ),
            "partial_encoder": partial(
                FixedEncoderNet, latent_state_dims=state, context_dims=context
            ),
        }
    )


# In the maze: where one is, and where one shall go; in the other one: where, and the cue.
ENVS = {"maze": (maze, (0, 1), (2, 3)), "tmaze": (tmaze, (1, 2), (0,))}


def levels(name="splates", learner="sac", n_skills=None, env="maze", **options):
    level = {"splates": SPlaTESLevel, "dads": DADSLevel}[name]
    _, state, context = ENVS[env]
    above = planner_level(
        predictor_factory=predictor(state, context),
        partial_planner=QUICK_CHOICE if n_skills else QUICK_CEM,
        exploration=Exploration(warm_up_env_steps=30, random_probability=0.2),
    )
    skills = level(
        **{
            **({"control_interval": INTERVAL} if name == "splates" else {}),
            "n_skills": n_skills,
            "learner": LEARNERS[learner],
            "policy_only": True,
            "n_skill_samples": 4,
            "fixed_std": 0.7,
            "exploration": Exploration(warm_up_env_steps=20),
            "learning": LearningSchedule(20, 15, 0.1, batch_size=6),
            "buffer_size": 900,
            **options,
        }
    )
    return [above, skills]


CASES = {
    "sac": levels(),
    "td3": levels(learner="td3"),
    "tdmpc2": levels(learner="tdmpc2"),
    "choices": levels(n_skills=2),
    "dads": levels("dads"),
    "early-ends": levels(termination_probability=0.3),
    "tmaze-dqn": levels(learner="dqn", env="tmaze"),
    "tmaze-discrete-sac": levels(learner="discrete-sac", n_skills=2, env="tmaze"),
}


def world_of(name):
    return ENVS["tmaze" if "tmaze" in name else "maze"][0]()


def life_of(name, seed=0, env_seed=0):
    env = world_of(name)
    return Life(Hierarchy(CASES[name], env, seed=seed), env, env_seed)


@pytest.mark.parametrize("name", CASES)
def test_skills_and_their_model_are_learned(name):
    life = life_of(name)
    before = life.hierarchy.acting_state()
    reports = [learned for _, learned in life.live(50)]
    above, skills = life.hierarchy.levels
    assert above.n_updates > 5 and skills.n_updates > 5
    assert not is_same(before, life.hierarchy.acting_state())
    told = [item for report in reports for item in report.items()]
    scores = [value for key, value in told if key.endswith("skill/score")]
    assert max(abs(score) for score in scores) > 1e-3
    assert all(np.isfinite(value) for _, value in told)


@pytest.mark.parametrize("name", ["sac", "dads", "early-ends", "tmaze-dqn"])
def test_the_level_above_decides_when_control_comes_back(name):
    life = life_of(name)
    life.live(60)
    above, skills = (level.buffer for level in life.hierarchy.levels)
    for ring, below in zip(above.buffers, skills.buffers, strict=True):
        asked = ring[ring.sample_indices(0)]
        done = below[below.sample_indices(0)]
        ends = np.flatnonzero(done.info.handed_back | done.done)
        lengths = np.diff(np.concatenate([[-1], ends]))
        assert asked.info.n_env_steps.tolist() == lengths.tolist()
        limit = lengths.max()
        interval = 1 if name == "dads" else INTERVAL
        assert limit == interval
        assert (set(lengths[done.info.handed_back[ends]]) == {interval}) == (
            name != "early-ends"
        )
        # Skills are what was asked for.
        n_skill = asked.act.shape[1]
        n_seen = asked.obs.shape[1]
        skill = done.obs[:, n_seen : n_seen + n_skill]
        np.testing.assert_array_equal(skill[ends], asked.act)
        starts = np.concatenate([[0], ends[:-1] + 1])
        np.testing.assert_array_equal(done.obs[starts, :n_seen], asked.obs)


@pytest.mark.parametrize("name", CASES)
def test_restoring_continues_as_if_nothing_had_been(name, tmp_path):
    life = life_of(name)
    life.live(23)
    life.hierarchy.save(tmp_path / "hierarchy.pt")
    other = copy.copy(life)
    other.env = copy.deepcopy(life.env)
    past = life_of(name, seed=5)
    past.live(7)
    other.hierarchy = past.hierarchy
    other.hierarchy.restore(tmp_path / "hierarchy.pt")
    assert_same(everything(life.hierarchy), everything(other.hierarchy))
    assert_same(life.live(20), other.live(20))
    assert_same(everything(life.hierarchy), everything(other.hierarchy))


@pytest.mark.parametrize("name", ["sac", "tdmpc2", "tmaze-discrete-sac"])
def test_evaluating_a_copy_disturbs_nothing(name):
    lives = [life_of(name) for _ in "ab"]
    for _ in range(3):
        assert_same(lives[0].live(12), lives[1].live(12))
        env = world_of(name)
        acting = lives[1].hierarchy.acting_copy(env, 9)
        before = everything(acting)[1]
        acted = Life(acting, env, 4).live(12)
        assert all(not learned for _, learned in acted)
        assert_same(before, everything(acting)[1])
    assert_same(*(everything(life.hierarchy) for life in lives))


def test_skills_of_actions_that_last():
    """Anywhere in a hierarchy, not only at its bottom."""
    env = maze()
    life = Life(Hierarchy([*levels(), ActionSequenceLevel(2)], env), env)
    life.live(60)
    above, skills, _ = life.hierarchy.levels
    assert skills.n_updates > 0 and above.n_updates > 0
    assert skills.buffer.info.n_env_steps.max() == 2
    assert above.buffer.info.n_env_steps.max() == 2 * INTERVAL


def test_skills_are_paid_by_the_predictor_of_the_level_above():
    life = life_of("sac")
    above, skills = life.hierarchy.levels
    assert skills.spec.parent_predictor is above.predictor
    assert skills._replay._predictor is above.predictor
    life.live(25)
    before = copy.deepcopy(above.state_dict())
    assert skills.learn(300)["n_updates"] > 1  # what is above stays as it is
    assert_same(before, above.state_dict())
