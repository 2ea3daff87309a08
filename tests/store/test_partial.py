import pytest
import torch
from torch import nn

from neocog.errors import ModelError
from neocog.store.partial import load_partial


def net(classes: int, channels: int = 3, width: int = 4) -> nn.Module:
    """A small network with a stem, a body and a head."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3),
        nn.BatchNorm2d(width),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def test_a_head_of_other_classes_is_named_once_with_its_shapes() -> None:
    new, old = net(5), net(1000).state_dict()
    fresh = new[3].weight.clone()
    found = load_partial(new, {f"module.{k}": v for k, v in old.items()}, "old.pt")
    (note,) = found.notes
    assert note == (
        "The head of 1,000 classes is replaced by one of 5, which starts at random (`3.weight`: "
        "1000×4 there, 5×4 here; `3.bias`: 1000 there, 5 here)."
    )
    assert found.fresh == ("3.weight", "3.bias")
    assert torch.equal(new[0].weight, old["0.weight"])
    assert torch.equal(new[3].weight, fresh)
    assert 0.8 < found.fraction < 0.9


def test_color_is_summed_for_gray_and_gives_what_three_equal_channels_give() -> None:
    new, old = net(5, channels=1), net(5)
    found = load_partial(new, old.state_dict(), "old.pt")
    (note,) = found.notes
    assert note == (
        "The weights of the first convolution (`0.weight`, 4×3×3×3) are summed over color, as the "
        "images are gray."
    )
    x = torch.randn(2, 1, 3, 3)
    # Three products summed before or after: float32 rounding.
    torch.testing.assert_close(new(x), old(x.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


def test_every_other_tensor_is_named() -> None:
    old = net(5).state_dict() | {"extra.weight": torch.ones(2, 2)}
    old["1.weight"] = torch.ones(7)
    del old["1.running_var"]
    found = load_partial(net(5), old, "old.pt")
    other, missing, extra = found.notes
    assert other == (
        "1 tensor has another shape than in the weights and starts at random (`1.weight`: 7 there, "
        "4 here)."
    )
    assert missing == "1 tensor is not in the weights and starts at random (`1.running_var` 4)."
    assert extra == (
        "1 tensor of the weights has no place in the network and is left out (`extra.weight` 2×2)."
    )


def test_a_linear_layer_fits_the_1x1_convolution_that_it_is() -> None:
    new, old = nn.Sequential(nn.Conv2d(4, 8, 1)), nn.Sequential(nn.Linear(4, 8))
    assert load_partial(new, old.state_dict(), "old.pt").fresh == ()
    assert torch.equal(new[0].weight.flatten(1), old[0].weight)


def test_weights_of_another_network_are_refused_in_one_sentence() -> None:
    with pytest.raises(ModelError, match=r"none has the name .*weights: `a.weight` 2×2, network: "):
        load_partial(net(5), {"a.weight": torch.ones(2, 2)}, "old.pt")
