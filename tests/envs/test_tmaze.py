import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from layeredrl.envs import TMazeEnv
from layeredrl.errors import CheckpointError, ConfigurationError, ShapeError

RIGHT, UP, LEFT, DOWN = range(4)


def walk(env, actions):
    return [env.step(action) for action in actions]


@pytest.mark.parametrize("corridor_length", [1, 2, 10, 300])
def test_passes_gymnasiums_checker(corridor_length):
    options = {"corridor_length": corridor_length, "render_mode": "rgb_array"}
    env = gym.make("TMaze-v0", **options)
    check_env(env.unwrapped)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert env.action_space == gym.spaces.Discrete(4)


@pytest.mark.parametrize("cue", [1, -1])
@pytest.mark.parametrize("turn", [UP, DOWN])
@pytest.mark.parametrize("corridor_length", [1, 2, 5])
def test_the_straight_way_by_hand(corridor_length, turn, cue):
    env = TMazeEnv(corridor_length=corridor_length)
    obs, info = env.reset(options={"cue": cue})
    assert obs.tolist() == [cue, 0, 0] and obs.dtype == np.float32
    assert info == {"success": False}
    *corridor, junction, arm = walk(env, [RIGHT] * corridor_length + [turn])
    for step in corridor:
        assert step[0].tolist() == [0, 0, 0]
        assert step[1:] == (0.0, False, False, {"success": False})
    assert junction[0].tolist() == [0, 1, 0]
    assert junction[1:] == (0.0, False, False, {"success": False})
    side = 1 if turn == UP else -1
    assert arm[0].tolist() == [0, 0, side]
    assert arm[1:] == (float(side == cue), True, True, {"success": side == cue})
    assert type(arm[1]) is float and type(arm[4]["success"]) is bool


@pytest.mark.parametrize("wait", [LEFT, UP, DOWN])
def test_who_never_moves_on_sees_the_cue_and_loses_one(wait):
    env = TMazeEnv(corridor_length=4)
    env.reset(options={"cue": -1})
    steps = walk(env, [wait] * 5)
    assert all(obs.tolist() == [-1, 0, 0] for obs, *_ in steps)
    assert [reward for _, reward, *_ in steps] == [-0.25] * 4 + [0.0]
    assert [truncated for *_, truncated, _ in steps] == [False] * 4 + [True]
    assert [terminated for _, _, terminated, _, _ in steps] == [False] * 4 + [True]


