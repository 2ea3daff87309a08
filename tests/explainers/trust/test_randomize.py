import numpy as np
import pytest
import torch
from tests.explainers.nets import Vit, convnet, drawn, state_of
from torch import Tensor, nn

from neocog.errors import ModelError
from neocog.explainers.grad_cam import grad_cam
from neocog.explainers.trust.randomize import random_weights, randomize


class Blind(nn.Module):
    """What lies under the map was never learned: the image itself, as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Upsample(scale_factor=1)
        self.head = nn.Linear(1, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.look(x).mean((2, 3)))


def test_a_map_of_the_image_alone_stays() -> None:
    net, x = Blind(), drawn(3, 1, 8, 8)
    cam = grad_cam(net, x, layer="look", method="eigen_cam")
    found = randomize(net, x, cam)
    np.testing.assert_allclose(found.rank, 1)
    np.testing.assert_allclose(found.ssim, 1)


def test_a_map_of_learned_features_falls_apart() -> None:
    torch.manual_seed(3)
    net, x = convnet().eval(), drawn(6, 3, 16, 16)
    found = randomize(net, x, grad_cam(net, x), draws=4)
    assert found.changed < 0.5
    assert found.ssim[:, -1].mean() < 0.9


def one_weight() -> nn.Sequential:
    """Its map is the image, or the image's negative, whatever the weights."""
    return nn.Sequential(
        nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
    ).eval()


def test_a_map_that_only_turns_its_sign_stays() -> None:
    torch.manual_seed(0)
    net, x = one_weight(), drawn(3, 1, 12, 12)
    cam = grad_cam(net, x, target=0, layer="0")
    signs = []
    for seed in range(6):
        found = randomize(net, x, cam, seed=seed)
        np.testing.assert_allclose(found.rank[:, -1], 1)
        np.testing.assert_allclose(found.ssim[:, -1] > 0, True)
        signs.append(found.signed[0, -1])
    assert min(signs) < 1  # it did turn
    assert found.changed == pytest.approx(1)


def test_of_a_map_of_one_value_nothing_is_told() -> None:
    net, x = one_weight(), drawn(2, 1, 12, 12)
    x[1] = 0.5  # one value, so is its map
    found = randomize(net, x, grad_cam(net, x, target=0, layer="0"))
    assert np.isnan(found.rank[1]).all()
    assert found.changed == pytest.approx(1)
    alone = randomize(net, x[1:], grad_cam(net, x[1:], target=0, layer="0"))
    assert np.isnan(alone.changed)
    assert alone.to_json()["each"] == [None]


def test_layers_fall_from_the_last_one_on() -> None:
    net, x = convnet(), drawn(2, 3, 8, 8)
    found = randomize(net, x, grad_cam(net, x), draws=1)
    assert found.layers == ("9", "4", "1", "0")
    assert found.counts == (1, 2, 3, 4)
    assert found.rank.shape == found.ssim.shape == (2, 4)
    assert found.maps.shape == (4, 4, 4)


def test_of_many_layers_some_stages_and_always_the_first_and_all() -> None:
    net = Vit()
    found = randomize(net, drawn(1, 3, 16, 16), grad_cam(net, drawn(1, 3, 16, 16)), draws=1)
    assert found.layers[0] == "head"
    assert found.layers[-1] == "the network itself"  # class token and positions
    assert len(found.counts) == 8
    assert found.counts[0] == 1


def test_weights_that_are_taken_without_a_call_fall_with_their_layer() -> None:
    class Looks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(1, 8, 4, stride=4)
            self.look = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            t = self.stem(x).flatten(2).mT
            return self.head((t + self.look(t, t, t, need_weights=False)[0]).mean(1))

    net, x = Looks(), drawn(1, 1, 16, 16)
    found = randomize(net, x, grad_cam(net, x, layer="stem"), draws=1)
    assert found.layers == ("head", "look.out_proj", "look", "stem")


def test_the_first_stage_is_the_last_layer_alone() -> None:
    net, x = convnet().eval(), drawn(2, 3, 8, 8)
    cam = grad_cam(net, x, target=1)
    found = randomize(net, x, cam, draws=1, seed=7)
    drawn_ = random_weights(net, seed=7)
    with torch.no_grad():
        net[9].weight.copy_(drawn_["9.weight"])
        net[9].bias.copy_(drawn_["9.bias"])
    want = grad_cam(net, x, target=1, layer=cam.layer).maps[0]
    np.testing.assert_allclose(found.maps[0], want, rtol=1e-5, atol=1e-7)


def test_random_weights_are_as_large_and_seeded() -> None:
    net = nn.Sequential(nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64))
    nn.init.uniform_(net[1].weight, 1, 2)
    one, same, other = (random_weights(net, seed=s) for s in (0, 0, 1))
    assert all(torch.equal(one[n], same[n]) for n in one)
    assert not torch.equal(one["0.weight"], other["0.weight"])
    size = net[0].weight.square().mean().sqrt()
    # The root mean square of 4,800 normal numbers is within 4 % of it but once in 25,000 draws.
    torch.testing.assert_close(
        one["0.weight"].square().mean().sqrt(), size.detach(), rtol=0.04, atol=0
    )
    assert torch.equal(one["1.weight"].sort().values, net[1].weight.detach().sort().values)
    assert not torch.equal(one["1.weight"], net[1].weight)


def test_the_weights_of_the_model_are_not_written_to() -> None:
    net, x = convnet().train(), drawn(2, 3, 8, 8)
    cam = grad_cam(net, x)
    before = state_of(net)
    randomize(net, x, cam)
    assert state_of(net) == before


def test_a_network_without_weights() -> None:
    net = nn.Sequential(nn.Upsample(scale_factor=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = drawn(1, 2, 4, 4)
    with pytest.raises(ModelError, match="needs weights; Sequential has none"):
        randomize(net, x, grad_cam(net, x, layer="0"))
