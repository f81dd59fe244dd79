"""Relabelled goals, against plain loops over the buffer."""

import dataclasses

import numpy as np
import pytest
import torch
from tianshou.data import Batch, VectorReplayBuffer

from layeredrl.errors import ConfigurationError
from layeredrl.nets import GoalReward, ReachedRewardNet, RewardNet
from layeredrl.predictors import Hindsight, ImaginationPredictor
from layeredrl.predictors.trajectory_batch import sample_trajectory_batch
from tests.nets.backbones import backbone
from tests.stored_episodes import episode_from
from tests.toys import (
    BUFFER_KINDS,
    Filler,
    ensemble,
    make_buffer,
    random_buffer,
    reward_predictor,
    unbounded,
)

# Observations tell ring, episode and time, then what is achieved and what is desired.
OBS_DIM, ACHIEVED, DESIRED = 7, (3, 4), (6, 5)
CPU = torch.device("cpu")
ROWS, N_STEPS, GAMMA = 60, 4, 0.7
MEMORY = {"max_seq_len": 8, "stretches_per_window": 3}


def distance(achieved, desired, info):
    assert achieved.shape == desired.shape == (len(info), 2)
    assert achieved.dtype == desired.dtype == np.float64
    return -np.linalg.norm(achieved - desired, axis=-1)


def near(achieved, desired, info):
    return distance(achieved, desired, info) > -0.7


SIMPLE = Hindsight(distance, ACHIEVED, DESIRED)
ALL = dataclasses.replace(SIMPLE, ratio=1.0)


def filled(kind="ours", n_steps=22, seed=0, **kwargs):
    """One environment step per decision."""
    kwargs = {"obs_dim": OBS_DIM, "infos": False} | kwargs
    return random_buffer(kind, n_steps, seed, **kwargs)


def sample(buffer, rows=ROWS, **memory):
    return sample_trajectory_batch(
        buffer, rows, N_STEPS, torch.Tensor.float, CPU, **memory
    )


def sampled_twice(make=filled, hindsight=ALL, rows=ROWS, gamma=1.0, **memory):
    """A batch as it is stored and the same one relabelled."""
    batch = sample(make(), rows, **memory)
    buffer = make()
    same = sample(buffer, rows, **memory)
    assert np.array_equal(batch.indices, same.indices)
    return batch, hindsight.relabelled(same, buffer, gamma), buffer


def goal_of(batch, row):
    """The one goal that a stretch shows."""
    shown = batch.obs[row][:, list(DESIRED)].numpy()
    assert (shown == shown[0]).all()
    return shown[0]


def achieved_after(buffer, index):
    return buffer.obs_next[index][list(ACHIEVED)]


def is_relabelled(before, after):
    return (before.obs != after.obs).flatten(1).any(1).numpy()


