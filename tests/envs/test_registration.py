import itertools

import gymnasium as gym
import numpy as np
import pytest

import layeredrl.envs
from layeredrl.envs import (
    LAYOUTS,
    CartPoleNoVelocityEnv,
    CartPoleNoVelocityVectorEnv,
    Maze2DEnv,
    Maze2DVectorEnv,
    TMazeEnv,
    TMazeVectorEnv,
    register_cart_pole,
    register_mazes,
)

gym.register_envs(layeredrl.envs)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_an_id_for_both_forms(layout):
    env_id = f"Maze2D-{layout}-v0"
    assert gym.spec(env_id).max_episode_steps == (1000 if layout == "Giant" else 400)
    single = gym.make(env_id, reward_type="sparse")
    assert isinstance(single.unwrapped, Maze2DEnv)
    vector = gym.make_vec(env_id, num_envs=3, autoreset_mode="SameStep")
    assert isinstance(vector, Maze2DVectorEnv)
    walls = vector.task.maze.walls
    assert walls.tolist() == single.unwrapped.task.maze.walls.tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_a_form_whose_goal_must_be_remembered(layout):
    env = gym.make_vec(f"Maze2D-MemoryGoal-{layout}-v0", num_envs=2)
    assert isinstance(env, Maze2DVectorEnv) and env.task.observer.goal_steps == 5
    maze = env.task.maze
    longest = max(steps_between(maze, a, b) for a in maze.corners for b in maze.corners)
    # Half as long again as walking there takes.
    limit = gym.spec(f"Maze2D-MemoryGoal-{layout}-v0").max_episode_steps
    assert limit == 15 * longest and (layout != "Open" or limit == 60)


def steps_between(maze, start, end):
    """Cells to walk, also along diagonals where nothing is in the way."""
    todo, found = [tuple(start)], {tuple(start): 0}
    for x, y in todo:
        for dx, dy in itertools.product((-1, 0, 1), repeat=2):
            place = (x + dx, y + dy)
            on_the_way = np.array([place, (x + dx, y), (x, y + dy)])
            if place not in found and maze.fits(on_the_way).all():
                found[place] = found[x, y] + 1
                todo.append(place)
    return found[tuple(end)]


def test_the_t_maze_has_an_id_for_both_forms():
    single = gym.make("TMaze-v0", corridor_length=2)
    assert isinstance(single.unwrapped, TMazeEnv)
    vector = gym.make_vec("TMaze-v0", num_envs=3, corridor_length=4)
    assert isinstance(vector, TMazeVectorEnv) and vector.world.corridor_length == 4
    assert gym.spec("TMaze-v0").max_episode_steps is None


def test_the_cart_pole_has_an_id_for_both_forms():
    single = gym.make("CartPoleNoVelocity-v0", episode_steps=9)
    assert isinstance(single.unwrapped, CartPoleNoVelocityEnv)
    vector = gym.make_vec("CartPoleNoVelocity-v0", num_envs=3)
    assert isinstance(vector, CartPoleNoVelocityVectorEnv)
    assert vector.world.episode_steps == gym.spec("CartPole-v1").max_episode_steps
    assert gym.spec("CartPoleNoVelocity-v0").max_episode_steps is None


@pytest.mark.parametrize(
    ("env_id", "register"),
    [
        ("Maze2D-Open-v0", register_mazes),
        ("CartPoleNoVelocity-v0", register_cart_pole),
    ],
)
def test_registering_again_changes_nothing(env_id, register):
    before = gym.spec(env_id)
    register()
    assert gym.spec(env_id) is before


def test_the_sync_form_works_too():
    env = gym.make_vec("Maze2D-UMaze-v0", num_envs=2, vectorization_mode="sync")
    obs, infos = env.reset(seed=0)
    assert obs["observation"].shape == (2, 2) and not infos["success"].any()


def test_ones_own_map_can_be_given_by_id():
    env = gym.make("Maze2D-Medium-v0", maze_map=["000", "101"])
    assert env.unwrapped.task.maze.walls.shape == (2, 3)
