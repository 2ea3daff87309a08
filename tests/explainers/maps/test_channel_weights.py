"""From activations and gradients to a map, by hand."""

import pytest
import torch

from neocog.errors import UsageError
from neocog.explainers.maps.channel_weights import METHODS, first_component, method_of

A = torch.tensor([[[1.0, 2.0], [3.0, -1.0]]])
G = torch.tensor([[[2.0, 0.0], [-1.0, 1.0]]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grad_cam", [1.0, 2.0]),  # mean gradients 1 and 0
        ("hires_cam", [2.0 - 3.0, 0.0 - 1.0]),
        ("layer_cam", [2.0, -1.0]),  # without the gradient of -1
    ],
)
def test_maps_of_two_channels(name: str, expected: list[float]) -> None:
    assert METHODS[name].weigh(A, G).tolist() == [expected]


def test_the_first_component_is_the_direction_of_most_variance() -> None:
    # All along (1, 2), of lengths √5 · (0, 1, 5).
    a = torch.tensor([[[0.0, 1.0, 5.0], [0.0, 2.0, 10.0]]])
    expected = 5**0.5 * torch.tensor([[-2.0, -1.0, 3.0]])  # less their mean, 2
    torch.testing.assert_close(first_component(a, a), expected)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean `grad_cam`"):
        method_of("gradcam")
