import math

import numpy as np
import pytest
import torch

from neocog.training import priors
from neocog.training.priors import (
    CONTRASTS,
    PRETRAINED,
    Contrast,
    LabeledImages,
    Labels,
    Training,
    Trainings,
    draw,
    gradient_norms,
    labels_worth,
    measure,
    trained_accuracy,
)

PAIR = Contrast(prior="sharing", with_="convolutional", without="dense")


@pytest.fixture
def samples() -> LabeledImages:
    """Class 0 has a bright patch anywhere in the upper half, class 1 in the lower one."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.random((120, 1, 16, 16), np.float32) * 0.3
    for i, k in enumerate(y):
        top, left = 8 * k + rng.integers(0, 5), rng.integers(0, 12)
        x[i, 0, top : top + 3, left : left + 3] += 0.7
    features = torch.from_numpy(np.stack([y, 1 - y], 1) + rng.normal(0, 0.1, (120, 2))).float()
    return LabeledImages(
        x=torch.from_numpy(x),
        y=y,
        num_classes=2,
        held_out=30,
        rows=np.arange(120),
        features=features,
    )


def test_a_draw_parts_the_samples_and_keeps_the_share_of_each_class(samples):
    held, order = draw(samples, 3)
    assert sorted([*held, *order]) == list(range(120))
    for n in (10, 20, 60):
        assert abs(samples.y[order[:n]].mean() - 0.5) <= 0.1
    assert not np.array_equal(order, draw(samples, 4)[1])


def test_a_twin_learns_and_the_same_seed_gives_the_same_figure(samples):
    training = Training("convolutional", 60, False, 0)
    accuracy, params = trained_accuracy(samples, training)
    assert accuracy > 0.8
    assert params == sum(p.numel() for p in priors._built(samples, "convolutional", 0).parameters())
    assert trained_accuracy(samples, training)[0] == accuracy


def test_pixels_are_shuffled_by_one_permutation(samples):
    rows = np.arange(5)
    plain, shuffled = (priors._pixels(samples, rows, shuffled=s) for s in (False, True))
    assert not torch.equal(plain, shuffled)
    order = np.random.default_rng(priors._PIXELS).permutation(256)
    assert torch.equal(shuffled.flatten(2), plain.flatten(2)[:, :, order])


def test_features_of_a_pretrained_network_are_classified_linearly(samples):
    accuracy, params = trained_accuracy(samples, Training(PRETRAINED, 40, False, 0))
    assert accuracy == 1.0
    assert params == 6


def trainings(**accuracy: dict[int, list[float]]) -> Trainings:
    """Twin to number of samples to an accuracy a seed."""
    return Trainings(
        accuracy={
            Training(twin, n, False, seed): a
            for twin, curve in accuracy.items()
            for n, values in curve.items()
            for seed, a in enumerate(values)
        }
    )


def test_differences_are_of_the_same_seeds():
    some = trainings(convolutional={100: [0.9, 0.8, 0.7]}, dense={100: [0.8, 0.75]})
    assert some.differences(PAIR, 100, shuffled=False) == pytest.approx([0.1, 0.05])
    assert some.differences(PAIR, 100, shuffled=True) == []


def test_labels_are_read_off_the_curve_of_the_twin_without():
    """0.85 lies in the middle of 0.8 at 200 and 0.9 at 800: at 400, by the logarithm."""
    curve = {100: [0.7, 0.7], 200: [0.8, 0.8], 800: [0.9, 0.9]}
    worth = labels_worth(trainings(convolutional={200: [0.85, 0.8]}, dense=curve), PAIR, 200)
    assert worth is not None
    assert worth.times == pytest.approx(math.sqrt(2 * 1))  # the geometric mean of 2 and 1
    assert worth.bound == ""
    assert worth.interval[0] < 1.0 < 2.0 < worth.interval[1]


def test_labels_out_of_range_are_a_bound():
    curve = {100: [0.7], 200: [0.8], 800: [0.79]}
    above = trainings(convolutional={200: [0.95]}, dense=curve)
    assert labels_worth(above, PAIR, 200) == Labels(times=4.0, bound="at least")
    below = trainings(convolutional={200: [0.5]}, dense=curve)
    assert labels_worth(below, PAIR, 200) == Labels(times=0.5, bound="at most")
    assert labels_worth(trainings(convolutional={200: [0.5]}), PAIR, 200) is None
    assert labels_worth(trainings(convolutional={800: [0.95]}, dense=curve), PAIR, 800) is None


def test_what_does_not_fit_is_left_out(samples, monkeypatch):
    monkeypatch.setattr(priors, "trained_accuracy", lambda samples, t: (t.n / 100, 7))
    plan = [Training("dense", n, False, 0) for n in (10, 20)]
    seen = []
    done = measure(samples, plan, callback=lambda *at: seen.append(at))
    assert done.accuracy == {plan[0]: 0.1, plan[1]: 0.2}
    assert seen[-1] == (2, 2)
    assert measure(samples, plan, seconds=-1.0).accuracy == {}
    assert list(measure(samples, plan, seconds=-1.0, least=1).accuracy) == plan[:1]


def test_the_gradient_vanishes_through_twelve_layers_and_not_past_residual_connections(samples):
    norms = gradient_norms(samples, seeds=1)
    assert {len(v) for v in norms.values()} == {12}
    ratio = {k: v[0] / v[-1] for k, v in norms.items()}
    assert ratio["deep"] < 1e-2
    assert ratio["deep, residual"] > 1e-2
    assert len({c.prior for c in CONTRASTS}) == len(CONTRASTS)
