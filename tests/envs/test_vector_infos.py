import numpy as np

from layeredrl.envs.vector_infos import told_infos


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
