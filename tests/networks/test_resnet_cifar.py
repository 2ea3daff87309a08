from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from neocog.errors import UsageError
from neocog.networks.model import SpecifiedNetwork
from neocog.networks.resnet_cifar import resnet_cifar
from neocog.types import InputSpec, ModelSpec

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    ("depth", "params"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018)]
)
def test_D5_parameters(depth: int, params: int) -> None:
    # The paper says 0.27, 0.46, 0.66 and 0.85 million.
    net = resnet_cifar(num_classes=10, in_channels=3, size=(32, 32), depth=depth)
    assert sum(p.numel() for p in net.parameters()) == params


def test_shortcut_B_adds_two_convolutions_with_norms() -> None:
    a, b = (
        resnet_cifar(num_classes=10, in_channels=3, size=(32, 32), shortcut=s) for s in ("A", "B")
    )
    extra = sum(p.numel() for p in b.parameters()) - sum(p.numel() for p in a.parameters())
    assert extra == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64


def test_other_depths_are_refused() -> None:
    for depth in (2, 18, 21):
        with pytest.raises(UsageError, match=rf"6n \+ 2 layers .*; got {depth}"):
            resnet_cifar(num_classes=10, in_channels=3, size=(32, 32), depth=depth)


def published(shared: Path) -> SpecifiedNetwork:
    """A stranger's weights in our network."""
    file = shared / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
    if not file.is_file():
        pytest.skip("needs the published ResNet-20 weights in ../shared/models")
    state = torch.load(file, weights_only=True, map_location="cpu")["state_dict"]
    net = resnet_cifar(num_classes=10, in_channels=3, size=(32, 32))
    net.load_state_dict({k.removeprefix("module."): v for k, v in state.items()})
    signal = InputSpec(channels=3, size=(32, 32), mean=MEAN, std=STD)
    classes = tuple(str(i) for i in range(10))
    return SpecifiedNetwork(net, ModelSpec(task="classify", classes=classes, input=signal)).eval()


def right_answers(model: SpecifiedNetwork, shared: Path, sheet: int) -> int:
    folder = shared / "data" / "cifar10"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/cifar10")
    with Image.open(folder / f"test_{sheet:02}.webp") as image:
        tiles = np.asarray(image).reshape(20, 32, 50, 32, 3).swapaxes(1, 2)
    x: Tensor = torch.from_numpy(tiles.reshape(1000, 32, 32, 3).copy()).permute(0, 3, 1, 2)
    labels = np.load(folder / "labels.npz")["test_labels"][sheet * 1000 : (sheet + 1) * 1000]
    with torch.no_grad():
        answers = torch.cat([model(part.float() / 255).argmax(1) for part in x.split(100)]).numpy()
    return int((answers == labels).sum())


def test_D5_published_weights_answer_as_published(shared: Path) -> None:
    assert right_answers(published(shared), shared, 0) == 913


@pytest.mark.slow
def test_D5_published_weights_reach_the_published_error(shared: Path) -> None:
    model = published(shared)
    assert sum(right_answers(model, shared, sheet) for sheet in range(10)) == 9173
