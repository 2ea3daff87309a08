import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neocog.errors import DataError
from neocog.symmetry.families import ContrastFamily, OrientationFamily
from neocog.training.amounts import Predicted
from neocog.training.label_symmetries import SymmetryExtent, _of_family, erased, label_symmetries


def glyphs(n: int, *, mirrored: str = "no", seed: int = 0) -> tuple[Tensor, Tensor]:
    """An L and a T, in half of the images mirrored, or an L and its mirror image as two classes."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    x = torch.zeros(n, 1, 16, 16)
    x[:, 0, 3:13, 5:7] = 1
    x[y == 0, 0, 11:13, 5:11] = 1
    x[y == 1, 0, 3:5, 5:11] = 1  # the other bar
    if mirrored == "labels":
        x[:, 0, :5, 7:11] = 0
        x[:, 0, 11:13, 5:11] = 1
        x[y == 1] = x[y == 1].flip(3)
    if mirrored == "half":
        half = torch.rand(n, generator=g) < 0.5
        x[half] = x[half].flip(3)
    return (x + 0.1 * torch.rand(x.shape, generator=g)).clamp(0, 1), y


def uniform(family: OrientationFamily, half_width: int, n: int = 40) -> Predicted:
    """What a perfect network says of data that is rotated by up to so many steps to each side."""
    angles = family.angles
    window = torch.zeros(n, family.count, family.count)
    own = torch.linspace(-half_width, half_width, n).round().long()
    for k in range(family.count):
        for i, a in enumerate(own.tolist()):
            relative = (a - torch.arange(-half_width, half_width + 1)) % angles
            window[i, k, family.after(torch.tensor(k), relative)] = 1 / len(relative)
    even = torch.full((n, family.count, 2), 0.5)
    return Predicted(family, window, even, even[:, 0])


@pytest.mark.parametrize("half_width", [1, 3, 5])
def test_amounts_that_are_uniform_are_found(half_width: int) -> None:
    family = OrientationFamily()
    rotation, flip, other = _of_family(uniform(family, half_width), None, 0)
    # A window of 2 w + 1 steps is w + 1/2 steps to each side.
    assert rotation.extent == pytest.approx((half_width + 0.5) * 15, abs=7.5)
    assert rotation.interval[0] <= rotation.extent <= rotation.interval[1]
    assert flip.extent == other.extent == 0
    assert not rotation.confusions


def test_every_rotation_is_found_where_nobody_can_tell() -> None:
    family = OrientationFamily()
    even = torch.full((30, 48, 48), 1 / 48)
    classes = torch.full((30, 48, 2), 0.5)
    rotation, flip, other = _of_family(Predicted(family, even, classes, classes[:, 0]), None, 0)
    assert (rotation.extent, rotation.least) == (180, True)
    assert flip.extent == pytest.approx(1)
    assert other.extent == pytest.approx(1)


def test_F3_a_label_that_changes_is_named() -> None:
    family = ContrastFamily()
    n = 60
    labels = torch.arange(n) % 2
    right = torch.nn.functional.one_hot(labels, 2).float()
    classes = right[:, None].repeat(1, 9, 1)
    classes[labels == 1, 7] = torch.tensor([1.0, 0.0])  # three steps more: class 1 looks like 0
    said = Predicted(family, torch.eye(9).expand(n, 9, 9), classes, right)
    (one,) = _of_family(said, labels, 0)
    (confusion,) = one.confusions
    assert (confusion.label, confusion.recognized_as, confusion.n) == (1, 0, 30)
    assert confusion.rate == 1
    assert confusion.amount == pytest.approx(2**0.75 - 1)
    assert one.kept == pytest.approx(2**0.5 - 1)
    assert labels[confusion.example] == 1


def test_a_few_errors_are_no_change_of_the_label() -> None:
    family = ContrastFamily()
    labels = torch.arange(60) % 2
    right = torch.nn.functional.one_hot(labels, 2).float()
    classes = right[:, None].repeat(1, 9, 1)
    classes[:6, 7] = 1 - right[:6]
    said = Predicted(family, torch.eye(9).expand(60, 9, 9), classes, right)
    (one,) = _of_family(said, labels, 0)
    assert not one.confusions
    assert one.kept == one.amounts[-1]


def measured(mirrored: str) -> dict[str, SymmetryExtent]:
    x, y = glyphs(480, mirrored=mirrored)
    test = label_symmetries(x, y, num_classes=2, steps=60)
    assert test.accuracy is not None
    assert test.accuracy > 0.95
    assert (test.n, test.held_out) == (360, 120)
    return {m.name: m for m in test.each}


def test_mirror_images_of_the_data_are_found() -> None:
    flip = measured("half")["horizontal flip"]
    assert flip.extent > 0.7  # of 1: half of the images are mirrored
    assert not flip.confusions


def test_F3_a_mirror_image_that_is_another_class_is_never_safe() -> None:
    each = measured("labels")
    flip = each["horizontal flip"]
    assert {(c.label, c.recognized_as) for c in flip.confusions} == {(0, 1), (1, 0)}
    assert flip.kept == 0


def test_the_same_seed_gives_the_same_figures() -> None:
    x, y = glyphs(240)
    one, two = (label_symmetries(x, y, num_classes=2, steps=8, seed=3) for _ in range(2))
    assert [m.curve for m in one.each] == [m.curve for m in two.each]


def test_few_images_are_refused() -> None:
    x, y = glyphs(199)
    with pytest.raises(DataError, match="at least 200 images; got 199"):
        label_symmetries(x, y, num_classes=2)


def test_without_labels_only_the_data_is_measured() -> None:
    x, y = glyphs(240)
    test = label_symmetries(x, torch.full_like(y, -1), num_classes=0, steps=8)
    assert test.accuracy is None
    assert not any(m.confusions for m in test.each)
    assert all(math.isfinite(m.extent) and np.isfinite(m.curve).all() for m in test.each)


def test_hue_is_looked_at_in_color_images_alone_and_erasing_in_all() -> None:
    generator = torch.Generator().manual_seed(0)
    gray = torch.rand(240, 1, 16, 16, generator=generator)
    color = torch.rand(240, 3, 16, 16, generator=generator)
    y = torch.arange(240) % 2
    names = {}
    for kind, x in (
        ("gray", gray),
        ("gray in three", gray.expand(-1, 3, -1, -1)),
        ("color", color),
    ):
        test = label_symmetries(x, y, num_classes=2, steps=2)
        names[kind] = [m.name for m in test.each]
        assert [m.name for m in test.each if m.interval is None] == ["erasing"]
    assert names["gray"] == names["gray in three"]
    assert set(names["color"]) - set(names["gray"]) == {"hue"}
    assert all(n[-1] == "erasing" for n in names.values())


def test_an_erased_square_has_its_side_and_the_mean_of_its_image() -> None:
    x = torch.rand(400, 2, 20, 20, generator=torch.Generator().manual_seed(1))
    out = erased(x, 0.3)
    changed = (out != x).any(1)
    assert torch.equal(erased(x, 0.0), x)
    assert int(changed.flatten(1).sum(1).max()) == 36  # 6 × 6 where it lies inside
    row = int(changed.flatten(1).sum(1).argmax())
    assert torch.allclose(out[row][:, changed[row]], x[row].mean((1, 2))[:, None], atol=1e-6)
