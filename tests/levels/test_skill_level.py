"""What a skill level shows its policy, when it hands back, and what it refuses."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from gymnasium import spaces

from layeredrl.errors import ConfigurationError, SpaceError
from layeredrl.hierarchies import Hierarchy
from layeredrl.learners import (
    A2CConfig,
    PPOConfig,
    SACConfig,
    SequenceActorCriticConfig,
    TDMPC2Config,
)
from layeredrl.levels import (
    DADSLevel,
    Exploration,
    LearningSchedule,
    SkillLevel,
    SPlaTESLevel,
)
from layeredrl.models import EnsembleConfig, ProbabilisticEnsemble
from layeredrl.nets import BackboneEncoder, FixedEncoderNet
from layeredrl.objectives import DADS, SPlaTES
from layeredrl.utils.schedules import LinearSchedule
from tests.levels.building import build
from tests.levels.notebook import ALL, BOX, N, Notes, step, stored
from tests.levels.skill_cases import (
    CHOICE,
    INTERVAL,
    PLANE,
    STATE,
    followed,
    parent,
    recipe,
    skill_level,
)
from tests.nets.backbones import GRU, STEP
from tests.toy_envs import lines
from tests.toy_levels import (
    QUICK_CHOICE,
    SMALL_PREDICTOR,
    Diary,
    planner_level,
    predictor_with,
)
from tests.toys import unbounded

SKILL = [0.5, 2.0]

# What the policy sees


def test_the_policy_sees_the_skill_its_progress_and_how_far_it_has_come():
    running = skill_level()
    seen = np.array([[1, 2, 3], [4, 5, 9], [7, 8, 9], [0, 1, 2], [3, 2, 0]])
    for now, then in zip(seen[:-1], seen[1:], strict=True):
        step(running, SKILL, obs=now, next_obs=then)
    kept, following = (stored(running, key, 1) for key in ("obs", "obs_next"))
    place = seen[:, list(STATE)]
    start = place[[0, 0, 0, 3]]  # the fourth decision is the first of another skill
    np.testing.assert_allclose(kept[:, :3], seen[:-1])
    np.testing.assert_allclose(following[:, :3], seen[1:])
    assert kept[:, 3:5].tolist() == following[:, 3:5].tolist() == [SKILL] * 4
    np.testing.assert_allclose(kept[:, 5], [0, 1 / 3, 2 / 3, 0])
    np.testing.assert_allclose(kept[:, 6:], place[:-1] - start)
    # After the last decision the skill is over, but still the one that was followed.
    np.testing.assert_allclose(following[:, 5], [1 / 3, 2 / 3, 1, 1 / 3])
    np.testing.assert_allclose(following[:, 6:], place[1:] - start)
    told = torch.stack([here.obs[1] for here, _ in running.learner.situations])
    np.testing.assert_allclose(told, kept)


def test_a_new_episode_is_a_new_start():
    running = skill_level()
    step(running, SKILL, obs=1.0, next_obs=2.0)
    running.reset(np.array([1]))
    step(running, SKILL, obs=5.0, next_obs=6.0)
    ways = [stored(running, "obs", i)[:, 5:].tolist() for i in ALL]
    goes_on, begins = [pytest.approx([1 / 3, 4, 4])], [[0.0, 0.0, 0.0]]
    assert [way[1:] for way in ways] == [goes_on, begins, goes_on]


def test_step_by_step_objectives_show_the_skill_alone():
    running = skill_level(objective=DADS())
    for i in range(4):
        step(running, SKILL, obs=[i, i, i], next_obs=[i + 1, i + 1, i + 1])
    assert stored(running, "obs")[:, 3:].tolist() == [SKILL] * 4
    assert stored(running, "obs_next")[:, 3:].tolist() == [SKILL] * 4


@pytest.mark.parametrize(
    "objective, space, n_condition",
    [
        (SPlaTES(), PLANE, 2 + 1 + 2),
        (SPlaTES(), CHOICE, 4 + 1 + 2),
        (DADS(), PLANE, 2),
        (DADS(), CHOICE, 4),
    ],
)
def test_the_learner_is_told_how_much_of_it_is_asked_for(objective, space, n_condition):
    running = skill_level(objective=objective, skill_space=space)
    spec = running.learner.spec
    assert spec.n_condition == n_condition and spec.obs_shape == (3 + n_condition,)
    assert spec.action_space == BOX and running.spec.input_space == space


def test_decisions_are_stored_without_payment():
    running = skill_level()
    for _ in range(4):
        step(running, SKILL, reward=[7.0, 8.0, 9.0])
    assert [stored(running, "rew", i).tolist() for i in ALL] == [[0.0] * 4] * N
    flags = [stored(running, "handed_back", i).tolist() for i in ALL]
    assert flags == [[False, False, True, False]] * N


def test_a_skill_is_followed_until_it_is_over():
    running = skill_level()
    for i in range(4):
        step(running, [0.1 * i, 1.0])
    np.testing.assert_allclose(stored(running, "obs")[:, 3], [0, 0, 0, 0.3])


# When control goes back


def test_control_goes_back_after_as_many_decisions_in_each_instance_by_itself():
    running = skill_level(control_interval=2)
    assert step(running, SKILL, instances=[0, 2]) == [False, False]
    assert step(running, SKILL, instances=[2, 1]) == [True, False]
    assert step(running, SKILL) == [True, True, False]
    running.reset(np.array([2]))
    assert step(running, SKILL) == [False, False, False]
    assert recipe(control_interval=2).control_interval == 2


@pytest.mark.parametrize("probability", [0.0, 0.4])
def test_skills_may_end_early_by_chance(probability):
    running = skill_level(
        termination_probability=probability, control_interval=4, buffer_size=9000
    )
    lengths, n_since = [], np.zeros(N, int)
    for _ in range(700):
        n_since += 1
        back = np.array(step(running, SKILL))
        lengths += n_since[back].tolist()
        n_since[back] = 0
    share = np.bincount(lengths, minlength=5)[1:] / len(lengths)
    stays = 1.0 - probability
    expected = [stays**i * probability for i in range(3)] + [stays**3]
    np.testing.assert_allclose(share, expected, atol=0.05)
    flags = stored(running, "handed_back")
    progress = stored(running, "obs")[:, 5]
    np.testing.assert_array_equal(progress[1:] == 0.0, flags[:-1])


def test_skills_end_by_chance_in_evaluation_too_since_the_model_expects_it():
    running = skill_level(termination_probability=0.9, control_interval=4)
    running.eval()
    backs = np.array([step(running, SKILL) for _ in range(4)])
    assert backs.any() and not backs.all()


# When it learns


@pytest.mark.parametrize("frozen_at", [None, 0, 40])
def test_skills_stay_as_they_are_once_they_are_frozen(frozen_at):
    running = followed(skill_level(freeze_env_steps=frozen_at), 20)
    learns = ["n_updates" in running.learn(n) for n in (20, 40, 41, 60)]
    limit = 1000 if frozen_at is None else frozen_at
    assert learns == [n <= limit for n in (20, 40, 41, 60)]


def test_what_skills_are_worth_is_logged():
    running = followed(skill_level())
    numbers = running.learn(5)
    assert numbers["n_updates"] == 5.0
    assert np.isfinite(numbers["skill/score"]) and type(numbers["skill/score"]) is float


# Descriptions by name


def test_arguments_of_a_splates_level_reach_the_objective():
    std = LinearSchedule(1.0, 0.5, 100)
    level = SPlaTESLevel(
        skill_dim=3,
        control_interval=7,
        n_skill_samples=11,
        clip=20.0,
        reward_offset=2.0,
        fixed_std=std,
        potential_differences=True,
        n_value_samples=2,
        relabel_ratio=0.25,
    )
    assert level.objective == SPlaTES(
        n_skill_samples=11,
        fixed_std=std,
        clip=20.0,
        reward_offset=2.0,
        potential_differences=True,
    )
    assert level.skill_space == spaces.Box(-1.0, 1.0, (3,), np.float32)
    assert (level.control_interval, level.n_value_samples) == (7, 2)
    assert level.relabel_ratio == 0.25
    assert level.input_space(BOX) == level.skill_space


def test_arguments_of_a_dads_level_reach_the_objective():
    level = DADSLevel(
        n_skills=5, n_skill_samples=11, clip=20.0, reward_offset=2.0, fixed_std=0.3
    )
    assert level.objective == DADS(
        n_skill_samples=11, fixed_std=0.3, clip=20.0, reward_offset=2.0
    )
    assert level.skill_space == spaces.Discrete(5)
    assert level.control_interval == 1 and level.n_value_samples == 0
    assert DADSLevel(n_value_samples=3).n_value_samples == 3
    assert DADSLevel().learner.n_steps == 1 and SPlaTESLevel().learner.n_steps > 1


@pytest.mark.parametrize("name", [SPlaTESLevel, DADSLevel])
def test_learners_may_be_given_and_told_not_to_plan(name):
    assert name(learner=Notes(), policy_only=True).learner == Notes()
    planning = TDMPC2Config()
    assert name(learner=planning, policy_only=False).learner == planning
    alone = name(learner=planning, policy_only=True).learner
    assert alone == replace(planning, use_policy=True)


@pytest.mark.parametrize("name", [SPlaTESLevel, DADSLevel])
@pytest.mark.parametrize("wrong", [{"skill_dim": 0}, {"n_skills": 1}])
def test_skills_that_are_none_are_refused(name, wrong):
    with pytest.raises(ConfigurationError, match="|".join(map(str, wrong))):
        name(**wrong)


# What is refused


@pytest.mark.parametrize(
    "wrong",
    [
        {"control_interval": 0},
        {"buffer_size": 0},
        {"termination_probability": 1.0},
        {"termination_probability": -0.5},
        {"relabel_ratio": 1.5},
        {"relabel_ratio": -0.5},
        {"n_value_samples": -1},
        {"freeze_env_steps": -1},
    ],
)
def test_numbers_that_cannot_work_are_refused(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ConfigurationError) as error:
        SkillLevel(**wrong)
    assert name in str(error.value) and str(value) in str(error.value)


@pytest.mark.parametrize(
    "space", [spaces.Box(-np.inf, 1.0, (2,)), spaces.MultiBinary(3)]
)
def test_skills_that_cannot_be_drawn_are_refused(space):
    with pytest.raises(SpaceError):
        SkillLevel(skill_space=space)


def test_a_level_above_that_does_not_predict_is_refused():
    with pytest.raises(ConfigurationError, match="no predictor.*PlannerLevel"):
        build(recipe(), BOX, N)


def test_nobody_above_is_refused():
    with pytest.raises(ConfigurationError):
        Hierarchy([recipe()], lines(N))


@pytest.mark.parametrize("kind", ["diary", "backbone"])
def test_a_level_above_that_remembers_is_refused(kind):
    encoder = Diary
    if kind == "backbone":
        encoder = partial(
            BackboneEncoder,
            observation_space=unbounded(3),
            action_space=PLANE,
            partial_tstep_encoder=STEP,
            partial_traj_encoder=GRU,
            max_seq_len=6,
            n_state_features=2,
        )
    levels = [planner_level(predictor_factory=predictor_with(encoder)), recipe()]
    with pytest.raises(ConfigurationError, match="must not remember"):
        Hierarchy(levels, lines(N))


def test_single_decisions_cannot_be_scored_where_whole_skills_are_predicted():
    with pytest.raises(ConfigurationError, match="control_interval must be 1, got 10"):
        SkillLevel(objective=DADS())


def test_encoders_that_learn_are_refused():
    predictor = parent()
    predictor.learn_encoder = True
    build(recipe(), BOX, N, parent_predictor=predictor)  # nothing there to be learned
    predictor.encoder.scale = torch.nn.Parameter(torch.ones(()))
    with pytest.raises(ConfigurationError, match="must not learn its encoder"):
        build(recipe(), BOX, N, parent_predictor=predictor)


@pytest.mark.parametrize("columns", [[0, 1], [1, 2, 0]])
def test_seeing_more_or_others_than_the_level_above_is_refused(columns):
    skills = SPlaTESLevel(learner=SACConfig(hidden_sizes=(4,)))
    with pytest.raises(ConfigurationError, match="must see what the level above"):
        Hierarchy([planner_level(), skills], lines(N), obs_maps=[columns, None])


@pytest.mark.parametrize(
    "learner",
    [
        PPOConfig(hidden_sizes=(4,)),
        A2CConfig(hidden_sizes=(4,)),
        Notes(is_on_policy=True),
        SequenceActorCriticConfig(max_seq_len=4),
    ],
)
@pytest.mark.parametrize("warm_up", [0, 10])
def test_learners_that_cannot_learn_from_old_skills_are_refused(learner, warm_up):
    with pytest.raises(ConfigurationError, match="on-policy|off-policy"):
        skill_level(learner=learner, exploration=Exploration(warm_up))


def test_more_skill_features_than_the_start_could_tell_apart_are_refused():
    arguments = SMALL_PREDICTOR.constructor_arguments()

    def levels(duration, skill_dim):
        model = partial(
            ProbabilisticEnsemble, config=EnsembleConfig(sb_start_duration=duration)
        )
        arguments["partial_model"] = model
        arguments["partial_encoder"] = partial(
            FixedEncoderNet, latent_state_dims=(1, 2), context_dims=(0,)
        )
        factory = type(SMALL_PREDICTOR)(**arguments)
        skills = SPlaTESLevel(skill_dim, learner=SACConfig(hidden_sizes=(4,)))
        return [planner_level(predictor_factory=factory), skills]

    with pytest.raises(ConfigurationError, match="3.*2|2.*3"):
        Hierarchy(levels(100, 3), lines(N))
    Hierarchy(levels(100, 2), lines(N))
    Hierarchy(levels(0, 3), lines(N))


@pytest.mark.parametrize(
    "n_skills, planner",
    [(3, {}), (None, {"partial_planner": QUICK_CHOICE})],
    ids=["choices", "box"],
)
def test_planners_that_cannot_plan_with_such_skills_are_refused(n_skills, planner):
    above = planner_level(exploration=Exploration(0), **planner)
    skills = SPlaTESLevel(n_skills=n_skills)
    with pytest.raises(SpaceError):
        Hierarchy([above, skills], lines(N))


def test_learners_that_cannot_act_are_refused():
    with pytest.raises(SpaceError, match="SAC"):
        build(
            recipe(learner=SACConfig()),
            spaces.Discrete(3),
            N,
            parent_predictor=parent(),
        )


def test_an_acting_copy_keeps_nothing_and_learns_nothing():
    running = build(recipe(), BOX, N, parent_predictor=parent(), keeps_buffer=False)
    running.eval()
    backs = [step(running, SKILL) for _ in range(INTERVAL)]
    assert backs == [[False] * N] * (INTERVAL - 1) + [[True] * N]
    assert running.buffer is None and running.learn(10_000) == {}


def test_it_learns_with_a_real_learner():
    running = skill_level(
        learner=SACConfig(hidden_sizes=(8,)),
        learning=LearningSchedule(0, 1, 0.1, batch_size=4),
    )
    before = running.learner.acting_state()["policy"]
    assert followed(running).learn(30)["n_updates"] == 3.0
    after = running.learner.acting_state()["policy"]
    assert all(bool((before[key] != after[key]).any()) for key in before)
