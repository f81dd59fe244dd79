import pytest

from experiments.gin_settings import configure_gin
from layeredrl.errors import ConfigurationError


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("NoSuchNet.width=1", "No configurable matching 'NoSuchNet'"),
        ("ProbFCDynamics.colour=1", "parameter named 'colour'"),
        ("ProbFCDynamics.hidden_sizes", "expected"),
        ("ProbFCDynamics.hidden_sizes=(a", "malformed"),
        ("nowhere.gin", "Unable to open file: nowhere.gin"),
    ],
)
def test_what_gin_cannot_use_is_named_in_one_line(entry, complaint):
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        configure_gin([entry])
    assert entry in str(caught.value) and "\n" not in str(caught.value)