class TestGoals:
    @pytest.mark.parametrize("kind", BUFFER_KINDS)
    @pytest.mark.parametrize("strategy", ["future", "final"])
    @pytest.mark.parametrize("fill", [5, 40])
    def test_are_achieved_from_the_first_transition_on(self, kind, strategy, fill):
        hindsight = dataclasses.replace(ALL, strategy=strategy)
        before, after, buffer = sampled_twice(lambda: filled(kind, fill), hindsight)
        offsets = []
        for row, start in enumerate(before.indices[0]):
            path = episode_from(buffer, start)
            reached = [achieved_after(buffer, i).tolist() for i in path]
            offset = reached.index(goal_of(after, row).tolist())
            offsets.append(offset / max(len(path) - 1, 1))
            if strategy == "final":
                assert offset == len(path) - 1
        assert max(offsets) == 1.0
        if strategy == "future":
            assert min(offsets) == 0.0 and 0.2 < np.mean(offsets) < 0.8

    def test_rewards_are_those_of_the_new_goal_in_the_reached_state(self):
        _, after, buffer = sampled_twice()
        for row in range(ROWS):
            goal = goal_of(after, row)
            for t in range(int(after.traj_len[row])):
                reached = achieved_after(buffer, after.indices[t, row])
                paid = -np.linalg.norm(reached.astype(float) - goal)
                assert float(after.rew[row, t]) == pytest.approx(paid, rel=1e-6)

    def test_nothing_else_changes(self):
        before, after, _ = sampled_twice()
        kept = [i for i in range(OBS_DIM) if i not in DESIRED]
        assert torch.equal(before.obs[..., kept], after.obs[..., kept])
        for name, value in before._asdict().items():
            if isinstance(value, torch.Tensor) and name not in ("obs", "rew"):
                assert torch.equal(value, getattr(after, name)), name
                assert value.dtype == getattr(after, name).dtype
        assert after.rew.dtype == before.rew.dtype and after.window is None

    def test_the_batch_and_the_buffer_are_left_alone(self):
        buffer = filled()
        batch = sample(buffer)
        copies = batch.obs.clone(), batch.rew.clone(), buffer.obs.copy()
        ALL.relabelled(batch, buffer)
        for copy, now in zip(copies, (batch.obs, batch.rew, buffer.obs), strict=True):
            assert np.array_equal(copy, now)

    @pytest.mark.parametrize("ratio", [0.0, 0.25, 0.8, 1.0])
    def test_a_share_is_relabelled_and_the_rest_kept_bit_for_bit(self, ratio):
        hindsight = dataclasses.replace(SIMPLE, ratio=ratio)
        before, after, _ = sampled_twice(hindsight=hindsight, rows=2000)
        changed = is_relabelled(before, after)
        assert changed.mean() == pytest.approx(ratio, abs=0.04)
        assert torch.equal(before.rew[~changed], after.rew[~changed])
        assert (before.rew[changed] != after.rew[changed]).any(1).all()

    def test_without_a_share_nothing_is_drawn(self):
        one, two = filled(), filled()
        batch = sample(one)
        none = dataclasses.replace(SIMPLE, ratio=0.0)
        assert none.relabelled(batch, one) is batch
        sample(two)
        assert one.generator.random() == two.generator.random()

    def test_the_same_seed_gives_the_same_goals(self):
        runs = [sampled_twice(hindsight=SIMPLE)[1] for _ in range(2)]
        assert torch.equal(runs[0].obs, runs[1].obs)

    def test_images_stay_as_they_are(self):
        rng, buffer = np.random.default_rng(0), VectorReplayBuffer(20, 2)
        for _ in range(8):
            obs, obs_next = (
                {
                    "vector": rng.normal(size=(2, OBS_DIM)).astype(np.float32),
                    "image": rng.integers(0, 255, (2, 4, 4)).astype(np.uint8),
                }
                for _ in range(2)
            )
            numbers = {"act": rng.normal(size=(2, 2)), "rew": rng.normal(size=2)}
            ends = {"terminated": np.zeros(2, bool), "truncated": np.zeros(2, bool)}
            buffer.add(
                Batch(obs=obs, obs_next=obs_next, **numbers, **ends, info=Batch())
            )
        batch = sample(buffer, 9)
        after = ALL.relabelled(batch, buffer)
        assert after.obs["image"] is batch.obs["image"]
        goals = after.obs["vector"][..., list(DESIRED)]
        assert (goals == goals[:, :1]).all()
        reached = buffer.obs_next["vector"][:, list(ACHIEVED)]
        assert all((reached == goal).all(1).any() for goal in goals[:, 0].numpy())


class TestTerminations:
    def setup_method(self):
        self.hindsight = dataclasses.replace(ALL, compute_terminated=near)

    def test_stretches_end_where_the_new_goal_ends_the_episode(self):
        before, after, buffer = sampled_twice(hindsight=self.hindsight, rows=200)
        shortened = 0
        for row, length in enumerate(before.traj_len.tolist()):
            goal, ends = goal_of(after, row), []
            for index in before.indices[:length, row]:
                reached = achieved_after(buffer, index).astype(float)
                ends.append(bool(np.linalg.norm(reached - goal) < 0.7))
            expected = ends.index(True) + 1 if any(ends) else length
            assert int(after.traj_len[row]) == expected
            assert after.terminated[row, :expected].tolist() == ends[:expected]
            assert float(after.validity_mask[row].sum()) == expected
            last = after.indices[expected - 1, row]
            assert (after.indices[expected:, row] == last).all()
            shortened += expected < length
        assert shortened > 10
        assert after.terminated.dtype == before.terminated.dtype == torch.bool

    def test_stretches_that_keep_their_goal_keep_their_ends(self):
        half = dataclasses.replace(self.hindsight, ratio=0.5)
        before, after, _ = sampled_twice(hindsight=half, rows=200)
        kept = ~is_relabelled(before, after)
        assert kept.any()
        for name in ("terminated", "traj_len", "validity_mask"):
            one, two = getattr(before, name)[kept], getattr(after, name)[kept]
            assert torch.equal(one, two)
        assert np.array_equal(before.indices[:, kept], after.indices[:, kept])

    def test_values_bootstrap_no_longer_from_what_comes_after_the_new_goal(self):
        buffer = filled(p_terminated=0.0, p_truncated=0.0)
        value = reward_predictor(
            OBS_DIM,
            DESIRED,
            val_func=lambda s, c, a: torch.full(s.shape[:-1], 100.0),
            hindsight=self.hindsight,
            k_steps=2,
            n_steps=2,
        )
        batch = value.compute_targets(buffer, 100, 2, 2, 0.9)
        ended = (batch.terminated[:, 0] & (batch.traj_len == 1)).numpy()
        assert ended.any() and not ended.all()
        assert torch.equal(batch.value[ended][:, 0], batch.rew[ended][:, 0])
        assert (batch.value[~batch.terminated.any(1)] > 50).all()


