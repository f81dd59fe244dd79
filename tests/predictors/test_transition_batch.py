import numpy as np
import torch

from layeredrl.predictors.transition_batch import sample_transition_batch
from tests.toys import random_buffer


def test_fields_belong_together():
    buffer = random_buffer(n_steps=40)
    batch = sample_transition_batch(
        buffer, 100, lambda act: 2 * act, torch.device("cpu")
    )
    stored = {tuple(row): i for i, row in enumerate(buffer.obs.tolist())}
    index = [stored[tuple(row)] for row in batch.obs.tolist()]
    np.testing.assert_array_equal(batch.obs_next, buffer.obs_next[index])
    np.testing.assert_array_equal(batch.act, 2 * buffer.act[index])
    np.testing.assert_array_equal(batch.terminated, buffer.terminated[index])
    part = batch.rows(slice(10, 30))
    for whole, some in zip(batch, part, strict=True):
        assert torch.equal(some, whole[10:30])
