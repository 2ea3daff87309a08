import pytest
import torch
from torch import nn

from neocog.errors import UsageError
from neocog.networks.resnet import resnet


@pytest.mark.parametrize(
    ("depth", "params"),
    [
        (18, 11_689_512),
        (34, 21_797_672),
        (50, 25_557_032),
        (101, 44_549_160),
        (152, 60_192_808),
    ],
)
def test_D5_resnet_parameters(depth: int, params: int) -> None:
    with torch.device("meta"):
        net = resnet(num_classes=1000, in_channels=3, size=(224, 224), depth=depth)
    assert sum(p.numel() for p in net.parameters()) == params


def published_names(blocks: tuple[int, ...], convs: int) -> list[str]:
    """The keys under which the field exchanges these weights."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight", *(f"bn1.{n}" for n in norm)]
    for i, count in enumerate(blocks, 1):
        for j in range(count):
            for k in range(1, convs + 1):
                names.append(f"layer{i}.{j}.conv{k}.weight")
                names += [f"layer{i}.{j}.bn{k}.{n}" for n in norm]
            if j == 0 and (i > 1 or convs == 3):
                names.append(f"layer{i}.{j}.downsample.0.weight")
                names += [f"layer{i}.{j}.downsample.1.{n}" for n in norm]
    return [*names, "fc.weight", "fc.bias"]


@pytest.mark.parametrize(
    ("depth", "blocks", "convs"), [(18, (2, 2, 2, 2), 2), (50, (3, 4, 6, 3), 3)]
)
def test_D5_parameters_are_named_as_in_published_weights(
    depth: int, blocks: tuple[int, ...], convs: int
) -> None:
    with torch.device("meta"):
        state = resnet(num_classes=1000, in_channels=3, size=(224, 224), depth=depth).state_dict()
    assert list(state) == published_names(blocks, convs)
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["layer2.0.downsample.0.weight"].shape[2:] == (1, 1)
    assert state["fc.weight"].shape == (1000, 512 * (4 if convs == 3 else 1))


def test_resnet18_is_twenty_plain_lines() -> None:
    torch.manual_seed(0)
    net = resnet(num_classes=5, in_channels=3, size=(96, 96))
    state = net.state_dict()

    def layer(x: torch.Tensor, conv: str, norm: str, stride: int) -> torch.Tensor:
        weight = state[f"{conv}.weight"]
        x = nn.functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2)
        scale, shift = state[f"{norm}.weight"], state[f"{norm}.bias"]
        return nn.functional.batch_norm(x, None, None, scale, shift, training=True)

    x = y = torch.randn(4, 3, 96, 96)
    y = nn.functional.max_pool2d(layer(y, "conv1", "bn1", 2).relu(), 3, 2, 1)
    for i in range(1, 5):
        for j in range(2):
            name, stride = f"layer{i}.{j}", 2 if i > 1 and j == 0 else 1
            z = layer(y, f"{name}.conv1", f"{name}.bn1", stride).relu()
            z = layer(z, f"{name}.conv2", f"{name}.bn2", 1)
            if i > 1 and j == 0:
                y = layer(y, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            y = (z + y).relu()
    y = nn.functional.linear(y.mean((2, 3)), state["fc.weight"], state["fc.bias"])
    # The pool sums in another order than the mean: float32 rounding.
    torch.testing.assert_close(net(x), y, rtol=1e-4, atol=1e-5)


def test_stems() -> None:
    for size, stem, stride in (((95, 200), "auto", 1), ((96, 96), "auto", 4)):
        net = resnet(num_classes=5, in_channels=1, size=size, stem=stem)
        assert net.stages[0].stride == stride
    assert (
        resnet(num_classes=5, in_channels=1, size=(32, 32), stem="published").stages[0].stride == 4
    )


def test_unknown_depth_is_refused() -> None:
    with pytest.raises(UsageError, match="has 18, 34, 50, 101, 152 layers; got 20"):
        resnet(num_classes=5, in_channels=1, size=(32, 32), depth=20)


def test_reflection_on_a_map_of_one_pixel_is_refused() -> None:
    frame = {"num_classes": 5, "in_channels": 1, "padding": "reflect", "stem": "published"}
    with pytest.raises(UsageError, match=r"images of 32×32 end at 1×1\. Use stem=small"):
        resnet(size=(32, 32), **frame)
    assert resnet(size=(33, 33), **frame).eval()(torch.zeros(1, 1, 33, 33)).shape == (1, 5)
