"""A model of raw values takes them from every road, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import neocog
from neocog.errors import DataError, UsageError


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A run on values from -30000 to 20000 in two channels, and its test samples."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.normal(size=(160, 24, 24, 2)).astype(np.float32)
    x[y == 1, 4:12, 4:12] += 3
    x = x * np.float32([10, 5000]) - np.float32([100, 9000])
    path = folder / "set.npz"
    np.savez(path, x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:])
    model = neocog.train(path, epochs=1, out=folder / "run", progress=False)
    return model, path, x, y


def test_statistics_in_the_spec_are_of_the_values_themselves(raw):
    model, path, _, _ = raw
    signal = neocog.load(model.path).spec.input
    x = neocog.open_data(path).splits["train"].x.reshape(-1, 2).astype(np.float64)
    assert signal.values == "raw"
    np.testing.assert_allclose(signal.mean, x.mean(0), rtol=1e-5)  # six digits are kept
    np.testing.assert_allclose(signal.std, x.std(0), rtol=1e-5)


def test_file_array_and_tensor_give_the_same_figures(raw):
    model, path, x, y = raw
    loss = neocog.evaluate(model, path).loss
    tensor = torch.from_numpy(np.moveaxis(x[120:], 3, 1).copy())
    for data in ((x[120:], y[120:]), (tensor, y[120:])):
        assert neocog.evaluate(model, data).loss == pytest.approx(loss, abs=1e-6)
    external = neocog.load(
        model.network,
        size=model.shape,
        mean=model.spec.input.mean,
        std=model.spec.input.std,
        values="raw",
    )
    assert neocog.evaluate(external, path).loss == pytest.approx(loss, abs=1e-6)


def test_pixels_and_raw_values_are_not_mixed_up(raw, tmp_path):
    model, path, x, _ = raw
    (tmp_path / "a.png").write_bytes(b"no matter")
    (prediction,) = model.predict([tmp_path / "a.png"])
    assert "takes raw values of float arrays" in str(prediction.error)
    with pytest.raises(DataError, match="image files hold pixels"):
        neocog.evaluate(model, "digits")
    with pytest.raises(DataError, match=r"NaN or infinity .the first in sample 1"):
        model.predict(np.concatenate([x[:1], np.full_like(x[:1], np.nan)]))
    pixels = neocog.load(model.network, size=model.shape, mean=(0.5,), std=(0.2,))
    with pytest.raises(DataError, match="and the model takes pixels"):
        neocog.evaluate(pixels, path)
    with pytest.raises(UsageError, match=r"`augment.brightness` changes pixels in \[0, 1\]"):
        neocog.train(path, settings={"augment.brightness": 0.1}, out=tmp_path / "r", progress=False)


def test_symmetries_are_of_pixels(raw):
    from neocog.verbs.label_symmetries import symmetries

    with pytest.raises(DataError, match="holds raw values"):
        symmetries(str(raw[1]), progress=False)


def test_predictions_of_a_file_come_in_its_order_and_a_single_sample_is_a_batch(raw, tmp_path):
    model, _, x, _ = raw
    np.save(tmp_path / "some.npy", x[:30])
    predictions = model.predict([f"{tmp_path / 'some.npy'}:all"])
    rows = [int(p.path.rpartition("[")[2][:-1]) for p in predictions]
    assert rows == list(range(30))
    np.save(tmp_path / "one.npy", np.moveaxis(x[0], 2, 0))
    with pytest.raises(DataError, match=r"a batch of one, x\[None\]"):
        model.predict([tmp_path / "one.npy"])
    np.save(tmp_path / "plane.npy", x[0, :, :, 0])
    with pytest.raises(DataError, match=r"a batch of one, x\[None\]"):
        model.predict([tmp_path / "plane.npy"])
