from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neocog.data.samples import Samples, batch_for
from neocog.errors import ModelError, ShapeMismatch, UsageError
from neocog.explainers.activation_maximization import AscentConfig, maximize_activation
from neocog.explainers.statistics import statistics_from
from neocog.networks.catalog import build
from neocog.render.page import page
from neocog.signal.kernels import gabor

QUICK = AscentConfig(steps=40, views=2)


def gabor_net(size: int = 9) -> nn.Sequential:
    net = nn.Sequential(nn.Conv2d(1, 3, size, padding=size // 2, bias=False))
    with torch.no_grad():
        for i, angle in enumerate((0, 45, 90)):
            net[0].weight[i, 0] = gabor(size, wavelength=5, angle=angle, sigma=2)
    return net


def small() -> nn.Module:
    torch.manual_seed(0)
    options = {"widths": (6, 8), "depths": (1, 1)}
    return build("convnet", num_classes=4, in_channels=3, size=(24, 24), options=options)


def test_G3_what_excites_a_gabor_filter_is_its_own_wave() -> None:
    net = gabor_net()
    config = AscentConfig(steps=80, views=2, where="middle", turn=0, zoom=0, shift=0)
    found = maximize_activation(net, "0", [0, 1, 2], size=(21, 21), in_channels=1, config=config)
    for i in range(3):
        patch = found.images[i, 0, 6:15, 6:15] - 0.5
        likeness = np.array(
            [
                (patch * w).sum() / np.linalg.norm(patch) / np.linalg.norm(w)
                for w in net[0].weight.detach().numpy()[:, 0]
            ]
        )
        assert likeness.argmax() == i
        assert likeness[i] > 0.6
        assert np.abs(np.delete(likeness, i)).max() < 0.4


def test_G3_made_images_excite_more_than_real_ones() -> None:
    net = small()
    x = torch.rand(60, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    x = nn.functional.avg_pool2d(x, 3, 1, 1)
    samples = Samples.of(x)
    found = maximize_activation(
        net, "stage2", [1, 3], size=(24, 24), in_channels=3, config=QUICK, samples=samples
    )
    net.eval()
    with torch.no_grad():
        values = net.stage2(net.stage1(net.stem(x)))[:, [1, 3]].mean((2, 3))
        own = net.stage2(net.stage1(net.stem(torch.from_numpy(found.images))))
    assert found.largest is not None
    np.testing.assert_allclose(found.largest, values.amax(0).numpy(), rtol=1e-5)
    assert found.largest_index is not None
    assert found.largest_index.tolist() == values.argmax(0).tolist()
    np.testing.assert_allclose(
        found.activations, own.mean((2, 3))[[0, 1], [1, 3]].numpy(), rtol=1e-4
    )
    assert (found.activations > found.largest).all()
    assert found.images.min() >= 0
    assert found.images.max() <= 1


def test_same_seed_same_bits_and_the_model_as_it_was() -> None:
    net = small().train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = torch.get_rng_state()
    with torch.no_grad():  # also where gradients are off
        one, two = (
            maximize_activation(net, "", 2, size=(24, 24), in_channels=3, config=QUICK)
            for _ in range(2)
        )
    other = maximize_activation(
        net, "", 2, size=(24, 24), in_channels=3, config=AscentConfig(steps=40, views=2, seed=1)
    )
    assert np.array_equal(one.images, two.images)
    assert not np.array_equal(one.images, other.images)
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks for m in net.modules())


def likeness(images: np.ndarray) -> float:
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return float((flat @ flat.T)[np.triu_indices(len(flat), 1)].mean())


def test_a_price_on_likeness_makes_the_images_of_a_unit_differ() -> None:
    net = small()
    alike = AscentConfig(steps=60, views=2, seeds=3)
    unlike = AscentConfig(steps=60, views=2, seeds=3, diversity=20.0)
    one = maximize_activation(net, "", 1, size=(24, 24), in_channels=3, config=alike)
    two = maximize_activation(net, "", 1, size=(24, 24), in_channels=3, config=unlike)
    assert one.seeds.tolist() == [0, 1, 2]
    assert likeness(two.images) < likeness(one.images) - 0.1
    still = AscentConfig(steps=3, views=1, seeds=2, shift=0, turn=0, zoom=0)
    noise = maximize_activation(net, "", 1, size=(24, 24), in_channels=3, config=still)
    first, second = noise.images
    assert not np.allclose(first, second, atol=0.01)  # from noise of their own
    maps = maximize_activation(net, "stage1", 1, size=(24, 24), in_channels=3, config=unlike)
    assert maps.images.shape == (3, 3, 24, 24)


def test_a_silent_unit_is_said_to_be_and_a_sleeping_one_is_woken() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with torch.no_grad():
        net[0].weight.fill_(1 / 9)
        net[0].bias.copy_(torch.tensor([-100.0, -0.72]))  # the mean of 3×3 pixels above 0.72
    kind = statistics_from((0.5,), (0.2,), (10, 10))
    config = AscentConfig(steps=60, views=1, shift=0, turn=0, zoom=0)
    found = maximize_activation(
        net, "1", [0, 1], size=(10, 10), in_channels=1, config=config, statistics=kind
    )
    assert found.awake.tolist() == [False, True]
    assert found.activations[0] == 0
    assert found.activations[1] > 0
    assert "silent" in page("Made", found.sections())


def test_contrast_and_prices_hold_the_image_down() -> None:
    net = small()

    def spread(config: AscentConfig) -> float:
        result = maximize_activation(net, "", 0, size=(24, 24), in_channels=3, config=config)
        return float(result.images.std())

    assert spread(AscentConfig(steps=40, views=1, contrast=0.2)) < 0.5 * spread(
        AscentConfig(steps=40, views=1, contrast=2.0)
    )
    free = maximize_activation(
        net, "", 0, size=(24, 24), in_channels=3, config=AscentConfig(steps=40, views=1)
    )
    held = maximize_activation(
        net, "", 0, size=(24, 24), in_channels=3, config=AscentConfig(steps=40, views=1, tv=500.0)
    )

    def variation(p: np.ndarray) -> float:
        return float(np.abs(np.diff(p, axis=2)).mean() + np.abs(np.diff(p, axis=3)).mean())

    assert variation(held.images) < 0.7 * variation(free.images)


def test_series() -> None:
    net = nn.Sequential(nn.Conv1d(2, 3, 5), nn.ReLU())
    found = maximize_activation(net, "0", 2, size=(40,), in_channels=2, config=QUICK)
    assert found.images.shape == (1, 2, 40)
    assert "Optimized series" in page("Made", found.sections())
    json.dumps(found.to_json(), allow_nan=False)


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :2] / 0


def test_wrong_use() -> None:
    net = small()
    with pytest.raises(UsageError, match="the whole network has the units 0 to 3; got 4"):
        maximize_activation(net, "", 4, size=(24, 24), in_channels=3)
    with pytest.raises(UsageError, match="got none"):
        maximize_activation(net, "", [], size=(24, 24), in_channels=3)
    with pytest.raises(UsageError, match="at least one step, one seed"):
        maximize_activation(net, "", 0, size=(24, 24), in_channels=3, config=AscentConfig(steps=0))
    with pytest.raises(UsageError, match="`midle` is not a reduction of feature maps"):
        maximize_activation(
            net, "stage1", 0, size=(24, 24), in_channels=3, config=AscentConfig(where="midle")
        )
    kind = statistics_from((0.5,), (0.2,), (8, 8))
    with pytest.raises(ShapeMismatch, match="Statistics are of images of the size"):
        maximize_activation(net, "", 0, size=(24, 24), in_channels=3, statistics=kind)
    with pytest.raises(ModelError, match="those of the whole network are not"):
        maximize_activation(Broken(), "", 0, size=(4, 4), in_channels=1)


class Sleepy(nn.Module):
    """Two units that most noise leaves at zero, two that always say something."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        left, right = x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))
        asleep = torch.stack([left - right - 0.05, right - left - 0.05], 1)
        return torch.cat([self.act(asleep), left[:, None], right[:, None]], 1)


def test_what_is_made_does_not_depend_on_the_units_beside() -> None:
    config = AscentConfig(steps=12, views=1, seeds=2)
    both = maximize_activation(Sleepy(), "", [3, 0, 1], size=(8, 8), in_channels=1, config=config)
    for row, unit in enumerate([3, 0, 1]):
        alone = maximize_activation(Sleepy(), "", unit, size=(8, 8), in_channels=1, config=config)
        some = slice(2 * row, 2 * row + 2)
        assert (both.awake[some] == alone.awake).all()
        # Sums in batches of another size, over 12 steps.
        assert np.abs(both.images[some] - alone.images).max() < 1e-4


def test_many_units_are_searched_some_at_a_time() -> None:
    net = Sleepy()
    config = AscentConfig(steps=2, views=2, seeds=3)
    found = maximize_activation(net, "", [2, 3] * 100, size=(8, 8), in_channels=1, config=config)
    assert max(net.seen) <= batch_for(64) < 2 * 100 * 2 * 3
    assert found.images.shape == (600, 1, 8, 8)
    assert found.way.shape == (2, 600)
    assert found.units.tolist() == [2, 2, 2, 3, 3, 3] * 100
    assert found.seeds.tolist() == [0, 1, 2] * 200
    # Sums in batches of another size.
    assert np.abs(found.images[:6] - found.images[594:]).max() < 1e-5
