"""What a network is made of that is invariant to a group, and what is said of it."""

import pytest
import torch
from tests.strangers.resnet20 import ResNet20
from torch import nn

from neocog.errors import ModelError, UsageError
from neocog.graph.cost import cost
from neocog.layers.symmetrized import inside_of
from neocog.store.exported import load_exported, save_exported
from neocog.surgery.replace import replace
from neocog.surgery.symmetrize import Symmetry, of_card, symmetrize, symmetry_of
from neocog.symmetry.groups import group_of
from neocog.symmetry.poses import poses_of
from neocog.types import InputSpec, ModelSpec, OutputSpec


def spec(size: tuple[int, int] = (32, 32), kind: str = "logits") -> ModelSpec:
    signal = InputSpec(channels=3, size=size, mean=(0.5,) * 3, std=(0.25,) * 3)
    classes = tuple("0123456789")
    return ModelSpec(task="classify", classes=classes, input=signal, output=OutputSpec(kind=kind))


@pytest.mark.parametrize("by", ["averaging", "canonical"])
def test_an_external_resnet20_is_invariant_to_shifts_and_poses_at_once(by: str) -> None:
    """With polyphase downsampling and circular padding: in float64, to rounding."""
    torch.manual_seed(0)
    net = ResNet20().eval()
    x = torch.rand(2, 3, 32, 32)
    shifted = replace(net, x, downsampling="polyphase", padding="circular").module
    made = symmetrize(shifted, Symmetry("d4", by), spec()).double().eval()
    assert list(made.state_dict()) == list(net.state_dict())
    x = x.double()
    with torch.no_grad():
        base = made(x)
        for k, pose in enumerate(poses_of(group_of("d4"))):
            moved = pose(x).roll((7 * k + 1, 3 - k), (2, 3))
            torch.testing.assert_close(made(moved), base, rtol=0, atol=1e-10)
        assert float((net.double()(torch.rot90(x, 1, (2, 3))) - net(x)).abs().max()) > 1e-3


@pytest.mark.parametrize(("group", "by"), [("d4", "averaging"), ("c4", "canonical")])
def test_it_is_exported_whole(group: str, by: str, tmp_path: pytest.TempPathFactory) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    made = symmetrize(net, Symmetry(group, by), spec((8, 8)))
    file = tmp_path / "net.pt2"  # type: ignore[operator]
    assert save_exported(made, file, torch.rand(2, 3, 8, 8)) < 1e-6
    back, x = load_exported(file)[0], torch.rand(5, 3, 8, 8)
    for pose in poses_of(group_of(group)):
        torch.testing.assert_close(back(pose(x)), back(x), rtol=0, atol=1e-6)


def test_probabilities_are_averaged_as_they_are() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3), nn.Softmax(1))
    made = symmetrize(net, Symmetry("c4"), spec((4, 4), kind="probabilities"))
    x = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(made(x).sum(1), torch.ones(2))
    assert symmetry_of(made) == Symmetry("c4")
    assert symmetry_of(net) is None
    assert inside_of(net) == ()
    assert inside_of(made)[0].startswith("Predictions are invariant to quarter turns, by averaging")
    assert cost(made, (3, 4, 4)).status == "complete"


def test_wrong_use() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    with pytest.raises(UsageError, match=r"`by` is how a network is made invariant, got `mean`"):
        Symmetry("c4", "mean")
    with pytest.raises(UsageError, match=r"c8 interpolates. Take c4, or `averaging`"):
        Symmetry("c8", "canonical")
    with pytest.raises(UsageError, match=r"needs square images; the model takes 4×6. Take c2"):
        symmetrize(net, Symmetry("c4"), spec((4, 6)))
    once = symmetrize(net, Symmetry("C4"), spec((4, 4)))
    with pytest.raises(ModelError, match=r"invariant once, and this one is by averaging over C4"):
        symmetrize(once, Symmetry("d4"), spec((4, 4)))
    with pytest.raises(ModelError, match=r"model.json states the symmetry of a network"):
        of_card({"group": "c7"})
