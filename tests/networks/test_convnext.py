import pytest
import torch
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.networks.convnext import ConvNeXtBlock, convnext

# The counts of timm, whose weights give the same logits here.
PARAMS = {
    "atto": 3_695_520,
    "femto": 5_217_784,
    "pico": 9_045_672,
    "nano": 15_593_560,
    "tiny": 28_589_128,
    "small": 50_223_688,
}


@pytest.mark.parametrize("member", PARAMS)
def test_parameters(member: str) -> None:
    with torch.device("meta"):
        net = convnext(num_classes=1000, in_channels=3, size=(224, 224), member=member)
    assert sum(p.numel() for p in net.parameters()) == PARAMS[member]


def test_a_block_is_five_plain_lines() -> None:
    block = ConvNeXtBlock(6, padding="zeros")
    torch.nn.init.normal_(block.gamma)
    x, s = torch.randn(2, 6, 9, 9), block.state_dict()
    y = F.conv2d(x, s["conv_dw.weight"], s["conv_dw.bias"], padding=3, groups=6)
    y = F.layer_norm(y.movedim(1, -1), (6,), s["norm.weight"], s["norm.bias"], 1e-6)
    y = F.linear(y, s["mlp.fc1.weight"].flatten(1), s["mlp.fc1.bias"])
    y = F.linear(F.gelu(y), s["mlp.fc2.weight"].flatten(1), s["mlp.fc2.bias"])
    # Sums in another order: float32 rounding.
    torch.testing.assert_close(block(x), x + (s["gamma"] * y).movedim(-1, 1), rtol=1e-4, atol=1e-5)


def test_stems_and_members() -> None:
    with torch.device("meta"):
        small, large = (convnext(num_classes=5, in_channels=3, size=(s, s)) for s in (28, 96))
        assert [s.stride for s in small.stages] == [2, 4, 8, 16]
        assert [s.stride for s in large.stages] == [4, 8, 16, 32]
        x = torch.empty(2, 3, 28, 28)
        assert small.classifier(small.features(x)).shape == small(x).shape == (2, 5)
    with pytest.raises(UsageError, match=r"members atto, .*; got giant"):
        convnext(num_classes=5, in_channels=3, size=(32, 32), member="giant")
    with pytest.raises(UsageError, match=r"are 4×4 needs 32 pixels per side; got .* 28×40"):
        convnext(num_classes=5, in_channels=3, size=(28, 40), stem="published")
