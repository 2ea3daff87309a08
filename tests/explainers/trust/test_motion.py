import numpy as np
import pytest
import torch
from tests.explainers.nets import Series, convnet, drawn
from torch import Tensor, nn

from neocog.explainers.grad_cam import grad_cam
from neocog.explainers.trust.motion import displacement, distances_for, map_motion


def follower() -> nn.Module:
    """Equivariant to every circular shift and, its kernels being round, to quarter turns."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, padding_mode="circular"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    with torch.no_grad():
        w = net[0].weight
        w.copy_(sum(w.rot90(k, (2, 3)) for k in range(4)) / 4)
    return net


class Fixed(nn.Module):
    """Looks at one place, wherever the object is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.register_buffer("where", torch.zeros(16, 16))
        self.where[3:6, 9:12] = 1.0
        self.look = nn.Upsample(scale_factor=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).abs() + 1
        return self.head(self.look(y * self.where).mean((2, 3)))


def test_E2_a_map_that_moves_with_the_image() -> None:
    torch.manual_seed(0)
    net, x = follower(), drawn(3, 1, 16, 16)
    found = map_motion(net, x, grad_cam(net, x))
    assert found.distances == (1, 2, 4)
    np.testing.assert_allclose(found.error, 0, atol=1e-5)
    np.testing.assert_allclose(found.floor, 0, atol=1e-6)  # a cell is a pixel
    assert found.followed.tolist() == [1, 1, 1]
    assert found.follows == found.predictions_kept == 1
    assert found.turn_error == pytest.approx(0, abs=1e-5)
    assert found.turn_rank == pytest.approx(1, abs=1e-3)
    assert found.turn_predictions_kept == 1


def test_a_map_that_stays_where_it_is() -> None:
    torch.manual_seed(0)
    net, x = Fixed(), drawn(3, 1, 16, 16)
    found = map_motion(net, x, grad_cam(net, x, layer="look", target=1))
    assert found.follows == 0  # a shift by one pixel is within a pixel, and tells nothing
    assert found.error.min() > 0.3


def test_the_grid_of_the_layer_is_a_floor() -> None:
    """A step of four pixels: shifts by four are nothing to it but at the border."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 4, stride=4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    x = drawn(2, 1, 32, 32)
    found = map_motion(net, x, grad_cam(net, x, target=0))
    assert found.stride == (4, 4)
    assert found.distances == (1, 2, 4, 8)
    by = dict(zip(found.distances, found.error, strict=True))
    floor = dict(zip(found.distances, found.floor, strict=True))
    assert by[4] == pytest.approx(floor[4], rel=1e-4)
    assert by[8] == pytest.approx(floor[8], rel=1e-4)
    assert floor[2] > 0.05
    assert by[2] > 0.05
    followed = dict(zip(found.distances, found.followed, strict=True))
    assert followed[4] == followed[8] == 1


def test_displacements_are_the_shorter_way() -> None:
    x = drawn(2, 12, 10)
    assert displacement(x, x.roll((3, -2), (1, 2))).tolist() == [[3, -2], [3, -2]]
    assert displacement(x, x.roll((8, 0), (1, 2))).tolist() == [[-4, 0], [-4, 0]]


def test_series_and_images_that_are_not_square_have_no_turns() -> None:
    net, x = Series(), drawn(2, 2, 40)
    found = map_motion(net, x, grad_cam(net, x))
    assert found.turn_error is None
    assert found.distances == (1, 2, 4, 8)
    assert found.to_json()["quarter_turn_error"] is None
    wide = drawn(1, 3, 8, 16)
    assert map_motion(convnet(), wide, grad_cam(convnet(), wide)).turn_rank is None


def test_distances_reach_beyond_half_a_cell() -> None:
    assert distances_for((28, 28), (14.0, 14.0)) == (1, 2, 4, 14)
    assert distances_for((224, 224), (32.0, 32.0)) == (1, 2, 4, 8, 16, 32)
    assert distances_for((2, 2), (1.0, 1.0)) == (1,)


def smooth(kernel: int, padding: int) -> nn.Sequential:
    """A mean over so many pixels, and nothing at the border where it has no padding."""
    net = nn.Sequential(
        nn.Conv2d(1, 1, kernel, padding=padding, padding_mode="circular", bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1, 2, bias=False),
    ).eval()
    nn.init.constant_(net[0].weight, 1 / kernel**2)
    net[4].weight.data = torch.tensor([[1.0], [-1.0]])
    return net


@pytest.mark.parametrize(("kernel", "padding"), [(9, 0), (5, 0), (9, 4)])
def test_a_layer_without_padding_moves_its_map_and_is_seen_to(kernel: int, padding: int) -> None:
    x = torch.zeros(1, 1, 32, 32)
    x[0, 0, 15:17, 15:17] = 1
    net = smooth(kernel, padding)
    found = map_motion(net, x, grad_cam(net, x, target=0))
    assert found.pace == (1, 1)
    assert found.follows == 1
    # Linear interpolation between the pixels of the enlarged map; the last shift, of 8, takes the
    # larger kernel's spot to the border, where cells see part of it.
    assert found.error[:-1].max() < 0.1