def test_each_step_behind_costs():
    env = TMazeEnv(corridor_length=3, episode_steps=7)
    env.reset(options={"cue": 1})
    actions = [RIGHT, LEFT, RIGHT, RIGHT, RIGHT, UP]
    steps = walk(env, actions)
    assert [s[0].tolist() for s in steps] == [
        [0, 0, 0],
        [1, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]
    cost = -1 / 6
    assert [s[1] for s in steps] == pytest.approx([0, cost, cost, cost, cost, 1])
    assert [s[2:4] for s in steps] == [(False, False)] * 5 + [(True, False)]


def test_the_end_of_the_corridor_is_a_wall_and_waiting_there_costs():
    env = TMazeEnv(corridor_length=2, episode_steps=5)
    env.reset(options={"cue": 1})
    steps = walk(env, [RIGHT] * 5)
    assert steps[2][0].tolist() == steps[4][0].tolist() == [0, 1, 0]
    assert [s[1] for s in steps] == [0, 0, -0.25, -0.25, 0]
    assert steps[-1][2:4] == (True, True)


def test_the_middle_of_the_corridor_looks_the_same_everywhere_and_for_both_cues():
    seen = set()
    for cue in (1, -1):
        env = TMazeEnv(corridor_length=50)
        env.reset(options={"cue": cue})
        seen |= {tuple(obs.tolist()) for obs, *_ in walk(env, [RIGHT] * 49)}
    assert seen == {(0, 0, 0)}


def test_both_cues_come_about_as_often():
    env = TMazeEnv()
    cues = [env.reset(seed=i)[0][0] for i in range(400)]
    assert set(cues) == {-1, 1} and abs(np.mean(cues)) < 0.15
    assert cues == [env.reset(seed=i)[0][0] for i in range(400)]


@pytest.mark.parametrize("stop", [0, 2, 3])
def test_a_state_continues_exactly_in_another_environment(stop):
    env = TMazeEnv(corridor_length=3, episode_steps=6)
    env.reset(seed=3)
    walk(env, [RIGHT, RIGHT, RIGHT][:stop])
    other = TMazeEnv(corridor_length=3, episode_steps=6)
    other.set_state(env.get_state())
    for action in (RIGHT, RIGHT, RIGHT, UP):
        np.testing.assert_equal(env.step(action), other.step(action))
    for _ in range(9):
        np.testing.assert_equal(env.reset(), other.reset())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corridor_length": 4}, "its 'corridor_length' is 4, here it is 3"),
        ({"episode_steps": 9}, "its 'episode_steps' is 9, here it is 4"),
        ({"places": np.array([4])}, "outside the T-maze"),
        ({"places": np.array([-1])}, "outside the T-maze"),
        ({"arms": np.array([1])}, "outside the T-maze"),
        ({"arms": np.array([2]), "places": np.array([3])}, "outside the T-maze"),
        ({"cues": np.array([0])}, "cues other than 1 and -1"),
        ({"cues": np.array([1, 1])}, r"'cues' of the state is \(2,\)"),
    ],
)
def test_states_that_do_not_fit_are_refused(change, message):
    env = TMazeEnv(corridor_length=3)
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(CheckpointError, match=message):
        env.set_state({**before, **change})
    np.testing.assert_equal(env.get_state(), before)
    env.set_state({**before, "arms": np.array([1]), "places": np.array([3])})
    assert env.get_state()["arms"] == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corridor_length": 0}, "corridor_length must be at least 1, got 0"),
        ({"episode_steps": 10}, "an arm is 11 steps away, got episode_steps=10"),
        ({"render_mode": "human"}, "unknown render_mode 'human'"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        TMazeEnv(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"goal": 1}, ConfigurationError, "unknown reset option 'goal'; known: cue"),
        ({"cue": 0}, ConfigurationError, r"1 \(up\) or -1 \(down\), got 0"),
        ({"cue": [1, 1]}, ShapeError, r"\(\) or \(1,\), got \(2,\)"),
    ],
)
def test_wrong_reset_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        TMazeEnv().reset(options=options)


def test_wrong_actions_are_refused_and_change_nothing():
    env = TMazeEnv()
    with pytest.raises(gym.error.ResetNeeded):
        env.step(RIGHT)
    env.reset(seed=0)
    before = env.get_state()
    for action, error in ((4, ConfigurationError), (0.5, ConfigurationError)):
        with pytest.raises(error, match="action"):
            env.step(action)
    with pytest.raises(ShapeError, match=r"\(\), got \(1,\)"):
        env.step([RIGHT])
    np.testing.assert_equal(env.get_state(), before)


def test_pictures_show_the_agent_and_the_right_arm():
    agent, goal = [34, 94, 200], [58, 166, 85]
    env = TMazeEnv(corridor_length=2, render_mode="rgb_array")
    env.reset(options={"cue": 1})
    first = env.render()
    assert first.shape == (5 * 32, 5 * 32, 3) and first.dtype == np.uint8
    assert first[80, 48].tolist() == agent and first[48, 112].tolist() == goal
    assert first[16, 16].tolist() == [62, 66, 78]
    walk(env, [RIGHT, RIGHT])
    assert env.render()[80, 112].tolist() == agent
    env.step(DOWN)
    assert env.render()[112, 112].tolist() == agent
    env.reset(options={"cue": -1})
    assert env.render()[112, 112].tolist() == goal


def test_pictures_of_long_corridors_stay_handy():
    env = TMazeEnv(corridor_length=400, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (10, 806, 3)
