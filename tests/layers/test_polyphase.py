import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.layers.blur import BlurPool
from neocog.layers.pnorm import p_norm_pool
from neocog.layers.polyphase import (
    ChoosePhase,
    LearnedChoice,
    PolyphaseDown,
    PolyphasePair,
    PolyphaseUp,
    TakePhase,
    choose_phase,
    phase_norms,
    put_phase,
    take_phase,
)

# PyTorch's forward mode loads code that warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

STRIDES = [(2, 2), (3, 3), (4, 4), (2, 3), (1, 2), (2,), (3,)]
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def phase_by_hand(x: Tensor, number: int, steps: tuple[int, ...]) -> Tensor:
    """One phase of one map (C, *space), sample by sample."""
    offsets = (number // steps[1], number % steps[1]) if len(steps) == 2 else (number,)
    for axis, (offset, s) in enumerate(zip(offsets, steps, strict=True), start=1):
        n = x.shape[axis]
        x = x.index_select(axis, torch.tensor([(offset + k) % n for k in range(0, n, s)]))
    return x


@pytest.mark.parametrize("steps", STRIDES)
@pytest.mark.parametrize("size", [(12, 12), (7, 8), (5, 1)])
@pytest.mark.parametrize("p", [1, 2, 3, math.inf])
def test_equals_a_loop(steps: tuple[int, ...], size: tuple[int, int], p: float) -> None:
    x = drawn(6, 3, *size[: len(steps)])
    count = math.prod(steps)
    phases = [[phase_by_hand(v, k, steps) for k in range(count)] for v in x]
    norms = torch.stack([torch.stack([v.flatten().norm(p) for v in line]) for line in phases])
    # float64 rounding of some dozen summands.
    torch.testing.assert_close(phase_norms(x, steps, p=p), norms, rtol=1e-12, atol=0)
    chosen = choose_phase(x, steps, p=p)
    assert torch.equal(chosen, norms.argmax(1))
    taken = torch.stack([line[k] for line, k in zip(phases, chosen.tolist(), strict=True)])
    weights = torch.softmax(norms, 1)
    mixes = list(zip(weights, phases, strict=True))
    mixed = torch.stack(
        [(w.view(-1, *[1] * (x.dim() - 1)) * torch.stack(line)).sum(0) for w, line in mixes]
    )
    for layout in LAYOUTS[: len(steps)]:
        y = x.to(memory_format=layout) if len(steps) == 2 else x
        assert torch.equal(take_phase(y, chosen, steps), taken)
        torch.testing.assert_close(take_phase(y, weights, steps), mixed)
        assert torch.equal(PolyphaseDown(steps, choose=ChoosePhase(steps, p=p))(y), taken)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(STRIDES),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(-20, 20),
    st.integers(-20, 20),
    st.sampled_from(["plain", "blur", "learned"]),
    st.integers(0, 10_000),
)
def test_E3_what_is_kept_moves_with_the_map(
    steps: tuple[int, ...], rows: int, columns: int, down: int, right: int, kind: str, seed: int
) -> None:
    """For every stride, size that it divides, shift: the same samples are kept, moved."""
    size = [n * s for n, s in zip((rows, columns), steps, strict=False)]
    x = drawn(2, 3, *size, seed=seed)
    axes = tuple(range(2, x.dim()))
    moved = x.roll((down, right)[: len(steps)], axes)
    torch.manual_seed(seed)
    layer = {
        "plain": lambda: PolyphaseDown(steps),
        "blur": lambda: PolyphaseDown(
            steps, prepare=BlurPool(steps, padding="circular", keep=True)
        ),
        "learned": lambda: PolyphaseDown(steps, choose=LearnedChoice(3, steps)),
    }[kind]()
    layer = layer.double().eval()
    with torch.no_grad():
        still, other = layer(x), layer(moved)
    for one, two in zip(still, other, strict=True):
        shifts = [
            (i, j)[: len(steps)]
            for i in range(one.shape[1])
            for j in range(one.shape[2] if len(steps) == 2 else 1)
        ]
        apart = [(one.roll(s, axes_of(one)) - two).abs().max() for s in shifts]
        # float64 rounding: a blur sums in another order at another place.
        assert min(apart) < 1e-12


def axes_of(x: Tensor) -> tuple[int, ...]:
    return tuple(range(1, x.dim()))


