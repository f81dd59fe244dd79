import numpy as np

from layeredrl.envs.vector_infos import row_of, told_infos


def test_infos_are_masked_and_told_of_whom_they_are():
    told = np.array([True, False])
    given = {"success": np.array([True, True]), "goal": np.array([[1.0, 2], [3, 4]])}
    infos = told_infos(given, told)
    assert infos["success"].tolist() == [True, False]
    assert infos["success"].dtype == np.bool_
    assert infos["goal"].tolist() == [[1, 2], [0, 0]]
    assert infos["_goal"].tolist() == infos["_success"].tolist() == [True, False]
    for name in given:
        assert not np.shares_memory(infos[name], given[name])
        assert not np.shares_memory(infos[f"_{name}"], told)


def test_one_instance_is_taken_out_of_arrays_and_dicts_of_them():
    batch = {"a": np.arange(6).reshape(3, 2), "b": np.arange(3)}
    assert row_of(batch, 1)["a"].tolist() == [2, 3] and row_of(batch, 1)["b"] == 1
    assert row_of(batch["a"], 2).tolist() == [4, 5]
