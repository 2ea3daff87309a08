import pytest
import torch

from neocog.errors import UsageError
from neocog.networks.mobilenet import mobilenet

# The counts of torchvision and timm; the papers say 4.2 and 3.4 million.
PARAMS = {(1, 1.0): 4_231_976, (2, 1.0): 3_504_872, (2, 1.4): 6_108_776}


@pytest.mark.parametrize(("version", "width"), PARAMS)
def test_parameters(version: int, width: float) -> None:
    with torch.device("meta"):
        net = mobilenet(
            num_classes=1000, in_channels=3, size=(224, 224), version=version, width=width
        )
    assert sum(p.numel() for p in net.parameters()) == PARAMS[version, width]


def test_a_small_stem_keeps_four_times_the_samples_and_all_names() -> None:
    with torch.device("meta"):
        small, large = (mobilenet(num_classes=5, in_channels=3, size=(s, s)) for s in (32, 96))
    assert [s.stride for s in small.stages] == [1, 1, 2, 4, 4, 8, 8]
    assert [s.stride for s in large.stages] == [2, 4, 8, 16, 16, 32, 32]
    assert small.state_dict().keys() == large.state_dict().keys()


def test_what_cannot_be_built_is_refused() -> None:
    frame = {"num_classes": 5, "in_channels": 3, "size": (32, 32)}
    with pytest.raises(UsageError, match="versions 1 and 2 here; got 3"):
        mobilenet(**frame, version=3)
    with pytest.raises(UsageError, match=r"factor from 0\.1 to 4; got 0"):
        mobilenet(**frame, width=0.0)
    with pytest.raises(UsageError, match="end at 1×1"):
        mobilenet(**frame, stem="published", padding="reflect")


def test_features_are_what_the_linear_layer_gets() -> None:
    net = mobilenet(num_classes=5, in_channels=1, size=(32, 32), version=1, width=0.25).eval()
    x = torch.randn(2, 1, 32, 32)
    assert net.features(x).shape == (2, 256)
    assert torch.equal(net.classifier(net.features(x)), net(x))