def test_E3_a_square_signal_two_high() -> None:
    signal = torch.tensor([0.0, 0, 1, 1, 0, 0, 1, 1, 0, 0])
    pooled = p_norm_pool(signal[None, None], math.inf, kernel_size=2)
    assert pooled.flatten().tolist() == [0, 1, 0, 1, 0]
    shifted = p_norm_pool(signal[None, None, 1:], math.inf, kernel_size=2)
    assert shifted.flatten().tolist() == [1, 1, 1, 1]


def test_E3_blur_reduces_the_error_and_polyphase_removes_it() -> None:
    signal = torch.tensor([0.0, 0, 1, 1] * 4, dtype=torch.float64)[None, None]
    means = {}
    for shift in (0, 1):
        largest = F.max_pool1d(F.pad(signal.roll(-shift, 2), (0, 1), mode="circular"), 2, 1)
        means[shift] = {
            "stride": largest[:, :, ::2].mean().item(),
            "blur": BlurPool(2, taps=3, padding="circular").double()(largest).mean().item(),
            "polyphase": PolyphaseDown((2,))(largest).mean().item(),
        }
    error = {k: abs(means[0][k] - means[1][k]) for k in means[0]}
    assert error["stride"] == 0.5  # 0 1 0 1 … against 1 1 1 1 …
    assert 0 <= error["blur"] < error["stride"]
    assert error["polyphase"] == 0


def test_E4_blur_before_sampling_is_a_partial_solution() -> None:
    """Error of ReLU, sampling, square, mean under a shift by one, on noise without a trend."""
    x = drawn(64, 4, 16, 16)
    samplers = {
        "stride": lambda x: x[:, :, ::2, ::2],
        "blur": BlurPool(2, padding="circular").double(),
        "polyphase": PolyphaseDown(2),
    }
    error = {}
    for name, down in samplers.items():
        one, two = (down(F.relu(v)).square().mean((2, 3)) for v in (x, x.roll((1, 1), (2, 3))))
        error[name] = ((one - two).norm() / one.norm()).item()
    assert error["blur"] < 0.2 * error["stride"]
    assert error["blur"] > 1e-4
    # The same samples, summed in another order.
    assert error["polyphase"] < 1e-14


@pytest.mark.parametrize("steps", STRIDES)
@pytest.mark.parametrize("size", [(6, 6), (5, 7)])
def test_gradients(steps: tuple[int, ...], size: tuple[int, int]) -> None:
    x = drawn(3, 2, *size[: len(steps)]).requires_grad_()
    phase = choose_phase(x, steps)
    weights = torch.softmax(drawn(3, math.prod(steps)), 1).requires_grad_()
    out = [math.ceil(n / s) for n, s in zip(x.shape[2:], steps, strict=True)]
    small = drawn(3, 2, *out).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda x: take_phase(x, phase, steps), x, check_forward_ad=True)
    assert check(lambda x, w: take_phase(x, w, steps), (x, weights))
    assert check(lambda v: put_phase(v, phase, steps, size=x.shape[2:]), small)
    assert check(PolyphaseDown(steps), x)
    assert not choose_phase(x, steps).requires_grad


@pytest.mark.parametrize("steps", STRIDES)
@pytest.mark.parametrize("size", [(12, 12), (5, 7), (4, 3), (1, 2)])
def test_putting_back_is_the_transpose_of_taking(
    steps: tuple[int, ...], size: tuple[int, int]
) -> None:
    x = drawn(4, 2, *size[: len(steps)])
    phase = choose_phase(x, steps)
    y = take_phase(x, phase, steps)
    back = PolyphaseUp(steps)(y, phase, x.shape[2:])
    assert back.shape == x.shape
    assert torch.equal(TakePhase(steps)(back, phase), y)
    assert torch.equal(back[back != 0].sort().values, y.flatten().sort().values)
    other = drawn(*y.shape, seed=1)
    lifted = put_phase(other, phase, steps, size=x.shape[2:])
    torch.testing.assert_close((x * lifted).sum(), (y * other).sum())


def test_up_sampling_moves_with_the_map() -> None:
    x = drawn(2, 3, 8, 9)
    moved = x.roll((3, -2), (2, 3))

    def there_and_back(v: Tensor) -> Tensor:
        phase = choose_phase(v, (2, 3))
        return put_phase(take_phase(v, phase, (2, 3)), phase, (2, 3), size=(8, 9))

    assert torch.equal(there_and_back(moved), there_and_back(x).roll((3, -2), (2, 3)))