def decision_total(paid, decision_reward):
    if decision_reward == "mean":
        return paid.mean()
    if decision_reward == "last":
        return paid[-1]
    return (paid * GAMMA ** np.arange(len(paid))).sum()


class TestSeveralEnvironmentSteps:
    LONGEST = 5

    def buffer(self, kind="ours"):
        """Decisions of 1 to 5 steps; what was achieved on the way is stored."""
        buffer = filled(kind, infos=True)
        steps = np.arange(self.LONGEST)
        rng = np.random.default_rng(1)
        goals = rng.normal(size=(buffer.maxsize, self.LONGEST, 2))
        taken = buffer.info["n_env_steps"]
        goals[steps >= taken[:, None]] = np.nan
        last = np.maximum(taken - 1, 0)
        goals[np.arange(buffer.maxsize), last] = buffer.obs_next[:, ACHIEVED]
        buffer.info.achieved_goals = goals.astype(np.float32)
        return buffer

    def rewards(self, buffer, index, goal):
        n = int(buffer.info["n_env_steps"][index])
        reached = buffer.info["achieved_goals"][index][:n].astype(float)
        return -np.linalg.norm(reached - goal, axis=-1)

    @pytest.mark.parametrize("kind", BUFFER_KINDS)
    @pytest.mark.parametrize("decision_reward", ["mean", "sum", "last"])
    def test_all_of_them_are_paid(self, kind, decision_reward):
        hindsight = dataclasses.replace(ALL, decision_reward=decision_reward)
        buffer = self.buffer(kind)
        after = hindsight.relabelled(sample(buffer), buffer, GAMMA)
        for row in range(ROWS):
            for t in range(int(after.traj_len[row])):
                paid = self.rewards(buffer, after.indices[t, row], goal_of(after, row))
                total = decision_total(paid, decision_reward)
                assert float(after.rew[row, t]) == pytest.approx(total, rel=1e-5)

    @pytest.mark.parametrize("decision_reward", ["mean", "sum"])
    def test_a_goal_on_the_way_ends_the_decision(self, decision_reward):
        hindsight = dataclasses.replace(
            ALL, decision_reward=decision_reward, compute_terminated=near
        )
        buffer = self.buffer()
        after = hindsight.relabelled(sample(buffer), buffer, GAMMA)
        n_early = 0
        for row in range(ROWS):
            paid = self.rewards(buffer, after.indices[0, row], goal_of(after, row))
            ends = paid > -0.7
            assert bool(after.terminated[row, 0]) == ends.any()
            if ends.any():
                n_early += ends.argmax() + 1 < len(paid)
                paid = paid[: ends.argmax() + 1]
            total = decision_total(paid, decision_reward)
            assert float(after.rew[row, 0]) == pytest.approx(total, rel=1e-5)
        assert n_early > 3

    def test_goals_that_are_not_stored_are_missed(self):
        buffer = filled(infos=True)
        batch = sample(buffer)
        with pytest.raises(ConfigurationError, match="info.achieved_goals.*holds 0 "):
            ALL.relabelled(batch, buffer)
        buffer.info.achieved_goals = np.zeros((buffer.maxsize, 2, 2))
        with pytest.raises(ConfigurationError, match="5 environment.*holds 2 steps"):
            ALL.relabelled(batch, buffer)

    def test_the_end_needs_no_goals_on_the_way(self):
        buffer = filled(infos=True)
        hindsight = dataclasses.replace(ALL, decision_reward="last")
        after = hindsight.relabelled(sample(buffer), buffer, GAMMA)
        reached = achieved_after(buffer, after.indices[0, 0]).astype(float)
        paid = -np.linalg.norm(reached - goal_of(after, 0))
        assert float(after.rew[0, 0]) == pytest.approx(paid, rel=1e-6)

    def test_single_steps_need_no_goals_on_the_way(self):
        buffer = filled(infos=True)
        buffer.info.n_env_steps[:] = 1
        after = ALL.relabelled(sample(buffer), buffer, GAMMA)
        reached = achieved_after(buffer, after.indices[0, 0]).astype(float)
        paid = -np.linalg.norm(reached - goal_of(after, 0))
        assert float(after.rew[0, 0]) == pytest.approx(paid, rel=1e-6)


