from functools import partial

import pytest
import torch
from torch import nn

from layeredrl.nets import MemberStack, MixtureParameters, ProbFCDynamics
from tests.toys import ACTIONS, unbounded


class OwnNet(nn.Module):
    """A user's network: buffers, normalisation, tuple outputs."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.norm = nn.LayerNorm(8)
        self.second = nn.Linear(8, 3)
        self.register_buffer("offset", torch.randn(3))

    def forward(self, x):
        y = self.second(self.norm(self.first(x)).relu()) + self.offset
        return MixtureParameters(y, y.exp(), y + 1, y.sum(-1))


def dynamics(activation=nn.SiLU, **options):
    return ProbFCDynamics(
        *(unbounded(2), unbounded(0), ACTIONS, 3),
        hidden_sizes=(8,),
        activation=activation,
        **options,
    )


NETS = {
    "own": (OwnNet, False),
    "ours": (dynamics, True),
    "ours with waves": (partial(dynamics, n_frequencies=2), True),
    "ours with weights in the activation": (partial(dynamics, nn.PReLU), False),
    "ours with normalisation": (
        partial(dynamics, lambda: nn.Sequential(nn.LayerNorm(8), nn.SiLU())),
        False,
    ),
}


@pytest.fixture(params=NETS)
def members_and_batched(request):
    build, is_batched = NETS[request.param]
    return [build() for _ in range(3)], is_batched


def test_a_stack_computes_what_its_members_do(members_and_batched, generator):
    members, is_batched = members_and_batched
    stack = MemberStack(members)
    assert stack.is_batched is is_batched
    x = torch.randn(3, 7, 4, generator=generator)
    found = stack(x)
    assert isinstance(found, MixtureParameters)
    for i, member in enumerate(members):
        for stacked, alone in zip(found, member(x[i]), strict=True):
            torch.testing.assert_close(stacked[i], alone)


def test_gradients_stay_with_their_member(members_and_batched, generator):
    members, _ = members_and_batched
    stack = MemberStack(members)
    x = torch.randn(3, 7, 4, generator=generator)
    out = stack(x)
    sum(tensor[1].sum() for tensor in out).backward()
    sum(tensor.sum() for tensor in members[1](x[1])).backward()
    alone = dict(members[1].named_parameters())
    for name, parameter in stack.net.named_parameters():
        torch.testing.assert_close(parameter.grad[1], alone[name].grad)
        assert not parameter.grad[[0, 2]].any()


def test_the_members_are_copied(members_and_batched):
    members, _ = members_and_batched
    stack = MemberStack(members)
    x = torch.randn(3, 2, 4)
    before = stack(x).mean
    for member in members:
        for parameter in member.parameters():
            parameter.data.zero_()
    torch.testing.assert_close(stack(x).mean, before, rtol=0, atol=0)


def test_one_member_is_legal():
    member = dynamics()
    x = torch.randn(1, 5, 4)
    torch.testing.assert_close(MemberStack([member])(x).mean[0], member(x[0]).mean)


def test_weights_and_buffers_are_saved_under_the_members_names(members_and_batched):
    members, _ = members_and_batched
    stack = MemberStack(members)
    for name, value in members[0].state_dict().items():
        assert stack.net.state_dict()[name].shape == (3, *value.shape)


def test_frozen_weights_stay_frozen():
    members = [OwnNet() for _ in range(2)]
    for member in members:
        member.first.requires_grad_(False)
    stack = MemberStack(members)
    trained = {name for name, p in stack.net.named_parameters() if p.requires_grad}
    assert trained == {"norm.weight", "norm.bias", "second.weight", "second.bias"}


def test_dropout_differs_between_members():
    member = nn.Sequential(nn.Identity(), nn.Dropout(0.5))
    stack = MemberStack([member, member])
    out = stack(torch.ones(2, 200, 4))
    assert not torch.equal(out[0], out[1])