def test_both_maps_of_a_pair_keep_the_same_samples() -> None:
    main, short = drawn(5, 3, 6, 6), drawn(5, 2, 6, 6, seed=1)
    pair = PolyphasePair((2, 2))
    one, two = pair(main, short)
    phase = choose_phase(main, 2)
    assert torch.equal(one, take_phase(main, phase, 2))
    assert torch.equal(two, take_phase(short, phase, 2))
    blurred = PolyphasePair((2, 2), prepare=BlurPool(2, keep=True))
    one, two = blurred.double()(main, short)
    blur = BlurPool(2, keep=True).double()
    torch.testing.assert_close(two, take_phase(blur(short), phase, 2))


def test_a_learned_choice_weighs_in_training_and_decides_in_evaluation() -> None:
    torch.manual_seed(0)
    x = drawn(4, 3, 6, 6, dtype=torch.float32)
    choice = LearnedChoice(3, (2, 3))
    weights = choice.train()(x)
    assert weights.shape == (4, 6)
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    torch.manual_seed(1)
    one = choice(x)
    torch.manual_seed(1)
    assert torch.equal(one, choice(x))
    assert not torch.equal(one, choice(x))
    number = choice.eval()(x)
    assert number.dtype == torch.int64
    assert torch.equal(number, choice(x))
    sharp = LearnedChoice(3, (2, 3), temperature=1e-3)
    sharp.load_state_dict(choice.state_dict())
    assert (sharp.train()(x).max(1).values > 0.99).all()


def test_a_learned_choice_learns() -> None:
    """The phase with the smallest values is wanted: not the one of the largest norm."""
    torch.manual_seed(0)
    x = torch.rand(256, 1, 8, 8)
    weak = torch.randint(0, 4, (256,))
    for i in range(2):
        for j in range(2):
            x[weak == 2 * i + j, :, i::2, j::2] *= 0.3
    down = PolyphaseDown((2, 2), choose=LearnedChoice(1, (2, 2)))
    before = (down.choose.eval()(x) == weak).float().mean()
    optimizer = torch.optim.Adam(down.parameters(), 0.02)
    down.train()
    for _ in range(60):
        optimizer.zero_grad()
        down(x).square().mean().backward()
        optimizer.step()
    after = (down.choose.eval()(x) == weak).float().mean()
    assert after > 0.95 > before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_reduced_precision_chooses_as_well(layout: torch.memory_format) -> None:
    x = drawn(16, 8, 8, 8).bfloat16().to(memory_format=layout)
    assert torch.equal(choose_phase(x, 2), choose_phase(x.double(), 2))
    assert take_phase(x, choose_phase(x, 2), 2).dtype == torch.bfloat16


def test_modules_say_what_they_are() -> None:
    assert "stride=2, p=2" in repr(ChoosePhase(2))
    text = repr(PolyphaseDown((2, 2), choose=LearnedChoice(3, (2, 2))))
    assert "stride=(2, 2), temperature=1.0" in text
    assert "stride=3" in repr(PolyphaseUp(3))
    assert isinstance(LearnedChoice(3, (2,)).conv, nn.Conv1d)


def test_a_stride_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="one for each of the 1 axes"):
        PolyphaseDown((2, 2))(torch.zeros(1, 1, 4))


def test_among_phases_of_equal_norm_the_number_decides() -> None:
    """As the documentation says: here the choice does not move with the map."""
    x = torch.tensor([[[5.0, 3.0, 0.0, 4.0]]])  # (5, 0) and (3, 4), of norm 5 both
    moved = x.roll(1, 2)
    assert choose_phase(x, 2).tolist() == choose_phase(moved, 2).tolist() == [0]
    assert PolyphaseDown((2,))(x).tolist() == [[[5, 0]]]
    assert PolyphaseDown((2,))(moved).tolist() == [[[4, 3]]]


def test_wrong_phases_and_sizes_are_errors() -> None:
    x, phase = torch.zeros(4, 3, 2, 2), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(
        UsageError, match="Each feature map of a batch needs one phase; got 1 phases for 4"
    ):
        put_phase(x, phase[:1], 2, size=(4, 4))
    with pytest.raises(
        UsageError, match="Each feature map of a batch needs one phase; got 3 phases for 4"
    ):
        take_phase(x, phase[:3], 2)
    with pytest.raises(UsageError, match=r"size` \(6, 4\) at stride \(2, 2\) as \(3, 2\)"):
        put_phase(x, phase, 2, size=(6, 4))
