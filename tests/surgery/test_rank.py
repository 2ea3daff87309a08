"""Each group alone, what gains most for its cost first."""

import math

import torch
from tests.surgery.nets import StrangerResNet, Wayward, settled
from torch import Tensor, nn

from neocog.surgery.rank import GroupRank, rank_groups


def advice(gain: float, macs: int) -> GroupRank:
    return GroupRank(group="g", members=("g",), flips={"circular": gain, "crop": gain}, macs=macs)


def test_worth_is_gain_for_cost() -> None:
    assert advice(0.02, 2_000_000).efficiency == 0.01
    assert advice(0.02, 0).efficiency == math.inf
    assert advice(-0.02, 0).efficiency == -math.inf
    assert advice(0.0, 0).efficiency == 0.0


def test_groups_are_tried_alone_and_sorted() -> None:
    net, x = settled(StrangerResNet(1, 4)), torch.randn(2, 3, 16, 16)
    seen = []

    def flips(module: nn.Module) -> dict[str, float]:
        count = sum("_take" in str(n.target) for n in module.graph.nodes)
        seen.append(count)
        late = any(
            "layer3" in str(n.target) and "_take" in str(n.target) for n in module.graph.nodes
        )
        return {"circular": 0.5 - 0.1 * (count > 0) - 0.2 * late}

    def macs(module: nn.Module) -> int:
        return 10 + 7 * sum("_take" in str(n.target) for n in module.graph.nodes)

    found = rank_groups(net, x, downsampling="polyphase", padding="keep", flips=flips, macs=macs)
    assert seen == [0, 2, 2]
    assert [a.group for a in found] == ["layer3.0.conv1", "layer2.0.conv1"]
    assert found[0].members == ("layer3.0.conv1", "layer3.0.slicing")
    assert abs(found[0].gain - 0.3) < 1e-9
    assert [a.macs for a in found] == [14, 14]  # two samplers each, beside what it was


def test_nothing_to_advise() -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.randn(2, 3, 8, 8)
    found = rank_groups(
        net, x, downsampling="blur", padding="keep", flips=lambda m: {}, macs=lambda m: 0
    )
    assert found == ()


class Twice(nn.Module):
    """One pool, called in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.pool(x)).mean((2, 3))


def test_groups_that_share_a_module_are_tried_together() -> None:
    x = torch.randn(2, 3, 8, 8)
    found = rank_groups(
        Twice(),
        x,
        downsampling="blur",
        padding="keep",
        flips=lambda m: {"circular": 0.0},
        macs=lambda m: 0,
    )
    assert [a.members for a in found] == [("pool", "pool_pool_1")]


def test_modules_of_what_is_no_graph_are_tried_alone() -> None:
    net, x, seen = settled(Wayward()), torch.randn(2, 3, 16, 16), []

    def flips(module: nn.Module) -> dict[str, float]:
        seen.append([n for n, p in module.named_children() if hasattr(p, "reduce")])
        return {"circular": 0.0}

    found = rank_groups(net, x, downsampling="blur", padding="keep", flips=flips, macs=lambda m: 0)
    assert seen == [[], ["conv"], ["pool"]]
    assert [a.group for a in found] == ["conv", "pool"]


def test_weights_of_samplers_are_drawn_from_the_seed() -> None:
    net, x = settled(StrangerResNet(1, 4)), torch.randn(2, 3, 16, 16)

    def drawn(seed: int) -> list[Tensor]:
        seen: list[Tensor] = []

        def flips(module: nn.Module) -> dict[str, float]:
            new = [p for n, p in module.named_parameters() if n.startswith("samplers")]
            seen.extend(new)
            return {"circular": 0.0}

        rank_groups(
            net,
            x,
            downsampling="learned_polyphase",
            padding="keep",
            flips=flips,
            macs=lambda m: 0,
            seed=seed,
        )
        return seen

    state = torch.get_rng_state()
    first, again, other = drawn(1), drawn(1), drawn(2)
    assert first
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
