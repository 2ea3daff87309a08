import pytest
import torch
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.networks.lenet5 import TABLE, lenet5


def net(**options: object):
    torch.manual_seed(0)
    return lenet5(num_classes=10, in_channels=1, size=(28, 28), **options)


def test_D2_lenet5_has_60000_parameters() -> None:
    counts = {
        name: sum(p.numel() for p in layer.parameters()) for name, layer in net().named_children()
    }
    assert counts == {
        "c1": 156,
        "s2": 12,
        "c3": 1516,
        "s4": 32,
        "c5": 48120,
        "f6": 10164,
        "out": 0,
        "act": 0,
    }
    assert sum(counts.values()) == 60_000
    assert all(p.requires_grad for p in net().parameters())


def test_D2_connection_table_is_as_the_paper_describes_it() -> None:
    # Six maps see three neighbors in a row, six see four in a row, three see two pairs, the last
    # sees all; 60 connections; every map of S2 is seen by ten of C3.
    assert [len(row) for row in TABLE] == [3] * 6 + [4] * 9 + [6]
    wrapped = [{(i + j) % 6 for j in range(3)} for i in range(6)]
    assert [set(row) for row in TABLE[:6]] == wrapped
    wrapped = [{(i + j) % 6 for j in range(4)} for i in range(6)]
    assert [set(row) for row in TABLE[6:12]] == wrapped
    assert all({(i + 3) % 6 for i in row} == set(row) for row in TABLE[12:15])
    assert [sum(i in row for row in TABLE) for i in range(6)] == [10] * 6


def test_D2_lenet5_is_its_formula() -> None:
    lenet = net(scale=0.5).double()
    state = lenet.state_dict()
    x = torch.randn(3, 1, 28, 28, dtype=torch.float64)

    def squash(a: torch.Tensor) -> torch.Tensor:
        return 1.7159 * torch.tanh(2 * a / 3)

    def subsampled(a: torch.Tensor, name: str) -> torch.Tensor:
        sums = a[..., ::2, ::2] + a[..., 1::2, ::2] + a[..., ::2, 1::2] + a[..., 1::2, 1::2]
        scaled = sums * state[f"{name}.coefficient"].view(-1, 1, 1)
        return squash(scaled + state[f"{name}.bias"].view(-1, 1, 1))

    full = torch.zeros(16, 6, 5, 5, dtype=torch.float64)
    kernels = iter(state["c3.weight"])
    for output, inputs in enumerate(TABLE):
        for i in inputs:
            full[output, i] = next(kernels)
    a = F.pad(x, (2, 2, 2, 2), mode="replicate")
    a = subsampled(squash(F.conv2d(a, state["c1.weight"], state["c1.bias"])), "s2")
    a = subsampled(squash(F.conv2d(a, full, state["c3.bias"])), "s4")
    a = squash(F.conv2d(a, state["c5.weight"], state["c5.bias"])).flatten(1)
    a = squash(a @ state["f6.weight"].T + state["f6.bias"])
    distance = torch.cdist(a, state["out.codes"]).square()
    # float64 rounding; cdist goes through a square root
    torch.testing.assert_close(lenet(x), -distance / 2, rtol=1e-10, atol=1e-10)


def test_D2_weights_start_within_the_bounds_of_the_paper() -> None:
    lenet = net()
    for layer, fan_in in ((lenet.c1, 25), (lenet.c5, 400), (lenet.f6, 120)):
        for p in layer.parameters():
            # of n uniform draws the largest lies within 5 / n of the bound (p = e⁻⁵)
            assert 1 - 5 / p.numel() < p.abs().max() * fan_in / 2.4 <= 1 + 1e-6


def test_a_larger_image_gives_the_mean_over_the_units_of_c5() -> None:
    lenet = net().eval()
    shapes = []
    lenet.c5.register_forward_hook(lambda m, args, y: shapes.append(tuple(y.shape[2:])))
    tile = torch.randn(1, 1, 32, 32)
    lenet(tile), lenet(torch.randn(1, 1, 36, 40))
    assert shapes == [(1, 1), (2, 3)]


def test_the_padding_fills_up_to_32() -> None:
    x = torch.randn(2, 1, 28, 30)
    for padding, mode in (("replicate", "replicate"), ("zeros", "constant")):
        lenet = net(padding=padding)
        assert torch.equal(lenet(x), lenet(F.pad(x, (1, 1, 2, 2), mode=mode)))


def test_unknown_padding_is_refused_before_the_first_image() -> None:
    with pytest.raises(UsageError, match="`edge` is not a padding"):
        net(padding="edge")


def test_the_scale_changes_no_answer() -> None:
    x = torch.randn(4, 1, 28, 28)
    one, two = net(scale=0.1), net(scale=0.5)
    torch.testing.assert_close(5 * one(x), two(x))
