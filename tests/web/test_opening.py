import numpy as np
import pytest
import torch
from tests.web.conftest import small_model
from torch import nn

from neocog.data.series import series_of
from neocog.errors import DataError, UsageError
from neocog.runs.load import load
from neocog.web.opening import opened


def test_without_data_images_are_synthetic() -> None:
    session = opened(small_model(), None)
    assert session.album.first == "synthetic:0"
    assert session.album.counts() == {"synthetic": 6}
    values = session.album.values("synthetic:5", 0)
    assert values.shape == (1, 1, 28, 28)
    assert 0 <= float(values.min()) <= float(values.max()) <= 1


def test_a_split_that_is_named_comes_first() -> None:
    session = opened(small_model(), "digits:val")
    assert session.album.first == "val:0"
    assert set(session.album.splits) == {"train", "val", "test"}


def test_a_bare_module_takes_its_size_and_its_names_from_data() -> None:
    session = opened(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "digits")
    (network,) = session.networks
    assert (network.channels, *network.size) == (1, 28, 28)
    assert network.task == "classify"
    assert network.classes == tuple("0123456789")
    assert session.album.label("test:0", 0) is not None


def test_a_bare_module_without_data_needs_a_size() -> None:
    with pytest.raises(UsageError, match="needs an input size"):
        opened(nn.Flatten(), None)
    with pytest.raises(UsageError, match=r"The size of a sample is \(C, H, W\)"):
        opened(nn.Flatten(), None, size=(3,))


def test_samples_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"takes samples of .*; got \(1, 8, 8\). Resize them"):
        opened(small_model(), torch.rand(2, 1, 8, 8))


def test_the_module_of_a_caller_keeps_its_mode() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten()).train()
    before = net[1].running_mean.clone()
    opened(net, torch.rand(2, 1, 8, 8))
    assert net.training
    assert torch.equal(net[1].running_mean, before)


def test_A8_series_from_a_file(tmp_path) -> None:
    file = tmp_path / "waves.npz"
    np.savez(file, x=np.random.default_rng(0).random((5, 40)), y=np.array([0, 1, 2, 0, 1]))
    with pytest.warns(UserWarning, match="No weights were given"):
        net = load("tests.web.strangers:wave", size=(1, 40), mean=(0.5,), std=(0.25,))
    session = opened(net, str(file))
    assert session.networks[0].size == (40,)
    assert session.album.label("data:2", 0) == 2
    with pytest.raises(DataError, match="does not exist"):
        series_of(tmp_path / "none.npz")
    np.savez(file, x=np.zeros((2, 3, 4, 5)))
    with pytest.raises(DataError, match="an array `x` of shape"):
        series_of(file)
    other = np.zeros((2, 1, 30))
    np.savez(file, x=other)
    with pytest.raises(DataError, match=r"series of 1 × 40 values; .* holds 1 × 30"):
        opened(net, str(file))


def test_images_of_other_classes_are_shown_without_a_truth() -> None:
    told = {"size": (1, 28, 28), "mean": (0.5,), "std": (0.5,)}
    with pytest.warns(UserWarning, match="No weights were given"):
        model = load("tests.web.strangers:twelve", classes=list("abcdefghijkl"), **told)
    session = opened(model, "digits")
    assert session.networks[0].classes == tuple("abcdefghijkl")
    assert session.album.label("test:0", 0) is None
    (few,) = {len(v[0]) for k, v in session.album.splits.items() if k == "test"}
    assert few == 1000


_WAVES = {"x": np.zeros((3, 1, 8))}


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": np.full((3, 1, 8), np.nan)}, "made of finite numbers"),
        ({**_WAVES, "y": np.array(1)}, "with a class index each"),
        ({**_WAVES, "y": np.array(["a", "b", "c"])}, "integers from 0"),
        ({**_WAVES, "y": np.eye(3)}, "integers from 0"),
        ({**_WAVES, "y": np.array([0, 1, -1])}, "integers from 0"),
        ({**_WAVES, "y": np.array([0.6, 1.0, 2.0])}, "integers from 0"),
        (None, "cannot be read as an .npz"),
    ],
)
def test_odd_files_of_series_are_refused(tmp_path, arrays, sentence: str) -> None:
    file = tmp_path / "waves.npz"
    file.write_bytes(b"") if arrays is None else np.savez(file, **arrays)
    with pytest.raises(DataError, match=sentence):
        series_of(file)


class Maps(nn.Module):
    """A model that is not a classifier, so that it is opened twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.conv(x)


def test_an_iterator_is_read_once() -> None:
    session = opened(Maps(), (torch.rand(1, 1, 8, 8) for _ in range(5)))
    assert session.networks[0].task == "regress"
