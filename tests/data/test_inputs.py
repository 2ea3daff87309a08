"""Whatever a program holds becomes the same samples, or is refused by the rule that it breaks."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from neocog.data import spool
from neocog.data.inputs import as_samples, portions, resolved
from neocog.data.open import open_data
from neocog.data.samples import Samples
from neocog.errors import DataError
from neocog.types import InputSpec

N = 10
BYTES = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
FLOATS = torch.from_numpy(BYTES.astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2)
LABELS = [i % 3 for i in range(N)]
COLOR = InputSpec(channels=3, size=(8, 8), mean=(0.0,) * 3, std=(1.0,) * 3)
GRAY = InputSpec(channels=1, size=(8, 8), mean=(0.0,), std=(1.0,))


class Made(Dataset):
    """Of some function of a number."""

    def __init__(self, item: Callable[[int], Any], n: int = N) -> None:
        self.item, self.n = item, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        return self.item(i)


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[Any]:
        yield from zip(FLOATS, LABELS, strict=True)


def images() -> list[Image.Image]:
    return [Image.fromarray(x) for x in BYTES]


def files(folder: Path) -> list[Path]:
    paths = [folder / f"{i}.png" for i in range(N)]
    for path, image in zip(paths, images(), strict=True):
        image.save(path)
    return paths


ALONE: dict[str, Callable[[Path], Any]] = {
    "a tensor": lambda _: FLOATS,
    "a tensor of bytes": lambda _: torch.from_numpy(BYTES).permute(0, 3, 1, 2),
    "a tensor of doubles": lambda _: FLOATS.double(),
    "an array, channels first": lambda _: FLOATS.numpy(),
    "an array, channels last": lambda _: BYTES,
    "an array of floats, channels last": lambda _: BYTES / 255,
    "a list of tensors": lambda _: list(FLOATS),
    "a list of arrays": lambda _: list(BYTES),
    "a tuple of PIL images": lambda _: tuple(images()),
    "paths": lambda folder: files(folder),
    "texts of paths": lambda folder: list(map(str, files(folder))),
    "a dataset of tensors": lambda _: Made(lambda i: FLOATS[i]),
    "a dataset of PIL images": lambda _: Made(lambda i: images()[i]),
    "a tensor dataset": lambda _: TensorDataset(FLOATS),
    "a loader": lambda _: DataLoader(TensorDataset(FLOATS), batch_size=4),
    "a loader that mixes": lambda _: DataLoader(TensorDataset(FLOATS), batch_size=4, shuffle=True),
    "a generator": lambda _: (x for x in FLOATS),
    "a generator of batches": lambda _: (FLOATS[i : i + 3] for i in range(0, N, 3)),
    "samples": lambda _: Samples.of(FLOATS),
}

LABELED: dict[str, Callable[[], Any]] = {
    "a tensor and a list": lambda: (FLOATS, LABELS),
    "a tensor and a tensor": lambda: (FLOATS, torch.tensor(LABELS)),
    "an array and an array": lambda: (BYTES, np.array(LABELS)),
    "lists": lambda: (images(), LABELS),
    "a list of pairs": lambda: list(zip(images(), LABELS, strict=True)),
    "a dataset of pairs": lambda: Made(lambda i: (FLOATS[i], LABELS[i])),
    "a dataset of mappings": lambda: Made(lambda i: {"label": LABELS[i], "image": images()[i]}),
    "a loader": lambda: DataLoader(TensorDataset(FLOATS, torch.tensor(LABELS)), batch_size=3),
    "a loader of PIL images": lambda: DataLoader(
        Made(lambda i: (images()[i], LABELS[i])),
        batch_size=4,
        shuffle=True,
        collate_fn=lambda rows: ([r[0] for r in rows], [r[1] for r in rows]),
    ),
    "a stream": lambda: Stream(),
    "a loader of a stream": lambda: DataLoader(Stream(), batch_size=4),
}


def values(samples: Samples) -> Tensor:
    return samples.take(slice(0, len(samples)))


@pytest.mark.parametrize("spec", [COLOR, None], ids=["known", "unknown"])
@pytest.mark.parametrize("kind", ALONE)
def test_images_alone(kind: str, spec: InputSpec | None, tmp_path: Path) -> None:
    found = as_samples(ALONE[kind](tmp_path), spec)
    assert torch.equal(values(found.samples), FLOATS)
    assert found.samples.y is None
    assert found.notes == ()


@pytest.mark.parametrize("kind", LABELED)
def test_images_with_labels(kind: str) -> None:
    found = as_samples(LABELED[kind](), COLOR)
    assert torch.equal(values(found.samples), FLOATS)
    assert found.samples.y is not None
    assert found.samples.y.tolist() == LABELS


@pytest.mark.parametrize("kind", [*ALONE, *LABELED])
def test_portions_are_the_same_samples(kind: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("neocog.data.inputs._PORTION", 1)  # sixteen at once, at least
    given = ALONE[kind](tmp_path) if kind in ALONE else LABELED[kind]()
    parts = list(portions(given, COLOR))
    assert torch.equal(torch.cat([values(p.samples) for p in parts]), FLOATS)


def test_long_streams_come_in_portions(monkeypatch) -> None:
    monkeypatch.setattr("neocog.data.inputs._PORTION", 1)
    many = Made(lambda i: FLOATS[i % N], 50)
    assert [len(p.samples) for p in portions(many, COLOR)] == [16, 16, 16, 2]


def test_of_many_some_are_drawn_by_the_seed_and_only_these_are_read() -> None:
    asked: list[int] = []

    def item(i: int) -> Tensor:
        asked.append(i)
        return torch.full((3, 8, 8), i / 5000)

    found = as_samples(Made(item, 5000), COLOR, n=6, seed=1)
    assert len(asked) == len(found.samples) == 6
    assert found.total == 5000
    again = as_samples(Made(item, 5000), COLOR, n=6, seed=1)
    assert torch.equal(values(found.samples), values(again.samples))
    other = as_samples(Made(item, 5000), COLOR, n=6, seed=2)
    assert not torch.equal(values(found.samples), values(other.samples))


def test_a_loader_that_mixes_gives_the_order_of_its_dataset() -> None:
    data = TensorDataset(FLOATS, torch.tensor(LABELS))
    plain = as_samples(DataLoader(data, batch_size=4), COLOR)
    before = torch.random.get_rng_state()
    mixed = as_samples(DataLoader(data, batch_size=4, shuffle=True, drop_last=True), COLOR)
    assert torch.equal(values(plain.samples), values(mixed.samples))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_loader_keeps_to_the_samples_of_its_sampler() -> None:
    data = TensorDataset(FLOATS)
    some = as_samples(DataLoader(data, sampler=SubsetRandomSampler([7, 2, 5])), COLOR)
    assert torch.equal(values(some.samples), FLOATS[[2, 5, 7]])
    drawn = WeightedRandomSampler([0.0] * 9 + [1.0], 4)
    assert torch.equal(
        values(as_samples(DataLoader(data, sampler=drawn), COLOR).samples), FLOATS[[9] * 4]
    )
    parts = as_samples(Subset(data, [3, 1]), COLOR)
    assert torch.equal(values(parts.samples), FLOATS[[3, 1]])


def test_memory_goes_to_disk_and_no_file_is_left(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)
    found = as_samples(list(FLOATS), COLOR)
    assert isinstance(found.samples.x.x, np.memmap)
    assert torch.equal(values(found.samples), FLOATS)
    assert not list((tmp_path / "cache").iterdir())


def test_memory_does_not_grow_with_the_number_of_samples(monkeypatch) -> None:
    monkeypatch.setattr(spool, "_IN_MEMORY", 1 << 20)
    large = InputSpec(channels=3, size=(64, 64), mean=(0.0,) * 3, std=(1.0,) * 3)
    x = torch.rand(3, 64, 64)
    tracemalloc.start()
    try:
        peaks = []
        for n in (100, 400):  # of 48 KiB: 5 and 20 MB
            tracemalloc.reset_peak()
            found = as_samples((x for _ in range(n)), large)
            peaks.append(tracemalloc.get_traced_memory()[1])
            assert len(found.samples) == n
    finally:
        tracemalloc.stop()
    assert max(peaks) < 4 << 20
    assert peaks[1] < 1.2 * peaks[0]


def test_files_and_images_come_in_the_size_that_is_asked_for(tmp_path: Path) -> None:
    Image.fromarray(BYTES[0]).resize((30, 40)).save(tmp_path / "a.png")
    large = Image.fromarray(BYTES[1]).resize((50, 20))
    bytes_ = torch.from_numpy(np.array(large)).permute(2, 0, 1)
    found = as_samples([tmp_path / "a.png", large, np.array(large), bytes_], COLOR)
    x = values(found.samples)
    assert x.shape == (4, 3, 8, 8)
    assert torch.equal(x[1], x[2])
    assert torch.equal(x[1], x[3])
    with pytest.raises(DataError, match=r"one size; sample 1 has \(20, 50, 3\), earlier ones"):
        as_samples([Image.fromarray(BYTES[0]), large])


@pytest.mark.parametrize(
    "gray",
    [BYTES[..., 0], BYTES[..., :1], FLOATS[:, :1], FLOATS[:, :1].numpy(), list(BYTES[..., 0])],
)
def test_gray_images_for_a_color_network(gray: Any) -> None:
    x = values(as_samples(gray, COLOR).samples)
    assert torch.equal(x, FLOATS[:, :1].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("color", [FLOATS, BYTES, images()])
def test_color_images_for_a_gray_network(color: Any) -> None:
    x = values(as_samples(color, GRAY).samples)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    # integers are rounded to one of 255
    torch.testing.assert_close(x, (FLOATS * weights).sum(1, keepdim=True), atol=1 / 255, rtol=0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_of_a_pil_image(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(BYTES[0]).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(BYTES[0, :, :, 0].astype(np.uint16) * 257)
    x = values(as_samples([image], COLOR).samples)
    if mode == "CMYK":
        image = image.convert("RGB")
    image.save(tmp_path / "x.png")
    assert torch.equal(x, values(as_samples([tmp_path / "x.png"], COLOR).samples))


def test_an_image_lies_as_its_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(BYTES[0]).resize((16, 8)).save(tmp_path / "x.jpg", exif=exif, quality=100)
    with Image.open(tmp_path / "x.jpg") as image:
        assert as_samples([image]).samples.size == (16, 8)


def test_single_images() -> None:
    for one in (FLOATS[0], BYTES[0], images()[0]):
        assert torch.equal(values(as_samples(one, COLOR).samples), FLOATS[:1])
    assert torch.equal(values(as_samples(BYTES[0, :, :, 0], GRAY).samples), FLOATS[:1, :1])


def test_labels_by_name_unknown_ones_and_names_of_a_dataset() -> None:
    named = as_samples((images()[:3], ["cat", "dog", "cat"]), COLOR)
    assert named.samples.y.tolist() == ["cat", "dog", "cat"]
    some = as_samples(list(zip(FLOATS[:3], [1, None, 0], strict=True)), COLOR)
    assert some.samples.y.tolist() == [1, -1, 0]
    data = Made(lambda i: (FLOATS[i], i % 2))
    data.classes = ["cat", "dog"]
    assert as_samples(Subset(data, [0, 1]), COLOR).classes == ("cat", "dog")


def test_series() -> None:
    x = torch.randn(5, 2, 30) * 100
    for given in (x, x.numpy(), (x, [0] * 5)):
        assert torch.equal(values(as_samples(given).samples), x)
    assert torch.equal(values(as_samples(TensorDataset(x), axes=1).samples), x)


def test_arrays_that_lie_backwards_or_in_a_file(tmp_path: Path) -> None:
    assert torch.equal(values(as_samples(BYTES[::-1], COLOR).samples), FLOATS.flip(0))
    bgr = FLOATS.numpy()[:, ::-1]
    assert torch.equal(values(as_samples(bgr, COLOR).samples), FLOATS.flip(1))
    assert torch.equal(values(as_samples(list(BYTES[..., ::-1]), COLOR).samples), FLOATS.flip(1))
    for x in (BYTES, FLOATS.numpy(), BYTES.astype(">u2") * 257):
        np.save(tmp_path / "x.npy", x)
        held = np.load(tmp_path / "x.npy", mmap_mode="r")
        samples = as_samples(held, COLOR).samples
        torch.testing.assert_close(values(samples), FLOATS, atol=1e-6, rtol=0)
        samples.take(slice(0, 3)).zero_()
        samples.first(4, seed=0).take(slice(0, 4)).zero_()
        np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)


def test_tensors_of_half_precision_and_with_gradients() -> None:
    for x in (FLOATS.half(), FLOATS.bfloat16(), FLOATS.clone().requires_grad_()):
        torch.testing.assert_close(
            values(as_samples(x, COLOR).samples),
            FLOATS,
            atol=4e-3,
            rtol=0,  # of 8 bits
        )


def test_columns_of_labels() -> None:
    pairs = [(FLOATS[i], np.array([i % 3])) for i in range(6)]
    assert as_samples(pairs, COLOR).samples.y.tolist() == [0, 1, 2, 0, 1, 2]


def test_whole_numbers_of_16_bits() -> None:
    x = np.array([0, 65535], np.uint16).reshape(2, 1, 1, 1).repeat(8, 2).repeat(8, 3)
    assert values(as_samples(x, GRAY).samples)[:, 0, 0, 0].tolist() == [0, 1]
    assert values(as_samples(list(x[:, 0]), GRAY).samples)[:, 0, 0, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (FLOATS * 255, r"in \[0, 1\], or uint8 .*; got float32 from 0 to 255\. Divide .* x / 255"),
        (list(FLOATS * 255), r"sample 0: Values .*; got float32 from 0 to \d+\. Divide"),
        (BYTES.astype(np.int64), r"; got int64 from 0 to 255\. Divide"),
        ((FLOATS - 0.5) / 0.25, "the model normalizes them itself; .* before Normalize"),
        (FLOATS * float("nan"), "are finite"),
        (
            torch.from_numpy(BYTES),
            r"\(B, C, H, W\); got one of \(10, 8, 8, 3\).*permute\(0, 3",
        ),
        (FLOATS[:, :, :4], r"takes samples of \(3, 8, 8\).*; got \(3, 4, 8\). Resize"),
        (torch.rand(4, 8, 8), r"a single one is \(C, H, W\); .* with x\[:, None\]"),
        ((FLOATS, LABELS[:3]), "got 10 samples and 3 labels"),
        ((images(), LABELS[:3]), "got 10 samples and 3 labels"),
        ([], "needs samples; got none"),
        (FLOATS[:0], "needs samples; got none"),
        (7, "got int. Give one of them"),
        ({"a": 1}, "got dict. Give one of them"),
        ([object()], "Images are tensors .*; got object"),
        (["nothing.png"], r"got none. nothing.png was not used: cannot be read"),
        (Made(lambda i: {"picture": FLOATS[i]}), "calls its images image.*; this one has picture"),
        (Made(lambda i: 1 // 0), "number 0 fails .*ZeroDivisionError"),
        (list(zip(FLOATS, [[1]] * 9 + [[1, 2]], strict=True)), "all of one kind"),
    ],
)
def test_what_is_no_data_says_the_rule(data: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        as_samples(data, COLOR)
    with pytest.raises(DataError, match=said):
        list(portions(data, COLOR))


def test_a_network_of_which_nothing_is_known_may_take_normalized_values() -> None:
    x = (FLOATS - 0.5) / 0.25
    for given in (x, list(x)):
        found = as_samples(given)
        torch.testing.assert_close(values(found.samples), x)
        assert "normalized already" in found.notes[0]
    with pytest.raises(DataError, match="Divide"):
        as_samples(FLOATS * 255)


def test_larger_floats_bring_a_border_where_that_is_of_use() -> None:
    x = torch.rand(2, 3, 12, 12)
    assert as_samples(x, COLOR, larger=True).samples.size == (12, 12)
    with pytest.raises(DataError, match=r"got \(3, 12, 12\)"):
        as_samples(x, COLOR)


def test_files_that_are_no_images_are_named(tmp_path: Path) -> None:
    paths = files(tmp_path)[:2]
    (tmp_path / "no.png").write_text("no image")
    found = as_samples([*paths, tmp_path / "no.png"], COLOR)
    assert len(found.samples) == 2
    assert found.notes[0].endswith("image format.")
    assert "no.png was not used: not an image" in found.notes[0]
    assert found.samples.name(1) == str(paths[1])


def test_what_was_opened_goes_by_its_path(tmp_path: Path) -> None:
    assert resolved(open_data("digits")) == "digits"
    paths = files(tmp_path)
    assert resolved(str(paths[0])) == [str(paths[0])]
    assert resolved(str(tmp_path)) == str(tmp_path)
