"""Fixed and trained position embeddings."""

import math

import gin
import pytest
import torch

from layeredrl.errors import ConfigurationError, LayeredRLError, TimeIndexError
from layeredrl.nets.traj_encoders import TformerTrajEncoder
from layeredrl.nets.transformer import FixedPosEmb, LearnablePosEmb


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_fixed_embedding_by_hand(dtype):
    times = torch.tensor([[0, 1, 7], [500, 1000, 99999]], dtype=dtype)
    embedded = FixedPosEmb(6)(times)
    assert embedded.shape == (2, 3, 6) and embedded.dtype == torch.float32
    for i in range(2):
        for k in range(3):
            for j in range(3):
                angle = times[i, k].item() * math.exp(-2 * j * math.log(1e4) / 6)
                sine, cosine = embedded[i, k, 2 * j], embedded[i, k, 2 * j + 1]
                assert sine.item() == pytest.approx(math.sin(angle), abs=1e-2)
                assert cosine.item() == pytest.approx(math.cos(angle), abs=1e-2)
                if times[i, k] < 10:
                    assert sine.item() == pytest.approx(math.sin(angle), abs=1e-5)


def test_fixed_embedding_has_no_state_and_keeps_its_precision():
    embedding = FixedPosEmb(8)
    times = torch.arange(50).view(1, 50)
    before = embedding(times)
    assert not embedding.state_dict()
    assert torch.equal(embedding.bfloat16()(times), before)


def test_fixed_embedding_needs_an_even_number_of_features():
    with pytest.raises(ConfigurationError, match="even d_model, got 7"):
        FixedPosEmb(7)


@pytest.mark.parametrize("name", ["learned", "learnable"])
def test_trained_table_covers_a_sequence_without_configuration(name):
    encoder = TformerTrajEncoder(3, 12, d_model=8, n_heads=2, d_ff=8, pos_emb=name)
    table = encoder.tformer.position_embedding.embeddings
    assert table.weight.shape == (12, 8)
    assert "tformer.position_embedding.embeddings.weight" in encoder.state_dict()
    times = torch.tensor([[3, 0, 11]])
    looked_up = encoder.tformer.position_embedding(times)
    assert torch.equal(looked_up, table.weight[times])


def test_size_of_the_table():
    assert LearnablePosEmb(4, 12, max_time_idx=30).embeddings.weight.shape == (30, 4)
    encoder = TformerTrajEncoder(3, 12, pos_emb="learned", max_time_idx=50)
    assert encoder.tformer.position_embedding.embeddings.num_embeddings == 50
    gin.parse_config("transformer.LearnablePosEmb.max_time_idx = 70")
    encoder = TformerTrajEncoder(3, 12, pos_emb="learned")
    assert encoder.tformer.position_embedding.embeddings.num_embeddings == 70


def test_table_takes_the_length_of_a_checkpoint():
    small, large = LearnablePosEmb(4, 12), LearnablePosEmb(4, 64)
    parameter = small.embeddings.weight
    small.load_state_dict(large.state_dict(), strict=True)
    assert small.embeddings.weight is parameter and parameter.shape == (64, 4)
    times = torch.tensor([[63, 1]])
    assert torch.equal(small(times), large(times))
    with pytest.raises(RuntimeError, match="size mismatch"):
        small.load_state_dict(LearnablePosEmb(5, 64).state_dict())


@pytest.mark.parametrize("time", [12, -1])
def test_times_beyond_the_table(time):
    embedding = LearnablePosEmb(4, 12)
    with pytest.raises(TimeIndexError, match=rf"{time}.*rows for 0 to 11") as error:
        embedding(torch.tensor([[3, time]]))
    assert isinstance(error.value, IndexError)
    assert isinstance(error.value, LayeredRLError)
