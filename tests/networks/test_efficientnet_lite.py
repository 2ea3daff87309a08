import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.networks.efficientnet_lite import efficientnet_lite, released_names

# Of timm's tf_efficientnet_lite0 to lite4, whose weights give the same logits here to the bit.
PARAMS = (4_652_008, 5_416_680, 6_092_072, 8_197_096, 13_006_568)


@pytest.mark.parametrize("member", range(5))
def test_parameters(member: int) -> None:
    with torch.device("meta"):
        net = efficientnet_lite(num_classes=1000, in_channels=3, size=(224, 224), member=member)
    assert sum(p.numel() for p in net.parameters()) == PARAMS[member]


def test_lite0_is_thirty_plain_lines() -> None:
    torch.manual_seed(0)
    net = efficientnet_lite(num_classes=5, in_channels=3, size=(75, 98), dropout=0.0)
    s = net.state_dict()

    def layer(x: Tensor, conv: str, norm: str, *, stride: int = 1, act: bool = True) -> Tensor:
        weight = s[f"{conv}.weight"]
        k, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
        pads = []
        for n in (x.shape[3], x.shape[2]):
            total = max((-(-n // stride) - 1) * stride + k - n, 0)
            pads += [total // 2, total - total // 2]
        x = F.conv2d(F.pad(x, pads), weight, None, stride, groups=groups)
        x = F.batch_norm(x, None, None, s[f"{norm}.weight"], s[f"{norm}.bias"], True, eps=1e-3)
        return F.relu6(x) if act else x

    # 75×98 has maps of odd and of even size before its strides.
    x = y = torch.randn(3, 3, 75, 98)
    y = layer(y, "conv_stem", "bn1", stride=2)
    y = layer(y, "blocks.0.0.conv_dw", "blocks.0.0.bn1")
    y = layer(y, "blocks.0.0.conv_pw", "blocks.0.0.bn2", act=False)
    for i, (blocks, stride) in enumerate(zip((2, 2, 3, 3, 4, 1), (2, 2, 2, 1, 2, 1), strict=True)):
        for j in range(blocks):
            name = f"blocks.{i + 1}.{j}"
            z = layer(y, f"{name}.conv_pw", f"{name}.bn1")
            z = layer(z, f"{name}.conv_dw", f"{name}.bn2", stride=stride if j == 0 else 1)
            z = layer(z, f"{name}.conv_pwl", f"{name}.bn3", act=False)
            y = y + z if j else z
    y = layer(y, "conv_head", "bn2").mean((2, 3))
    y = F.linear(y, s["classifier.weight"], s["classifier.bias"])
    # The same sums by other kernels, through 50 normalizations of a batch: float32 rounding.
    torch.testing.assert_close(net(x), y, rtol=1e-3, atol=1e-3)


def test_every_tensor_has_a_name_in_the_released_file() -> None:
    with torch.device("meta"):
        own = efficientnet_lite(
            num_classes=5, in_channels=3, size=(240, 240), member=1
        ).state_dict()
    names = released_names(own)
    assert sorted(names.values()) == sorted(own)
    assert names["_blocks.20._project_conv.weight"] == "blocks.6.0.conv_pwl.weight"


def test_unknown_member_is_refused() -> None:
    with pytest.raises(UsageError, match="members 0, 1, 2, 3, 4; got 5"):
        efficientnet_lite(num_classes=5, in_channels=3, size=(32, 32), member=5)
