from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.explainers.nets import Unet, convnet, drawn
from torch import Tensor, nn

from neocog.errors import UsageError
from neocog.explainers.grad_cam import grad_cam
from neocog.explainers.trust.deletion import (
    BASELINES,
    FEWEST,
    Deletion,
    blurred,
    deletion,
    mean_color,
    noise_like,
)


class Corner(nn.Module):
    """The mean of the upper left quarter of an 8 × 8 image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)
        where = torch.zeros(8, 8)
        where[:4, :4] = 1 / 16
        self.register_buffer("where", where)

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv(x) * self.where).sum((2, 3))


def lit() -> Tensor:
    x = torch.zeros(1, 1, 8, 8)
    x[..., :4, :4] = 1
    return x


def test_areas_by_hand() -> None:
    """Deleted first: from 1 to the mean, 1/4, along a line over a quarter of the pixels."""
    net, x = Corner(), lit()
    cam = grad_cam(net, x, method="hires_cam")
    found = deletion(net, x, cam, baseline="mean", steps=16, draws=3)
    want = [1 - 0.75 * min(f, 0.25) / 0.25 for f in np.linspace(0, 1, 17)]
    np.testing.assert_allclose(found.deletion[0], want, atol=1e-6)
    np.testing.assert_allclose(found.insertion[0], [1.25 - w for w in want], atol=1e-6)
    assert found.areas("deletion")[0] == pytest.approx(0.25 * (1 + 0.25) / 2 + 0.75 * 0.25)
    assert not found.probability
    assert found.better_deletion.tolist() == [1]
    assert found.better_insertion.tolist() == [1]


def test_noise_rarely_passes_for_a_map() -> None:
    torch.manual_seed(0)
    net, x = convnet().eval(), drawn(1, 3, 12, 12)
    cam, tried = grad_cam(net, x), 40
    passed = np.zeros(2)
    for seed in range(tried):
        maps = torch.randn(cam.maps.shape, generator=torch.Generator().manual_seed(1000 + seed))
        found = deletion(net, x, replace(cam, maps=maps), steps=4, seed=seed)
        passed += [found.chance_deletion <= 0.05, found.chance_insertion <= 0.05]
    # At most 1 in 20 passes; of 40 more than 7 but once in 700 such tests (binomial).
    assert passed.max() <= 7


def test_the_chance_of_noise() -> None:
    net, x = Corner(), lit()
    cam = grad_cam(net, x, method="hires_cam")
    found = deletion(net, x, cam, baseline="mean", steps=8)
    assert (found.chance_deletion, found.chance_insertion) == (1 / 20, 1 / 20)
    twice = deletion(net, x.expand(2, -1, -1, -1), grad_cam(net, x.expand(2, -1, -1, -1)), steps=8)
    assert 1 / 20 <= twice.chance_deletion <= 1
    wrong = replace(cam, maps=-cam.maps)
    found = deletion(net, x, wrong, baseline="mean", steps=8)
    assert found.chance_deletion > 0.5
    assert found.chance_insertion > 0.5
    nothing = deletion(net, x, replace(cam, maps=torch.ones(1, 8, 8)), baseline="mean", steps=2)
    assert np.isnan(nothing.chance_deletion)
    assert nothing.to_json()["deletion"]["chance"] is None


def _areas(map_: list[float], noise: list[list[float]], told: list[bool] | None = None) -> Deletion:
    """A deletion whose areas are these: curves of two points."""
    flat = np.repeat(np.array(map_)[:, None], 2, 1)
    draws = np.repeat(np.array(noise)[:, :, None], 2, 2)
    return Deletion(
        fractions=np.array([0.0, 1.0]),
        deletion=flat,
        insertion=flat,
        random_deletion=draws,
        random_insertion=draws,
        baseline="mean",
        probability=True,
        ordered=np.array(told or [True] * len(map_)),
    )


def test_the_effect_is_the_distance_from_the_mean_of_noise() -> None:
    found = _areas([0.2], [[0.5], [0.6], [0.4], [0.5], [0.5]])
    effect, low, high = found.effect_deletion
    assert effect == pytest.approx(0.3)
    # Student's t of 4 degrees, 2.132 for one side, times the spread of the draws, times √(1 + 1/5).
    assert (high - low) / 2 == pytest.approx(2.132 * 0.5**0.5 * 0.1 * 1.2**0.5, rel=0.01)
    assert found.effect_insertion[0] == pytest.approx(-0.3)


def test_a_map_that_clearly_beats_noise_is_not_failed_by_one_lucky_draw() -> None:
    """One of 19 draws does as well, so the rank says 2 of 20; the effect is far above zero."""
    rng = np.random.default_rng(0)
    noise = 0.6 + 0.03 * rng.normal(size=(19, 1))
    noise[0] = 0.49
    found = _areas([0.5], noise.tolist())
    assert found.chance_deletion == 2 / 20
    assert found.effect_deletion[1] > 0


def test_noise_itself_passes_in_about_one_case_of_twenty() -> None:
    rng = np.random.default_rng(1)
    passed = [
        _areas([a[0]], a[1:, None].tolist()).effect_deletion[1] > 0
        for a in rng.normal(0.5, 0.1, (2000, 20))
    ]
    assert 0.035 < np.mean(passed) < 0.065


def test_too_few_draws_have_an_effect_and_no_interval() -> None:
    effect, low, _ = _areas([0.2], [[0.5]] * (FEWEST - 1)).effect_deletion
    assert effect == pytest.approx(0.3)
    assert np.isnan(low)
    assert np.isnan(_areas([0.2], [[0.5]] * 9, [False]).effect_deletion[0])


def test_noise_is_as_smooth_as_the_map() -> None:
    rows = torch.linspace(0, 2 * torch.pi, 17)[:-1]
    maps = torch.stack([rows.sin()[:, None] + rows.cos(), drawn(1, 1, 16, 16)[0, 0]])

    def roughness(m: torch.Tensor) -> torch.Tensor:
        steps, own = m - m.roll(1, -1), m - m.mean((-2, -1), keepdim=True)
        return (steps.flatten(-2).norm(dim=-1) / own.flatten(-2).norm(dim=-1)).double()

    noise = noise_like(maps, 4, seed=0)
    assert noise.shape == (4, 2, 16, 16)
    want = roughness(maps).expand(4, 2)  # float32 maps
    torch.testing.assert_close(roughness(noise), want, rtol=1e-5, atol=0)
    # One map or two in a transform: rounding of float64.
    torch.testing.assert_close(noise_like(maps[1:], 4, seed=0)[:, 0], noise[:, 1])


def test_a_map_that_marks_the_wrong_pixels_is_worse_than_noise() -> None:
    net, x = Corner(), lit()
    cam = grad_cam(net, x, method="hires_cam", target=lambda out: -out[:, 0])
    found = deletion(net, x, cam, target=lambda out: out[:, 0], baseline="mean", draws=3)
    assert not found.better_deletion.any()
    assert not found.better_insertion.any()


def test_curves_begin_and_end_at_the_two_images() -> None:
    net, x = convnet().eval(), drawn(3, 3, 12, 12)
    cam = grad_cam(net, x)
    found = deletion(net, x, cam, steps=5, draws=2)
    rows = range(3)
    full = net(x).softmax(1)[rows, list(cam.targets)].detach().double().numpy()
    empty = net(blurred(x)).softmax(1)[rows, list(cam.targets)].detach().double().numpy()
    for curves, first, last in (
        (found.deletion, full, empty),
        (found.insertion, empty, full),
        (found.random_deletion[1], full, empty),
    ):
        # Batches of other sizes take other kernels: float32 rounding.
        np.testing.assert_allclose(curves[:, 0], first, rtol=1e-5)
        np.testing.assert_allclose(curves[:, -1], last, rtol=1e-5)
    assert found.probability
    assert found.random_deletion.shape == (2, 3, 6)


def test_images_do_not_depend_on_each_other_and_seeds_repeat() -> None:
    net, x = convnet().eval(), drawn(3, 3, 12, 12)
    cam = grad_cam(net, x)
    both = deletion(net, x, cam, steps=4, draws=2, seed=5)
    one = deletion(net, x[1:2], grad_cam(net, x[1:2]), steps=4, draws=2, seed=5)
    np.testing.assert_allclose(both.deletion[1], one.deletion[0], rtol=1e-5)
    np.testing.assert_allclose(both.random_insertion[:, 1], one.random_insertion[:, 0], rtol=1e-5)
    again = deletion(net, x, cam, steps=4, draws=2, seed=5)
    assert np.array_equal(both.random_deletion, again.random_deletion)
    other = deletion(net, x, cam, steps=4, draws=2, seed=6)
    assert not np.array_equal(both.random_deletion, other.random_deletion)


def test_a_segmenter_is_asked_at_the_pixels_of_the_image_as_it_came() -> None:
    net, x = Unet().eval(), drawn(2, 1, 16, 16)
    cam = grad_cam(net, x, target=1)
    found = deletion(net, x, cam, steps=2, draws=1)
    answer = net(x).detach()
    where = answer.argmax(1) == 1
    where[~where.flatten(1).any(1)] = True
    want = [float(answer[i].softmax(0)[1][where[i]].mean()) for i in range(2)]
    np.testing.assert_allclose(found.deletion[:, 0], want, rtol=1e-5)


def test_images_without_content() -> None:
    x = drawn(2, 3, 16, 12)
    assert set(BASELINES) == {"blur", "mean"}
    assert mean_color(x).shape == x.shape
    torch.testing.assert_close(mean_color(x)[0, 1], x[0, 1].mean().expand(16, 12))
    flat = blurred(torch.full((1, 1, 16, 12), 0.3))
    torch.testing.assert_close(flat, torch.full((1, 1, 16, 12), 0.3))
    assert float(blurred(x).std()) < float(x.std()) / 4
    assert blurred(drawn(2, 1, 30)).shape == (2, 1, 30)
    with pytest.raises(UsageError, match=r"`blure` is not a baseline image. Did you mean `blur`"):
        deletion(convnet(), x, grad_cam(convnet(), x), baseline="blure")


@pytest.mark.parametrize("target", [None, lambda out: out[:, 1]])
def test_many_images_are_deleted_some_at_a_time(target, monkeypatch) -> None:
    net, x = convnet().eval(), drawn(5, 3, 12, 12)
    cam = grad_cam(net, x, target=target)
    whole = deletion(net, x, cam, target=target, steps=4)
    monkeypatch.setattr("neocog.explainers.trust.deletion.batch_for", lambda values: 2)
    sizes = []
    handle = net[0].register_forward_hook(lambda m, a, out: sizes.append(len(out)))
    parts = deletion(net, x, cam, target=target, steps=4)
    handle.remove()
    assert max(sizes) == 2
    for name in ("deletion", "insertion", "random_deletion", "random_insertion", "ordered"):
        one, other = getattr(whole, name), getattr(parts, name)
        # Batches of other sizes take other kernels: float32 rounding.
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6, err_msg=name)
    assert parts.chance_deletion == whole.chance_deletion
