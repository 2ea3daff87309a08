"""How far a layer's map moves with the image."""

from tests.explainers.nets import drawn
from torch import nn

from neocog.explainers.grad_cam import grad_cam
from neocog.explainers.trust.pace import pace


def test_the_pace_of_layers() -> None:
    x = drawn(1, 1, 32, 32)
    lenet = nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 8, 5), nn.Tanh(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, 3),
    )  # fmt: skip
    assert pace(lenet, x, grad_cam(lenet, x, layer="5")) == (4, 4)
    assert pace(lenet, x, grad_cam(lenet, x, layer="0")) == (1, 1)
    few = nn.Sequential(nn.Conv2d(1, 2, 16, stride=16), nn.Flatten(), nn.Linear(8, 2))
    assert pace(few, x, grad_cam(few, x, layer="0")) == (16, 16)  # two cells: the size over two
    wide = nn.Sequential(nn.Conv2d(1, 2, 29), nn.Flatten(), nn.Linear(32, 2))
    assert pace(wide, x, grad_cam(wide, x, layer="0")) == (8, 8)  # reaches the border
    series = nn.Sequential(nn.Conv1d(1, 2, 5), nn.Flatten(), nn.Linear(52, 2))
    assert pace(series, drawn(1, 1, 30), grad_cam(series, drawn(1, 1, 30), layer="0")) == (1,)
