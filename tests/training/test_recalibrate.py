"""Running statistics of batch norms from images alone, whatever the network is made of."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.store.exported import load_exported, save_exported
from neocog.training.recalibrate import recalibrate

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def by_pytorch(module: nn.Module, batches: list[Tensor]) -> nn.Module:
    """What `momentum=None` gathers."""
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.reset_running_stats()
            m.momentum = None
            m.train()
    with torch.no_grad():
        for x in batches:
            module(x)
    return module.eval()


def shown(axes: int, n: int = 3) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(8, 2, *[6] * axes) * 3 + 1 for _ in range(n)]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_it_gathers_what_pytorch_gathers_and_leaves_the_rest(axes: int) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(
        CONV[axes](2, 4, 3), NORM[axes](4), nn.ReLU(), nn.Dropout(0.5),
        CONV[axes](4, 4, 3, groups=4), NORM[axes](4, affine=False),
    )  # fmt: skip
    net[3].train()
    net[1].eval()
    modes = [m.training for m in net.modules()]
    other = copy.deepcopy(net).eval()
    assert recalibrate(net, shown(axes)) == 2
    assert [m.training for m in net.modules()] == modes
    assert net[1].momentum == 0.1
    assert net[1].num_batches_tracked == 0
    expected = by_pytorch(other, shown(axes))
    for name, value in net.named_buffers():
        if "running" in name:  # sums in another order
            torch.testing.assert_close(value, expected.get_buffer(name), rtol=1e-5, atol=1e-6)
    for name, value in net.named_parameters():
        assert torch.equal(value, expected.get_parameter(name))


def test_an_exported_program_and_a_functional_call_are_recalibrated_too(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    save_exported(net, tmp_path / "net.pt2", torch.randn(2, 2, 6, 6))
    program, _ = load_exported(tmp_path / "net.pt2")
    assert recalibrate(program, shown(2)) == 1
    x = shown(2, 4)[3]
    # A program normalizes with the same numbers in another order.
    torch.testing.assert_close(program(x), by_pytorch(net, shown(2))(x), rtol=1e-4, atol=1e-5)

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(2))
            self.register_buffer("var", torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            return F.batch_norm(x, self.get_buffer("mean"), self.get_buffer("var"))

    functional = Functional()
    assert recalibrate(functional, shown(2)) == 1
    assert functional.get_buffer("mean").sub(1).abs().max() < 0.5  # of normal numbers around 1


@pytest.mark.parametrize(
    "norm",
    [
        nn.GroupNorm(2, 2),
        nn.InstanceNorm2d(2),
        nn.InstanceNorm2d(2, track_running_stats=True),
        nn.BatchNorm2d(2, track_running_stats=False),
        nn.Identity(),
    ],
)
def test_what_keeps_no_statistics_of_batches_is_left_alone(norm: nn.Module) -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 3), norm).eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert recalibrate(net, shown(2)) == 0
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_a_single_value_a_channel_tells_no_variance() -> None:
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4))
    assert recalibrate(net, [torch.ones(1, 4)]) == 0
    assert torch.equal(net[1].running_var, torch.ones(4))


def test_an_error_on_the_way_leaves_modes_and_statistics() -> None:
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 9)).train()
    with pytest.raises(RuntimeError):
        recalibrate(net, shown(2))
    assert net.training
    assert net[0].running_mean.eq(0).all()


def test_a_batch_norm_as_an_export_writes_it() -> None:
    class Legit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(1))
            self.register_buffer("var", torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            given = (x, None, None, self.mean, self.var, False, 0.1, 1e-5)
            return torch.ops.aten._native_batch_norm_legit(*given)[0]

    net = Legit()
    assert recalibrate(net, [torch.tensor([[1.0], [3.0]])]) == 1
    assert (net.mean.item(), net.var.item()) == (2.0, 2.0)
