"""Networks whose answer does not depend on where the image stands, exactly.

Every convolution and pool sees a border that wraps around, every downsampling keeps samples by
what they hold, and the head takes the mean over the last map. Then a circular shift of the image
shifts the last map, and the mean does not see it. This must hold before any training, at every
size that the total stride divides, for every shift.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.layers.polyphase import ChoosePhase, LearnedChoice, phase_norms
from neocog.networks.catalog import build
from neocog.networks.convnext import ConvNeXtBlock

KINDS = ("polyphase", "polyphase_blur", "learned_polyphase")
CASES: dict[str, tuple[str, dict[str, object], int]] = {
    "convnet": ("convnet", {"widths": (6, 8, 10)}, 24),
    "convnet-average": ("convnet", {"widths": (6, 8, 10), "pool": "average"}, 24),
    "convnet-conv": (
        "convnet",
        {"widths": (6, 8), "depths": (1, 2), "stem": "full", "pool": "conv"},
        24,
    ),
    "lenet5_modern": ("lenet5_modern", {"head": "mean"}, 24),
    "resnet20": ("resnet20", {"width": 4}, 24),
    "resnet20-B": ("resnet20", {"width": 4, "shortcut": "B"}, 24),
    "alexnet": ("alexnet", {"head": "mean", "hidden": 16}, 24),
    "alexnet_2012": ("alexnet_2012", {"head": "mean", "hidden": 16, "stem": "published"}, 64),
    "vgg11": ("vgg11", {"head": "mean", "hidden": 16}, 32),
    "vgg11_bn": ("vgg11_bn", {"head": "mean", "hidden": 16, "pool": "conv"}, 32),
    "resnet18": ("resnet18", {}, 24),
    "resnet18-published": ("resnet18", {"stem": "published"}, 64),
    "resnet50": ("resnet50", {}, 24),
    "mobilenet_v1": ("mobilenet_v1", {"width": 0.25}, 24),
    "mobilenet_v2": ("mobilenet_v2", {"width": 0.25}, 24),
    "convnext_atto": ("convnext_atto", {}, 32),
    "efficientnet_lite0": ("efficientnet_lite0", {}, 64),
}
THIN = ("convnet", "convnet-average", "convnet-conv", "lenet5_modern", "resnet20", "resnet20-B")
LIMITS = {torch.float32: 1e-5, torch.float64: 1e-12}
"""What is to be reached, relative to the largest logit."""


def network(case: str, kind: str, *, size: int = 0, seed: int = 0) -> nn.Module:
    """Untrained, with running statistics of batch normalization drawn at random."""
    name, options, usual = CASES[case]
    size = size or usual
    torch.manual_seed(seed)
    options = {**options, "downsampling": kind, "padding": "circular"}
    net = build(name, num_classes=5, in_channels=2, size=(size, size), options=options)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.running_mean)
            nn.init.uniform_(m.running_var, 0.5, 2)
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias)
        elif isinstance(m, ConvNeXtBlock):
            nn.init.normal_(m.gamma)
    return net.eval()


def apart(net: nn.Module, x: Tensor, shifts: list[tuple[int, int]]) -> float:
    """The largest difference of a logit from that of the image where it stood."""
    with torch.no_grad():
        still, worst = net(x), 0.0
        for start in range(0, len(shifts), 64):
            moved = torch.cat([x.roll(s, (2, 3)) for s in shifts[start : start + 64]])
            worst = max(worst, float((net(moved) - still).abs().max()))
    return worst / float(still.abs().max())


def leads(net: nn.Module) -> list[float]:
    """By which share the first of the phases leads, in every choice from now on."""
    gaps: list[float] = []

    def note(strengths: Tensor) -> None:
        first, second = strengths.topk(2).values.T
        gaps.extend(((first - second) / first.abs()).nan_to_num(0).tolist())

    def note_norms(choose: ChoosePhase, given: tuple[Tensor], taken: Tensor) -> None:
        norms = phase_norms(given[0], choose.stride, p=choose.p)
        note(norms[norms.amax(1) > 0])  # phases of zeros alone are the same

    def note_scores(score: nn.Module, given: tuple[Tensor], scores: Tensor) -> None:
        note(scores.squeeze(2))

    for module in net.modules():
        if isinstance(module, ChoosePhase):
            module.register_forward_hook(note_norms)
        elif isinstance(module, LearnedChoice):
            module.score.register_forward_hook(note_scores)
    return gaps


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def some(size: int, count: int) -> list[tuple[int, int]]:
    """Shifts by one sample on each axis, and others drawn at random."""
    generator = torch.Generator().manual_seed(0)
    rest = torch.randint(size, (count - 3, 2), generator=generator)
    return [(0, 1), (1, 0), (1, 1), *((int(a), int(b)) for a, b in rest)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", THIN)
def test_E1_every_circular_shift_gives_the_same_logits(case: str, kind: str) -> None:
    size = CASES[case][2]
    every = list(itertools.product(range(size), repeat=2))
    net, x = network(case, kind), drawn(1, 2, size, size)
    assert apart(net, x, every) < LIMITS[torch.float32]
    assert apart(net.double(), x.double(), some(size, 24)) < LIMITS[torch.float64]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", [c for c in CASES if c not in THIN])
def test_E1_wide_networks_give_the_same_logits(case: str, kind: str) -> None:
    size = CASES[case][2]
    net, x = network(case, kind), drawn(1, 2, size, size)
    assert apart(net, x, some(size, 6)) < LIMITS[torch.float32]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_E1_all_1024_shifts_of_32_by_32(case: str, kind: str) -> None:
    size = 64 if CASES[case][2] == 64 else 32
    every = list(itertools.product(range(size), repeat=2))[:: (size // 32) ** 2]
    net, x = network(case, kind, size=size), drawn(1, 2, size, size)
    assert apart(net, x, every) < LIMITS[torch.float32]
    assert apart(net.double(), x.double(), some(size, 32)) < LIMITS[torch.float64]


@settings(max_examples=25, deadline=None)
@example("convnet", "polyphase_blur", 3, 0, 1, 29)  # ties, which are left out
@example("convnet-average", "learned_polyphase", 3, 1, 0, 185)
@given(
    st.sampled_from(THIN),
    st.sampled_from(KINDS),
    st.integers(3, 6),
    st.integers(0, 47),
    st.integers(0, 47),
    st.integers(0, 10_000),
)
def test_E1_at_every_size_that_the_stride_divides(
    case: str, kind: str, eighths: int, down: int, right: int, seed: int
) -> None:
    size = 8 * eighths
    net = network(case, kind, size=size, seed=seed).double()
    x = drawn(2, 2, size, size, seed=seed).double()
    gaps = leads(net)
    with torch.no_grad():
        still, moved = net(x), net(x.roll((down, right), (2, 3)))
    # Where phases are equally strong, to rounding, another one may be taken.
    assume(min(gaps, default=1.0) > 1e-9)
    assert float((moved - still).abs().max() / still.abs().max()) < LIMITS[torch.float64]


def test_E4_without_any_of_the_three_the_answer_depends_on_the_position() -> None:
    x, shifts = drawn(1, 2, 24, 24), [(0, 1), (1, 1)]
    assert apart(network("convnet", "stride"), x, shifts) > 1e-2
    options = {"widths": (6, 8, 10), "downsampling": "polyphase", "padding": "zeros"}
    torch.manual_seed(0)
    zero = build("convnet", num_classes=5, in_channels=2, size=(24, 24), options=options).eval()
    assert apart(zero, x, shifts) > 1e-4
    assert apart(network("convnet", "polyphase"), drawn(1, 2, 25, 25), shifts) > 1e-4


def test_E4_blur_and_ideal_reduce_the_dependence_and_polyphase_removes_it() -> None:
    x, shifts = drawn(1, 2, 24, 24), some(24, 12)
    error = {k: apart(network("convnet", k), x, shifts) for k in ("stride", "blur", "ideal")}
    assert error["blur"] < 0.5 * error["stride"]
    assert error["ideal"] < 0.5 * error["stride"]
    assert error["blur"] > 10 * LIMITS[torch.float32]
    assert apart(network("convnet", "polyphase"), x, shifts) < LIMITS[torch.float32]


@pytest.mark.parametrize("kind", KINDS)
def test_training_keeps_it(kind: str) -> None:
    """Not only fresh weights: after some steps the answers are as equal as before."""
    net = network("convnet", kind).train()
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    x, y = drawn(16, 2, 24, 24), torch.arange(16) % 5
    first = last = 0.0
    for step in range(8):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        first, last = first if step else float(loss.detach()), float(loss.detach())
    assert last < first
    assert apart(net.eval(), x[:1], some(24, 48)) < LIMITS[torch.float32]
