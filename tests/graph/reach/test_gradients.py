"""Receptive fields against what gradients reach, and against the recurrence of a plain stack."""

import warnings

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.graph.graphs import GRAPHS
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.graph.gradient_field import gradient_support
from neocog.graph.receptive_field import receptive_field


def box(support: Tensor) -> tuple:
    """First and last sample along each axis."""
    found = []
    for d in range(support.dim()):
        line = (
            support.any([e for e in range(support.dim()) if e != d])
            if d or support.dim() > 1
            else support
        )
        places = line.nonzero().flatten().tolist()
        found.append((places[0], places[-1]) if places else None)
    return tuple(found)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_layer_sees_what_gradients_reach(name: str) -> None:
    make, size = GRAPHS[name]
    module = make()
    fields = receptive_field(module, size)
    assert (fields.status, fields.unknown) == ("complete", ())
    assert all(f.known for f in fields.layers)
    for f in fields.layers[:: max(1, len(fields.layers) // 8)] + fields.layers[-1:]:
        assert f.middle == box(gradient_support(module, size, f.name)), f.name


CONV = st.builds(
    lambda k, s, p, d: nn.Conv1d(1, 1, k, s, p, d),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 3),
)
POOL = st.builds(
    lambda k, s, p, c: nn.MaxPool1d(k, s, min(p, k // 2), ceil_mode=c),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.booleans(),
)
UP = st.one_of(
    st.builds(
        lambda k, s, p: nn.ConvTranspose1d(1, 1, k, s, min(p, k - 1)),
        st.integers(1, 5),
        st.integers(1, 3),
        st.integers(0, 2),
    ),
    st.builds(
        lambda f, mode: nn.Upsample(scale_factor=f, mode=mode),
        st.sampled_from([2, 3, 0.5, 1.5]),
        st.sampled_from(["nearest", "linear"]),
    ),
)


class Step(nn.Module):
    """A slice with a step."""

    def __init__(self, start: int, step: int) -> None:
        super().__init__()
        self.cut = slice(start, None, step)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, self.cut]


STEP = st.builds(Step, st.integers(0, 2), st.integers(1, 3))
STACK = st.lists(st.one_of(CONV, POOL, UP, STEP), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(layers=STACK, seed=st.integers(0, 9))
def test_random_stacks_see_what_gradients_reach(layers: list, seed: int) -> None:
    net = nn.Sequential(*layers)
    size = (1, 61 + seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            n = net(torch.zeros(1, *size)).shape[-1]
    except RuntimeError:
        assume(False)  # too small
    assume(n > 0)
    f = receptive_field(net, size).of("")
    assert f.known
    lo, hi = f.middle[0] or (0, 0)
    # Not where the middle element looks at a border: there paddings count as samples.
    assume(f.receptive_field[0] <= 25 and lo >= 25 and hi <= size[1] - 26)
    support = gradient_support(net, size).nonzero().flatten().tolist()
    assert (min(support), max(support)) == (lo, hi)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(layers=st.lists(st.one_of(CONV, POOL), min_size=1, max_size=6))
def test_forward_stacks_follow_the_recurrence(layers: list) -> None:
    field, jump, start = 1, 1, 0
    for m in layers:
        k, s, p, d = (
            v if isinstance(v, int) else v[0]
            for v in (m.kernel_size, m.stride, m.padding, m.dilation)
        )
        start -= p * jump
        field += d * (k - 1) * jump
        jump *= s
    try:
        f = receptive_field(nn.Sequential(*layers), (1, 400)).of("")
    except ModelError:
        assume(False)  # too small
    assert (f.receptive_field, f.jump, f.start) == ((field,), (jump,), (start,))
