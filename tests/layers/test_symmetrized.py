"""A symmetrized network is invariant whatever it was, and otherwise stays what it was."""

import copy

import pytest
import torch
from tests.strangers.resnet20 import ResNet20
from torch import nn

from neocog.explainers.grad_cam import grad_cam
from neocog.graph.cost import cost
from neocog.graph.hooks import hooked
from neocog.layers.symmetrized import (
    BY,
    CanonicalPose,
    GroupAverage,
    canonical_pose,
    maps_of_inside,
    pose_scores,
    upright,
)
from neocog.symmetry.groups import group_of
from neocog.symmetry.poses import poses_of

EXACT = ("c2", "c4", "d1", "d2", "d4")


def network() -> nn.Module:
    """One that is far from invariant: its head looks at every position."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(400, 5)
    ).eval()


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("by", BY)
def test_outputs_are_the_same_in_every_pose_to_the_bit(by: str, name: str) -> None:
    group = group_of(name)
    net, x = network(), torch.rand(3, 3, 10, 10)
    made = BY[by](net, group)
    with torch.no_grad():
        base = made(x)
        assert all(torch.equal(made(pose(x)), base) for pose in poses_of(group))
        other_layout = x.contiguous(memory_format=torch.channels_last)
        assert torch.equal(made(other_layout), base)
        assert not torch.allclose(net(poses_of(group)[-1](x)), net(x), atol=1e-3)


def test_averages_are_the_means_that_they_are_called() -> None:
    net, x, group = network(), torch.rand(2, 3, 10, 10), group_of("d4")
    outs = torch.stack([net(pose(x)) for pose in poses_of(group)])
    torch.testing.assert_close(GroupAverage(net, group)(x), outs.exp().mean(0).log())
    torch.testing.assert_close(GroupAverage(net, group, logits=False)(x), outs.mean(0))


def test_poses_that_interpolate_are_invariant_to_quarter_turns_alone() -> None:
    made, x = GroupAverage(network(), group_of("c8")).double(), torch.rand(2, 3, 10, 10).double()
    turned = [made(pose(x)) - made(x) for pose in poses_of(group_of("c8"))]
    assert [float(t.detach().abs().max()) < 1e-12 for t in turned] == [True, False] * 4


def test_names_modes_and_copies_are_those_of_the_network() -> None:
    net = network()
    made = GroupAverage(net, group_of("c4"))
    assert list(made.state_dict()) == list(net.state_dict())
    assert [n for n, _ in made.named_modules()] == [n for n, _ in net.named_modules()]
    made.train()
    made(torch.rand(2, 3, 10, 10))
    assert net.training
    again = copy.deepcopy(made).eval()
    again.load_state_dict({k: torch.zeros_like(v) for k, v in again.state_dict().items()})
    assert net[0].weight.abs().sum() > 0
    assert again.inner is not net


def test_in_training_all_poses_are_one_batch() -> None:
    net, x = network(), torch.rand(2, 3, 10, 10)
    made, sizes = GroupAverage(net, group_of("c4")).train(), []
    with hooked([("1", net[1])], after=lambda *call: sizes.append(len(call[-1]))):
        made(x).sum().backward()
        made.eval()(x)
    assert sizes == [8, 2]  # of the passes in evaluation hooks see the upright one
    assert net[0].weight.grad.abs().sum() > 0


def test_a_pass_a_pose_or_one_pass_in_all() -> None:
    costs = {by: cost(BY[by](ResNet20(), group_of("d4")), (3, 32, 32)) for by in BY}
    macs = {by: c.macs for by, c in costs.items()}
    assert {c.status for c in costs.values()} == {"complete"}
    one = cost(ResNet20(), (3, 32, 32)).macs
    assert macs["averaging"] == 8 * one
    assert one < macs["canonical"] < 1.01 * one


def test_upright_is_the_network_itself() -> None:
    net, x = network(), torch.rand(2, 3, 10, 10)
    for kind in BY.values():
        with upright():
            assert torch.equal(kind(net, group_of("c4"))(x), net(x))


def test_the_canonical_pose_of_a_symmetric_image_is_itself() -> None:
    """All its poses are tied, and all are the same image."""
    group = group_of("d4")
    x = torch.rand(1, 1, 6, 6)
    x = torch.stack([pose(x) for pose in poses_of(group)]).sort(0).values.sum(0)
    x = (x + x.transpose(2, 3)).round(decimals=3)
    for pose in poses_of(group):
        torch.testing.assert_close(canonical_pose(pose(x), group), canonical_pose(x, group))
    half = torch.rand(1, 1, 6, 6)
    half = half + torch.rot90(half, 2, (2, 3))  # tied in pairs
    turned = [canonical_pose(pose(half), group) for pose in poses_of(group_of("c4"))]
    assert all(torch.equal(t, turned[0]) for t in turned)


def test_scores_do_not_change_with_circular_shifts() -> None:
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(
        pose_scores(x.roll((5, 3), (2, 3))), pose_scores(x), rtol=1e-10, atol=0
    )
    made = CanonicalPose(network().double(), group_of("d4"))
    x = torch.rand(4, 3, 10, 10, dtype=torch.float64)
    again = canonical_pose(torch.rot90(x, 1, (2, 3)).roll((2, 1), (2, 3)), made.group)
    shifted = [
        canonical_pose(x, made.group).roll((i, j), (2, 3)) for i in range(10) for j in range(10)
    ]
    assert all(any(torch.equal(a, s[i]) for s in shifted) for i, a in enumerate(again))


def test_maps_of_layers_lie_over_the_image_as_it_comes() -> None:
    """One blob in four quarter turns: Grad-CAM follows it."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 2),
    ).eval()  # fmt: skip
    nn.init.constant_(net[0].weight, 0.1)
    nn.init.zeros_(net[0].bias)
    nn.init.constant_(net[4].weight, 1.0)
    x = torch.zeros(1, 1, 16, 16)
    x[..., 2:5, 9:13] = torch.rand(3, 4) + 0.5
    for kind in BY.values():
        made = kind(net, group_of("c4"))
        for pose in poses_of(made.group):
            turned = pose(x)
            map = grad_cam(made, turned, layer="1", target=0).positive
            near = turned[:, 0] > 0
            assert map[near].mean() > 5 * map.mean()
    assert maps_of_inside(CanonicalPose(net, group_of("c4")))
    assert not maps_of_inside(GroupAverage(net, group_of("c4")))
