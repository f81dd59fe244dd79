"""What a skill level learns from: whole skills, relabelled, and paid by the model now."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from layeredrl.levels import Exploration
from layeredrl.nets import IdentityEncoder
from layeredrl.objectives import DADS, SPlaTES
from layeredrl.predictors import StaticPredictor
from layeredrl.utils.schedules import LinearSchedule
from tests.levels.building import build, transition
from tests.levels.notebook import BOX, EAGER, N, Notes
from tests.levels.skill_cases import (
    BATCH,
    CHOICE,
    CONTEXT,
    INTERVAL,
    PLANE,
    STATE,
    followed,
    learned,
    parent,
    parts,
    recipe,
    skill_level,
    told,
)
from tests.same import assert_same
from tests.toy_levels import Looks
from tests.toys import ensemble, reward_predictor

SPACES = {"plane": PLANE, "choice": CHOICE}


def row_paths(batch):
    """Valid buffer positions of each stretch."""
    lengths = batch.traj_len.tolist()
    return [batch.indices[:n, row].tolist() for row, n in enumerate(lengths)]


def is_over(running, batch):
    """Whether each stretch came to the end of its skill."""
    flags = running.buffer.info.handed_back
    return np.array([flags[path[-1]] for path in row_paths(batch)])


def last_obs(batch):
    return batch.obs[torch.arange(len(batch.obs)), batch.traj_len]


# Which stretches


def test_learners_that_can_are_given_whole_skills():
    running = followed(skill_level(relabel_ratio=0.0))
    (batch,) = learned(running)
    assert batch.is_whole and batch.rew.shape == (BATCH, INTERVAL)
    assert set(batch.traj_len.tolist()) == {1, 2, 3}
    flags, done = running.buffer.info.handed_back, running.buffer.done
    newest = running.buffer.last_index
    for path, obs in zip(row_paths(batch), batch.obs, strict=True):
        _, progress, _ = parts(obs[: len(path), 3:])
        np.testing.assert_allclose(progress[:, 0], np.arange(len(path)) / INTERVAL)
        assert flags[path[-1]] or done[path[-1]] or path[-1] in newest
        assert not (flags[path[:-1]] | done[path[:-1]]).any()
        np.testing.assert_array_equal(obs[: len(path)], running.buffer.obs[path])
        np.testing.assert_array_equal(obs[len(path)], running.buffer.obs_next[path[-1]])


@pytest.mark.parametrize("n_steps", [1, 2])
def test_other_learners_are_given_as_many_steps_as_they_ask_for(n_steps):
    running = followed(skill_level(learner=Notes(n_steps=n_steps)))
    (batch,) = learned(running)
    assert not batch.is_whole and batch.rew.shape == (BATCH, n_steps)
    starts = {round(float(x) * INTERVAL) for x in parts(batch.obs[:, 0, 3:])[1][:, 0]}
    assert starts == {0, 1, 2}


@pytest.mark.parametrize("n_updates", [1, 8, 11, 17])
def test_every_update_gets_a_batch_of_its_own(n_updates):
    running = followed(skill_level())
    batches = learned(running, n_updates)
    assert len(batches) == n_updates
    for batch in batches:
        assert {len(x) for x in (batch.obs, batch.rew, batch.next_conditions)} == {
            BATCH
        }
        assert batch.indices.shape == (INTERVAL, BATCH)
        assert batch.rew.dtype == batch.obs.dtype == torch.float32
    assert all(
        (one.indices != other.indices).any()
        for one, other in zip(batches, batches[1:], strict=False)
    )


# Relabelling


@pytest.mark.parametrize("learner", [Notes(learns_from_whole=True), Notes(n_steps=2)])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_some_stretches_are_learned_from_as_if_for_another_skill(learner, space, ratio):
    space = SPACES[space]
    running = skill_level(skill_space=space, relabel_ratio=ratio, learner=learner)
    followed(running)
    before = running.buffer_state()["transitions"]
    n_skill = running.learner.spec.n_condition - 3
    n_other = 0
    for batch in learned(running, 8):
        skill, progress, way = parts(batch.obs[..., 3:], n_skill)
        assert (skill == skill[:, :1]).all()  # the same at all positions
        for row, path in enumerate(row_paths(batch)):
            kept = torch.from_numpy(running.buffer.obs[path])
            asked, at, come = parts(kept[:, 3:], n_skill)
            valid = slice(0, len(path))
            assert torch.equal(batch.obs[row, valid, :3], kept[:, :3])
            assert torch.equal(progress[row, valid], at)
            assert torch.equal(way[row, valid], come)
            n_other += bool((skill[row, 0] != asked[0]).any())
    chance = 0.75 if space is CHOICE else 1.0  # to get another one than before
    assert n_other / (8 * BATCH) == pytest.approx(ratio * chance, abs=0.07)
    assert_same(before, running.buffer_state()["transitions"])


def test_fresh_skills_are_drawn_from_all_of_them():
    running = followed(skill_level(relabel_ratio=1.0))
    skills = torch.cat([batch.obs[:, 0, 3:5] for batch in learned(running, 8)]).numpy()
    expected = np.random.default_rng(0).uniform(PLANE.low, PLANE.high, (5000, 2))
    for column in range(2):
        assert ks_2samp(skills[:, column], expected[:, column]).pvalue > 1e-3
    assert len(np.unique(skills[:, 0])) == 8 * BATCH


def test_payment_is_for_the_skill_that_counts_now():
    objective = told()
    running = followed(skill_level(objective=objective, relabel_ratio=1.0))
    (batch,) = learned(running)
    ((outcomes, *_),) = objective.calls[0]
    assert torch.equal(outcomes.skill, batch.obs[:, 0, 3:5])


# Payment


def test_the_objective_is_told_what_was_done():
    objective, predictor = told(), parent()
    running = followed(skill_level(predictor, objective=objective, relabel_ratio=0.0))
    (batch,) = learned(running)
    ((outcomes, n_env_steps, asked),) = objective.calls[0]
    assert asked is predictor and n_env_steps == 1
    seen = batch.obs[..., :3]
    torch.testing.assert_close(outcomes.state, seen[..., list(STATE)])
    torch.testing.assert_close(outcomes.context, seen[:, 0, list(CONTEXT)])
    torch.testing.assert_close(outcomes.start, seen[:, 0, list(STATE)])
    np.testing.assert_array_equal(outcomes.is_valid, batch.validity_mask.bool())
    flags = running.buffer.info.handed_back
    for row, path in enumerate(row_paths(batch)):
        assert outcomes.is_over[row, : len(path)].tolist() == flags[path].tolist()
        assert not outcomes.is_over[row, len(path) :].any()
    assert 0 < outcomes.is_over.sum() < BATCH


def test_the_start_is_known_wherever_a_stretch_begins():
    objective = told()
    made = skill_level(objective=objective, learner=Notes(n_steps=2))
    running = followed(made)
    (batch,) = learned(running)
    ((outcomes, *_),) = objective.calls[0]
    _, progress, _ = parts(batch.obs[:, 0, 3:])
    n_before = (INTERVAL * progress[:, 0]).round().long().numpy()
    assert set(n_before.tolist()) == {0, 1, 2}
    began = running.buffer.obs[batch.indices[0] - n_before][:, list(STATE)]
    np.testing.assert_allclose(outcomes.start, began, rtol=1e-5, atol=1e-5)


def test_skills_without_a_start_are_scored_from_where_their_stretch_begins():
    objective = told(shows_start=False)
    running = followed(skill_level(objective=objective))
    (batch,) = learned(running)
    ((outcomes, *_),) = objective.calls[0]
    torch.testing.assert_close(outcomes.start, batch.obs[:, 0, list(STATE)])
    assert batch.next_conditions.shape == (BATCH, 4, 2)


def test_scores_are_standardised_and_raised_where_something_is_paid():
    objective = told(reward_offset=1.5)
    running = followed(skill_level(objective=objective, relabel_ratio=0.0))
    running.learn(1)
    (batch,) = running.learner.batches
    outcomes = objective.calls[0][0][0]
    paid = torch.from_numpy(outcomes.is_over)
    score = (5.0 + outcomes.state[:, 1:].sum(-1))[paid]
    expected = (score - score.mean()) / score.std(unbiased=False) + 1.5
    torch.testing.assert_close(batch.rew[paid], expected, rtol=1e-4, atol=1e-4)
    assert (batch.rew[~paid] == 0.0).all()
    np.testing.assert_allclose(float(running._replay.score), score.mean(), rtol=1e-5)


@pytest.mark.parametrize("objective", [SPlaTES(fixed_std=0.5), DADS(fixed_std=0.5)])
def test_payment_follows_the_model_of_the_level_above(objective):
    predictor = parent()
    running = followed(skill_level(predictor, objective=objective, relabel_ratio=0.0))
    state, buffer = running.state_dict(), running.buffer_state()
    rewards = []
    for _ in range(2):
        running.load_state_dict(state)
        running.load_buffer_state(buffer)
        running.n_updates = running._last_learned = 0
        running.learn(1)
        rewards.append(running.learner.batches[-1].rew)
        for parameter in predictor.model.parameters():
            parameter.data.add_(0.5)
    one, other = running.learner.batches
    np.testing.assert_array_equal(one.indices, other.indices)
    assert torch.equal(one.obs, other.obs)
    paid = rewards[0] != 0
    assert paid.any() and (rewards[0] != rewards[1])[paid].any()


@pytest.mark.parametrize(
    "objective, pays_all",
    [
        (SPlaTES(), False),
        (SPlaTES(potential_differences=True), True),
        (DADS(), True),
    ],
)
def test_which_decisions_are_paid(objective, pays_all):
    running = followed(skill_level(objective=replace(objective, fixed_std=0.5)))
    (batch,) = learned(running)
    valid = batch.validity_mask.bool()
    ends = torch.zeros_like(valid)
    ends[torch.arange(BATCH), batch.traj_len - 1] = torch.from_numpy(
        is_over(running, batch)
    )
    expected = valid if pays_all else ends
    assert torch.equal(batch.rew != 0.0, expected)


def test_schedules_are_asked_with_the_steps_of_the_whole_run():
    objective = SPlaTES(fixed_std=LinearSchedule(0.5, 0.1, 100))
    running = followed(skill_level(objective=objective), 10)
    assert running.n_env_steps == 20
    seen = []
    original = SPlaTES.score

    def spy(self, *args):
        seen.append(args[-1])
        return original(self, *args)

    SPlaTES.score = spy
    try:
        running.learn(5)
    finally:
        SPlaTES.score = original
    assert seen == [5]


# What comes next


@pytest.mark.parametrize("learner", [Notes(learns_from_whole=True), Notes(n_steps=2)])
@pytest.mark.parametrize("space", SPACES)
def test_after_a_skill_any_could_come_and_others_go_on(learner, space):
    space = SPACES[space]
    running = skill_level(
        skill_space=space, learner=learner, relabel_ratio=0.5, n_value_samples=6
    )
    followed(running)
    batches = learned(running, 3)
    n_skill = running.learner.spec.n_condition - 3
    for batch in batches:
        following, over = batch.next_conditions, is_over(running, batch)
        assert following.shape == (BATCH, 6, n_skill + 3)
        assert 0 < over.sum() < BATCH
        obs = last_obs(batch)
        going_on = obs[~over, None, 3:].expand(-1, 6, -1)
        assert torch.equal(following[~over], going_on)
        skill, progress, way = parts(following[over], n_skill)
        assert not progress.any() and not way.any()
        if space is PLANE:
            low, high = torch.from_numpy(PLANE.low), torch.from_numpy(PLANE.high)
            assert ((skill >= low) & (skill <= high)).all()
            assert len(skill[..., 0].unique()) == skill[..., 0].numel()
        else:
            assert (skill.sum(-1) == 1.0).all()
            assert set(skill.argmax(-1).flatten().tolist()) == {0, 1, 2, 3}


def test_skills_that_go_on_go_on_as_relabelled():
    running = followed(skill_level(relabel_ratio=1.0, n_value_samples=1))
    (batch,) = learned(running)
    unfinished = ~is_over(running, batch)
    asked = batch.obs[unfinished, 0, 3:5]
    assert torch.equal(batch.next_conditions[unfinished, 0, :2], asked)


def test_without_value_samples_what_is_seen_last_counts():
    running = followed(skill_level(n_value_samples=0))
    (batch,) = learned(running)
    assert batch.next_conditions is None


# Images, and coming back


class LooksAround(Looks):
    """Takes the first vector feature for context, too."""

    def __init__(self, mapped_env_obs_shape):
        super().__init__(mapped_env_obs_shape)
        self.context_dim = 1

    def forward(self, obs):
        return super().forward(obs)[0], obs["vector"][..., :1]


def test_images_reach_the_predictor_of_the_level_above():
    shape = {"vector": (3,), "camera": (4, 4, 3)}
    model = ensemble(4, 1, PLANE)
    predictor = StaticPredictor(model, None, None, LooksAround(shape), 4, 1)
    objective = told()
    running = build(
        recipe(objective=objective), BOX, N, obs_shape=shape, parent_predictor=predictor
    )
    rng, rows = np.random.default_rng(0), np.arange(N)

    def look():
        camera = rng.integers(0, 256, (N, 4, 4, 3)).astype(np.uint8)
        return {"vector": rng.normal(size=(N, 3)).astype(np.float32), "camera": camera}

    obs = look()
    for _ in range(9):
        skill = rng.uniform(PLANE.low, PLANE.high, (N, 2)).astype(np.float32)
        action, following = running.get_action(obs, skill, rows), look()
        running.process_transition(
            transition(
                rows, obs=obs, next_obs=following, action=action, level_input=skill
            )
        )
        obs = following
    (batch,) = learned(running)
    ((outcomes, *_),) = objective.calls[0]
    brightness = batch.obs["camera"].float().flatten(2).mean(-1) / 255
    expected = torch.cat([batch.obs["vector"][..., :3], brightness.unsqueeze(-1)], -1)
    torch.testing.assert_close(outcomes.state, expected)
    torch.testing.assert_close(outcomes.start, outcomes.state[:, 0])


def test_the_level_above_needs_no_context():
    encoder = IdentityEncoder((3,))
    predictor = reward_predictor(
        3, encoder=encoder, model=ensemble(3, 0, PLANE), seed=0
    )
    running = followed(skill_level(predictor))
    (batch,) = learned(running)
    assert batch.rew.any()


def test_sampling_continues_after_loading():
    running, other = followed(skill_level()), skill_level(seed=5)
    running.learn(3)
    other.load_state_dict(running.state_dict())
    other.load_buffer_state(running.buffer_state())
    for level in (running, other):
        level.learn(6)
    for one, two in zip(
        running.learner.batches[3:], other.learner.batches, strict=True
    ):
        assert_same(one._asdict(), two._asdict())


def test_what_is_logged_where_nothing_is_paid_survives_loading():
    running, other = followed(skill_level()), skill_level(seed=5)
    running.learn(3)
    assert float(running._replay.score) != 0.0
    other.load_state_dict(running.state_dict())
    other.load_buffer_state(running.buffer_state())
    for level in (running, other):  # no skill is over any more
        level.buffer.info.handed_back[:] = False
    assert_same(running.learn(6), other.learn(6))


def test_what_is_stored_without_rewards_can_be_learned_from_right_away():
    """The first decision of all is no whole skill, and pays nothing."""
    running = skill_level(
        exploration=Exploration(0), learning=replace(EAGER, batch_size=2)
    )
    followed(running, 1, p_over=0.0)
    assert running.learn(2)["skill/score"] == 0.0
    for batch in running.learner.batches:
        assert not batch.rew.any() and batch.traj_len.tolist() == [1, 1]