class TestMemory:
    @pytest.mark.parametrize("kind", BUFFER_KINDS)
    def test_a_window_has_one_goal(self, kind):
        before, after, buffer = sampled_twice(lambda: filled(kind), **MEMORY)
        goals = after.window.obs[..., list(DESIRED)]
        assert (goals == goals[:, :1]).all()
        shown = after.window.stretch_of_observations(N_STEPS + 1)
        assert torch.equal(shown, after.obs)
        # It is achieved after the first stretch of the window begins.
        for row, window in enumerate(after.window.row.tolist()):
            if row % MEMORY["stretches_per_window"] == 0:
                path = episode_from(buffer, before.indices[0, row])
                reached = [achieved_after(buffer, i).tolist() for i in path]
                assert goals[window, 0].tolist() in reached

    def test_memory_is_told_the_rewards_of_the_new_goal(self):
        before, after, buffer = sampled_twice(**MEMORY)
        window, n_first = after.window, 0
        for row in range(len(window.mask)):
            goal = window.obs[row, 0, list(DESIRED)].numpy()
            for t in range(int(window.mask[row].sum())):
                index = window.prev_indices[row, t]
                told = float(window.prev_rewards[row, t])
                if index < 0:
                    assert told == 0.0 and t == 0
                    n_first += 1
                    continue
                reached = achieved_after(buffer, index).astype(float)
                paid = -np.linalg.norm(reached - goal)
                assert told == pytest.approx(paid, rel=1e-6)
        assert 0 < n_first < len(window.mask)
        for name in ("prev_actions", "time_idxs", "mask", "row", "first"):
            one, two = getattr(before.window, name), getattr(window, name)
            assert torch.equal(one, two)

    def test_windows_that_keep_their_goal_keep_everything(self):
        half = dataclasses.replace(SIMPLE, ratio=0.5)
        before, after, _ = sampled_twice(hindsight=half, rows=300, **MEMORY)
        changed = (before.window.obs != after.window.obs).flatten(1).any(1)
        assert 20 < int(changed.sum()) < 80
        one, two = before.window, after.window
        assert torch.equal(one.prev_rewards[~changed], two.prev_rewards[~changed])
        kept = ~changed[before.window.row]
        assert torch.equal(before.rew[kept], after.rew[kept])
        assert torch.equal(before.obs[kept], after.obs[kept])
        assert np.array_equal(is_relabelled(before, after), ~kept.numpy())


