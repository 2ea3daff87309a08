import numpy as np
import pytest
import torch

from neocog.errors import DataError
from neocog.training.linear import PATH, class_weights, fit_linear, folds_of


def _blobs(n: int, d: int, classes: int, *, gap: float, seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(classes, d)) * gap
    y = np.arange(n) % classes
    return torch.from_numpy(centers[y] + rng.normal(size=(n, d))).float(), y


def _gradient(x: torch.Tensor, y: np.ndarray, fit, l2: float) -> float:
    """Largest entry of the gradient of mean loss + ½ l2 ‖W‖², W of standardized features."""
    z = (x.double() - x.double().mean(0)) / x.double().std(0, correction=0)
    std = x.double().std(0, correction=0)
    weight = (fit.weight * std).requires_grad_()
    bias = (fit.bias + fit.weight @ x.double().mean(0)).requires_grad_()
    loss = torch.nn.functional.cross_entropy(z @ weight.T + bias, torch.from_numpy(y))
    (loss + 0.5 * l2 * weight.square().sum()).backward()
    return max(float(weight.grad.abs().max()), float(bias.grad.abs().max()))


@pytest.mark.parametrize(("n", "d"), [(60, 7), (20, 50)])
def test_the_fit_is_the_minimum_also_where_features_outnumber_samples(n: int, d: int) -> None:
    x, y = _blobs(n, d, 3, gap=0.5)
    fit = fit_linear(x * 3 + 5, y, 3, l2=0.01)
    # L-BFGS ends at a gradient of 1e-7, in another basis.
    assert _gradient(x * 3 + 5, y, fit, 0.01) < 1e-5


def test_the_strength_is_chosen_where_the_held_out_loss_is_least() -> None:
    x, y = _blobs(120, 40, 3, gap=0.25)
    fit = fit_linear(x, y, 3)
    assert fit.folds == 5
    assert fit.chosen is not None
    assert fit.chosen.loss == min(p.loss for p in fit.path)
    assert PATH[0] > fit.l2 > PATH[-1]
    other, truth = _blobs(600, 40, 3, gap=0.25)
    best = float((fit.logits(other).argmax(1).numpy() == truth).mean())
    weak = fit_linear(x, y, 3, l2=1e-6)
    assert best > float((weak.logits(other).argmax(1).numpy() == truth).mean())


def test_the_same_seed_gives_the_same_bits() -> None:
    x, y = _blobs(50, 20, 2, gap=0.4)
    one, two = fit_linear(x, y, 2, seed=3), fit_linear(x, y, 2, seed=3)
    assert torch.equal(one.weight, two.weight)
    again = fit_linear(x, y, 2, l2=one.l2)
    assert torch.equal(one.weight, again.weight)


def test_balanced_weights_find_the_rare_class() -> None:
    x, y = _blobs(200, 2, 2, gap=0.5)
    y = np.where(np.arange(200) % 20 == 1, 1, 0)
    x[torch.from_numpy(y == 1)] += 1.5
    plain, balanced = (fit_linear(x, y, 2, l2=0.01, balanced=b) for b in (False, True))
    rare = torch.from_numpy(y == 1)
    recall = [float((f.logits(x).argmax(1)[rare] == 1).double().mean()) for f in (plain, balanced)]
    assert recall[1] > recall[0]
    assert (class_weights(y, 2) * np.bincount(y)).round(9).tolist() == [100.0, 100.0]


def test_constant_features_and_single_samples_do_no_harm() -> None:
    x, y = _blobs(30, 4, 3, gap=2.0)
    x[:, 2] = 7.0
    y = y.copy()
    y[y == 2] = 0
    y[0] = 2
    fit = fit_linear(x, y, 4)
    assert fit.weight.isfinite().all()
    assert fit.weight[:, 2].abs().max() == 0
    assert folds_of(y)[0] == -1  # the only sample of its class is never held out


def test_folds_are_stratified() -> None:
    y = np.repeat([0, 1, 2], [50, 10, 5])
    fold = folds_of(y, seed=1)
    for k, most in ((0, 10), (1, 2), (2, 1)):
        assert np.bincount(fold[y == k], minlength=5).tolist() == [most] * 5
    assert np.bincount(folds_of(y, folds=1) + 1).tolist() == [52, 13]


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="two classes"):
        fit_linear(torch.randn(5, 3), np.zeros(5, np.int64), 2)


def test_a_single_sample_a_class_leaves_no_choice() -> None:
    x, y = _blobs(3, 8, 3, gap=2.0)
    fit = fit_linear(x, y, 3)
    assert (fit.path, fit.folds, fit.chosen, fit.l2) == ((), 0, None, PATH[0])
    assert fit.logits(x).argmax(1).tolist() == y.tolist()


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_what_is_constant_follows_the_scale_of_the_features(scale: float) -> None:
    x, y = _blobs(40, 4, 2, gap=2.0)
    x[:, 2] = 0.1
    fit, plain = fit_linear(x * scale, y, 2, l2=0.01), fit_linear(x, y, 2, l2=0.01)
    assert torch.allclose(fit.logits(x * scale), plain.logits(x), atol=1e-4)
    assert fit.weight[:, 2].abs().max() == 0
    same = torch.full((4, 3), 0.1)
    assert fit_linear(same, np.array([0, 0, 1, 1]), 2, l2=0.01).weight.abs().max() == 0


def test_a_balanced_strength_is_chosen_by_the_weighted_loss() -> None:
    x, y = _blobs(100, 5, 2, gap=0.3)
    y = np.where(np.arange(100) % 10 == 0, 1, 0)
    x[torch.from_numpy(y == 1)] += 0.7
    point = fit_linear(x, y, 2, balanced=True).path[2]
    fold, loss = folds_of(y), np.zeros(100)
    for k in range(5):
        train = fold != k
        fit = fit_linear(x[train], y[train], 2, l2=point.l2, balanced=True)
        log_p = fit.logits(x[~train]).log_softmax(1).numpy()
        loss[~train] = -log_p[np.arange((~train).sum()), y[~train]]
    weights = class_weights(y, 2)[y]
    assert point.loss == pytest.approx((loss * weights).sum() / weights.sum(), rel=5e-3)
    assert point.loss != pytest.approx(loss.mean(), rel=1e-2)
