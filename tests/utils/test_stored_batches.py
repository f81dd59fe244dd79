import numpy as np
from tianshou.data import Batch

from layeredrl.utils.stored_batches import batch_to_dict, join_batches
from tests.same import assert_same


def rows(n, first=0.0):
    vector = np.arange(first, first + 2 * n, dtype=np.float32).reshape(n, 2)
    info = Batch({"k": np.arange(n), "deep": Batch({"flag": np.ones(n, dtype=bool)})})
    return Batch({"obs": vector, "info": info})


def test_joined_rows_are_those_of_all_batches_in_order():
    joined = batch_to_dict(join_batches([rows(2), rows(1, first=7.0), rows(3)]))
    assert joined["obs"].tolist()[2] == [7.0, 8.0] and joined["obs"].dtype == np.float32
    assert joined["info"]["k"].tolist() == [0, 1, 0, 0, 1, 2]
    assert joined["info"]["deep"]["flag"].shape == (6,)


def by_name(state):
    """Tianshou goes through sets of names: its order is another one in each process."""
    return {
        name: by_name(value) if isinstance(value, dict) else value
        for name, value in sorted(state.items())
    }


def test_joining_agrees_with_tianshou():
    parts = [rows(2), rows(3, first=1.0)]
    own, theirs = join_batches(parts), Batch.cat(parts)
    assert_same(by_name(batch_to_dict(own)), by_name(batch_to_dict(theirs)))