class TestPredictors:
    def predictor(self, hindsight=None, **kwargs):
        return reward_predictor(OBS_DIM, DESIRED, hindsight=hindsight, **kwargs)

    def test_without_hindsight_everything_is_as_before(self):
        states = []
        for hindsight in (None, dataclasses.replace(SIMPLE, ratio=0.0)):
            predictor = self.predictor(hindsight)
            loss, _ = predictor.learn(filled(), 5, 16, 16, 0)
            states.append((predictor.state_dict(), loss))
        (one, loss), (two, other) = states
        assert torch.equal(loss, other)
        assert all(torch.equal(one[key], two[key]) for key in one)

    def test_the_reward_sees_goals_that_were_reached(self):
        """A known reward of the new goal has no loss; it has one of the old goal."""
        buffer = filled(p_terminated=0.0)
        reward = GoalReward(distance, achieved_dims=(3, 4))
        for hindsight, is_exact in ((ALL, True), (None, False)):
            predictor = self.predictor(hindsight, rew_func=reward, k_steps=3)
            batch = predictor.compute_targets(buffer, 64, 3, 1)
            predictor.loss(batch, predictor.sample_model_batch(buffer, 8))
            _, metrics = predictor.learn(buffer, 2, 64, 16, 0)
            assert (float(metrics["rew_loss"]) < 1e-10) is is_exact
            reached = batch.obs[..., list(DESIRED)]
            assert bool((reached == reached[:, :1]).all()) is is_exact

    def test_the_discount_is_the_predictors(self):
        summed = dataclasses.replace(ALL, decision_reward="sum")
        buffer = TestSeveralEnvironmentSteps().buffer()
        rew = []
        for gamma in (0.5, 1.0):
            buffer.generator = np.random.default_rng(0)
            predictor = self.predictor(summed, gamma=gamma)
            rew.append(predictor.compute_targets(buffer, 32, 1, 1, 0.9).rew)
        assert (rew[0] >= rew[1]).all() and (rew[0] > rew[1]).any()

    def test_imagined_rewards_are_of_the_same_goals(self):
        encoder = self.predictor().encoder
        predictor = ImaginationPredictor(
            ensemble(5, 2),
            None,
            RewardNet(5, 2, 2, hidden_sizes=(8,)),
            encoder,
            5,
            2,
            imagination_steps=4,
            learn_encoder=False,
            hindsight=ALL,
        )
        buffer = filled()
        batch = predictor.compute_targets(buffer, 40, 1, 1)
        goals = batch.contexts.numpy().astype(float)
        n_later = 0
        for row in range(40):
            path = episode_from(buffer, batch.indices[0, row])
            for t in range(int(batch.imagined.validity_mask[row].sum())):
                reached = achieved_after(buffer, path[t]).astype(float)
                paid = -np.linalg.norm(reached - goals[row])
                assert float(batch.imagined.rew[row, t]) == pytest.approx(paid, 1e-6)
                n_later += t > 1
        assert n_later > 10
        loss, _ = predictor.learn(buffer, 2, 16, 16, 0)
        assert loss.isfinite()

    def test_memory_learns_from_new_goals_too(self):
        features = {"context_keys": (), "state_keys": ()}
        encoder = backbone(unbounded(OBS_DIM), **features)
        predictor = reward_predictor(encoder=encoder, hindsight=SIMPLE, k_steps=2)
        loss, metrics = predictor.learn(filled(), 2, 16, 16, 0)
        assert loss.isfinite() and float(metrics["rew_loss"]) > 0.0

    @pytest.mark.learning
    def test_what_was_never_asked_for_is_learned(self):
        """Goals that are asked for are far away, so that nothing is ever paid."""

        def sparse(achieved, desired, info):
            return (distance(achieved, desired, info) > -0.7).astype(float)

        buffer = filled(n_steps=500, total_size=2000)
        for obs in (buffer.obs, buffer.obs_next):
            obs[:, DESIRED] += 5.0
        buffer.rew[:] = 0.0
        hindsight = Hindsight(sparse, ACHIEVED, DESIRED, ratio=0.8)
        reached = torch.from_numpy(buffer.obs_next[:500])
        known = reached[:, list(ACHIEVED)]
        found = {}
        for name, chosen in (("hindsight", hindsight), ("none", None)):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                net = ReachedRewardNet(5, 2, 2, hidden_sizes=(64, 64))
            predictor = self.predictor(chosen, rew_func=net, reward_lr=3e-3)
            for _ in range(30):
                predictor.learn(buffer, 20, 256, 8, 0)
            state = reached[:, :5]
            for at, goal in (("there", known), ("elsewhere", known + 2.0)):
                with torch.no_grad():
                    paid = net(state, goal, torch.zeros(500, 2), state)
                found[name, at] = float(paid.mean())
        assert found["hindsight", "there"] > 0.7
        assert found["hindsight", "elsewhere"] < 0.2
        assert abs(found["none", "there"]) < 0.1

    @pytest.mark.parametrize("n_steps", [1, 40])
    def test_any_filling_will_do(self, n_steps):
        filler = Filler(make_buffer("ours", 60, 4), obs_dim=OBS_DIM, infos=False)
        predictor = self.predictor(SIMPLE)
        loss, _ = predictor.learn(filler.add(n_steps, [1, 2]), 3, 16, 16, 0)
        assert loss.isfinite()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "past"}, "unknown strategy 'past'; known: future, final"),
        ({"ratio": 1.5}, r"ratio must be in \[0, 1\], got 1.5"),
        ({"achieved": (1,)}, "equally many columns"),
        ({"achieved": (), "desired": ()}, "at least one"),
        ({"compute_reward": 3}, "3 must be callable"),
        ({"compute_terminated": 3}, "3 must be callable"),
    ],
)
def test_impossible_arguments_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(SIMPLE, **changes)


def test_rewards_that_know_no_batches_are_refused():
    single = dataclasses.replace(ALL, compute_reward=lambda a, d, i: 0.0)
    buffer = filled()
    with pytest.raises(ConfigurationError, match=r"shape \(\) instead of \(\d+,\)"):
        single.relabelled(sample(buffer), buffer)
