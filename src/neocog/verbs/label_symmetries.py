"""Which augmentations keep the labels of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from neocog.audits.clock import counted
from neocog.data.batches import pixels
from neocog.data.open import Source, open_data, parse_source
from neocog.errors import DataError, printable
from neocog.exhibits import Bars, Cell, Curve, Gallery, Scalar, Section, Table
from neocog.first_screen import Command, FirstScreen, path_word
from neocog.jsonable import Jsonable, keys
from neocog.render.notebook import Result
from neocog.symmetry.families import FAMILIES, Family, OrientationFamily
from neocog.training.label_symmetries import (
    JUDGED,
    Confusion,
    SymmetryExtent,
    SymmetryTest,
    label_symmetries,
    squares,
    transformed,
)
from neocog.verbs.progress import Progress, progress_line

__all__ = ["DataSymmetries", "SafeAmount", "symmetries"]

MOST = 8_000
"""Images that are looked at; more change no figure by more than its interval."""

BLOCK = 256
"""Images that are opened at their full size at a time."""

FLIP = 0.5
"""Probability of a mirror image, as a fraction of that of the image, from which on the data holds
both."""

COMPETENT = 0.6
"""Of the errors of a constant prediction: a network that makes no more can judge labels."""


@dataclass(frozen=True, kw_only=True)
class SafeAmount(Jsonable):
    """One transformation: what the data holds, what keeps labels, what to write into a recipe.

    Args:
        measured: of it.
        safe: amount that the data holds and that confuses no class, in its unit; for a flip 1 or
            0. 0 where the labels could not be judged.
        judged: whether they could.
        unit: of amounts; for a flip empty.
        classes: names.
    """

    JSON = keys(
        "name=measured.name", "safe", "unit", "extent=measured.extent",
        "interval=measured.interval", "at_least=measured.least", "kept",
        "amounts=measured.amounts", "curve=measured.curve", "confusions=plain_confusions",
    )  # fmt: skip

    measured: SymmetryExtent
    safe: float
    judged: bool
    unit: str
    classes: tuple[str, ...]

    @property
    def plain_confusions(self) -> list[dict[str, object]]:
        """Classes that are taken for others, by name."""
        return [
            {
                "amount": c.amount,
                "class": self.classes[c.label],
                "recognized_as": self.classes[c.recognized_as],
                "rate": c.rate,
                "interval": list(c.interval),
                "n": c.n,
            }
            for c in self.measured.confusions
        ]

    @property
    def kept(self) -> float | None:
        """Largest amount up to which no class is confused; None where nobody could judge."""
        return self.measured.kept if self.judged else None

    @property
    def held(self) -> float:
        """Amount that the data holds, 0 below what can be told apart; for a flip 1 or 0."""
        m = self.measured
        if m.is_flip:
            return float(m.extent >= FLIP)
        return m.extent if m.extent >= m.amounts[1] * 0.999 else 0.0


@dataclass(frozen=True, kw_only=True, repr=False)
class DataSymmetries(Result):
    """Which transformations keep the labels of a data set, and by how much.

    Args:
        source: of the data, as the user named it.
        test: what was measured.
        verdicts: one a transformation.
        augment: recipe keys of `[augment]` with their values; none where nothing is decided.
        classes: names; empty without labels.
        warnings: of the data.
    """

    JSON = keys(
        "n=test.n", "held_out=test.held_out", "accuracy=test.accuracy", "decided", "not_judged",
        "transformations=verdicts", "augment",
    )  # fmt: skip

    source: str
    test: SymmetryTest
    verdicts: tuple[SafeAmount, ...]
    augment: dict[str, float | bool]
    classes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether labels could be judged."""
        return _is_decided(self.test)

    @property
    def not_judged(self) -> tuple[str, ...]:
        """Classes with too few held-out images."""
        return tuple(
            name for name, n in zip(self.classes, self.test.per_class, strict=False) if n < JUDGED
        )

    def heading(self) -> str:
        """What it is of."""
        return f"Augmentations that keep the labels of {printable(self.source)}"

    @cached_property
    def _by_name(self) -> dict[str, SafeAmount]:
        return {v.measured.name: v for v in self.verdicts}

    def first_screen(self) -> FirstScreen:
        """What is safe, what is not, and the command that uses it."""
        safe = _listed([_words(v.measured.name, v.safe) for v in self.verdicts if v.safe])
        held = _listed([_words(v.measured.name, v.held) for v in self.verdicts if v.held])
        if self.classes and not self.decided:
            headline = "Not decided: too few images a class, or classes that were not learned."
        elif self.classes:
            none = "No transformation is safe on this data."
            headline = f"Safe on this data: {safe}." if safe else none
        else:
            none = "The data varies by none of the transformations that were tried."
            headline = f"The data itself varies by: {held}." if held else none
        return FirstScreen(
            headline=headline,
            detail=self._detail(),
            badge="" if self.classes else "No labels",
            level="plain" if self.decided or not self.classes else "open",
            image=self._images(),
            figures=self._figures(),
            next=self._next(),
            note=self._note(),
        )

    def _detail(self) -> str:
        """The worst confusion of the transformations that people use first."""
        parts = []
        for name in ("rotation", "horizontal flip", "vertical flip"):
            worst = self._by_name[name].measured.confusions[:1]
            if worst:
                parts.append(self._sentence(name, worst[0]))
        return " ".join(parts[:2])

    def _sentence(self, name: str, c: Confusion) -> str:
        one, other = (printable(self.classes[i]) for i in (c.label, c.recognized_as))
        return (
            f"{_done(name, c.amount).capitalize()}, {_percent(c.rate)} of class {one} are "
            f"recognized as {other}."
        )

    def _figures(self) -> tuple[Scalar, ...]:
        rotation, flip = self._by_name["rotation"], self._by_name["horizontal flip"]
        shift = min((v for n, v in self._by_name.items() if "shift" in n), key=lambda v: v.safe)
        note = f"the data holds ±{rotation.measured.extent:.0f}°"
        some = [
            Scalar(title="rotation", value=rotation.safe, unit="°", note=note),
            Scalar(
                title="horizontal flip: mirror images in the data",
                value=min(1.0, flip.measured.extent),
                unit="%",
                interval=_capped(flip.measured.interval),
                note="probability of a mirror image against that of the image",
            ),
            Scalar(title="shift", value=shift.safe, unit="%", note="of the side"),
            Scalar(title="scale", value=self._by_name["scale"].safe, unit="%"),
            Scalar(title="brightness", value=self._by_name["brightness"].safe, unit="%"),
        ]
        return tuple(some)

    def _images(self) -> tuple[Gallery, ...]:
        gallery = self._gallery(6)
        return (gallery,) if gallery else ()

    def _gallery(self, pairs: int) -> Gallery | None:
        """Images beside what a transformation makes of them, one a pair of classes."""
        chosen: dict[tuple[int, int], tuple[str, Confusion]] = {}
        several = [(v.measured.name, c) for v in self.verdicts for c in v.measured.confusions]
        for name, c in sorted(several, key=lambda item: (_rank(item[0]), -item[1].rate)):
            chosen.setdefault((c.label, c.recognized_as), (name, c))
        best = list(chosen.values())[:pairs]
        if not best:
            return None
        images, captions = [], []
        for name, c in best:
            x = self.test.images[c.example : c.example + 1]
            other = printable(self.classes[c.recognized_as])
            family, element = _element(name, c.amount)
            for part, text in (
                (x, f"{printable(self.classes[c.label])}"),
                (transformed(family, x, element),
                 f"{_done(name, c.amount)}\nrecognized as {other}"),
            ):  # fmt: skip
                pixels_ = part[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
                images.append(pixels_[:, :, 0] if pixels_.shape[2] == 1 else pixels_)
                captions.append(text)
        return Gallery(
            title="Recognized as another class",
            images=images,
            captions=captions,
            together=2,
            note="For each pair of classes the rotation or flip that confuses most, else another "
            "transformation; the example that is recognized with the most confidence.",
        )

    def _next(self) -> tuple[Command, ...]:
        if not self.decided:
            return ()
        setting = ",".join(f"{k}={_plain(v)}" for k, v in self.augment.items()) or "none"
        words = ("neocog", "train", path_word(self.source), "--augment", setting)
        return (Command(text="Train with what is safe", words=words),)

    def _note(self) -> str:
        how = (
            f"A small network learned from {self.test.n:,} images to tell what was applied, and "
            f"was asked about {self.test.held_out:,} others"
        )
        if self.test.accuracy is None:
            return f"{how}. Without labels nothing is said of confusions."
        judge = "" if self.decided else ", too little to judge labels by"
        few = self.not_judged
        names = _listed([printable(n) for n in few[:3]]) + (
            f" and {len(few) - 3} more" * (len(few) > 3)
        )
        rare = f" Too few images to judge: {names}." if few else ""
        return f"{how}; it recognizes {_percent(self.test.accuracy)} of them{judge}.{rare}"

    def sections(self) -> list[Section]:
        """Everything, in reading order."""
        rotation = self._by_name["rotation"].measured
        rows: list[list[Cell]] = [
            [
                v.measured.name,
                (_words(v.measured.name, v.safe) if v.safe else "none") if self.decided else None,
                _extent(v.measured),
                _kept(v.measured) if self.decided else None,
            ]
            for v in self.verdicts
        ]
        what = Section(
            title="What is safe",
            exhibits=[
                Table(
                    title="Transformations",
                    columns=["transformation", "safe", "in the data", "no class is confused up to"],
                    rows=rows,
                    note="Safe is what the data itself holds, as far as no class is recognized as "
                    "another one. In the data: amounts that are uniform to both sides with the "
                    "same spread; 95 % bootstrap CI.",
                ),
                Curve(
                    title="Rotations in the data",
                    x=rotation.amounts,
                    lines={"probability": rotation.curve},
                    x_label="rotation (degrees)",
                    y_label="against none",
                    note="How probable the network finds so much more rotation than was applied, "
                    "against what was applied: 1 where nobody can tell.",
                ),
                Bars(
                    title="Mirror images in the data",
                    names=["horizontal flip", "vertical flip"],
                    series={
                        "probability": [
                            min(1.0, self._by_name[n].measured.extent)
                            for n in ("horizontal flip", "vertical flip")
                        ]
                    },
                    unit="%",
                    high=1.0,
                ),
            ],
        )
        return [what, *self._confused()]

    def _confused(self) -> list[Section]:
        rows: list[list[Cell]] = [
            [
                _done(v.measured.name, c.amount),
                printable(self.classes[c.label]),
                printable(self.classes[c.recognized_as]),
                _percent(c.rate),
                f"{_percent(c.interval[0])} to {_percent(c.interval[1])}",
                c.n,
            ]
            for v in self.verdicts
            for c in v.measured.confusions[:12]
        ]
        if not rows:
            return []
        gallery = self._gallery(12)
        table = Table(
            title="Classes that are recognized as another one",
            columns=["transformed", "class", "recognized as", "images", "95 % CI", "of"],
            rows=rows,
            note="Less those that were recognized so before. The largest twelve a transformation.",
        )
        return [
            Section(
                title="Recognized as another class",
                exhibits=[*([gallery] if gallery else []), table],
            )
        ]


def symmetries(
    source: str | os.PathLike[str],
    *,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    resize_mode: str = "crop",
    strict: bool = False,
    progress: Progress = True,
) -> DataSymmetries:
    """Which augmentations keep the labels of this data, in which amounts, and the recipe for it.

    Args:
        source: `digits`, a folder or a file. Of labeled data the training images are looked at, so
            that no test image chooses what is trained with; of `DATA:val` that split.
        seed: of the split, weights and amounts.
        size: (H, W) to serve; None chooses.
        resize_mode: how images are brought to that size: crop, stretch or pad.
        strict: stop at the first file that cannot be used.
        progress: shown on standard error, as by the command; False for none, or a function that is
            called with how far it has come.

    Raises:
        DataError: there are fewer than 200 images, or some are labeled and some are not.

    Example:
        >>> from neocog.verbs.label_symmetries import symmetries
        >>> result = symmetries("digits")  # doctest: +SKIP
        >>> result.augment  # doctest: +SKIP
        {'rotate': 15.0, 'scale': 0.09, 'contrast': 0.23}
    """
    where, part = parse_source(source)
    with progress_line("data", progress) as on_progress:
        opened = open_data(
            where,
            size=size,
            seed=seed,
            resize_mode=resize_mode,
            strict=strict,
            part=part,
            progress=counted(on_progress, "reading images"),
        )
        return _measured(
            str(source), opened, part, seed, counted(on_progress, "measuring symmetries")
        )


def _measured(
    source: str,
    opened: Source,
    part: str | None,
    seed: int,
    callback: Callable[[int, int], None],
) -> DataSymmetries:
    split = opened.split(part or "train") if part or opened.classes else opened.whole
    rows = np.random.default_rng([seed, 0x5A]).permutation(len(split))[:MOST]
    labels = split.y[rows]
    labeled = bool(opened.classes) and bool((labels >= 0).all())
    if opened.classes and not labeled:
        raise DataError(
            f"Symmetries are measured on images that all have a label, or none of them; some of "
            f"`{printable(source)}` are in no class. Name a split as DATA:train."
        )
    classes = opened.classes if labeled else ()
    blocks = np.array_split(rows, max(1, len(rows) // BLOCK))
    test = label_symmetries(
        torch.cat([squares(pixels(split, block)) for block in blocks]),
        torch.from_numpy(labels),
        classes=len(classes) if len(classes) > 1 else 0,
        seed=seed,
        callback=callback,
    )
    decided = _is_decided(test)
    verdicts = tuple(_verdict(m, classes, judged=decided) for m in test.each)
    return DataSymmetries(
        source=source,
        test=test,
        verdicts=verdicts,
        augment=_augment(verdicts, min(opened.sheet.size)),
        classes=classes if len(classes) > 1 else (),
        warnings=opened.sheet.warnings,
    )


def _is_decided(test: SymmetryTest) -> bool:
    """Whether the network knows the classes, and most of them have images enough."""
    count = len(test.per_class)
    if test.accuracy is None or count < 2:
        return False
    enough = sum(n >= JUDGED for n in test.per_class)
    return 1 - test.accuracy <= COMPETENT * (1 - 1 / count) and 2 * enough > count


def _verdict(m: SymmetryExtent, classes: tuple[str, ...], *, judged: bool) -> SafeAmount:
    safe = 0.0
    if judged and m.is_flip:
        safe = float(m.kept > 0 and m.extent >= FLIP)
    elif judged:
        safe = min(m.extent, m.kept)
        safe = safe if safe >= m.amounts[1] * 0.999 else 0.0  # below what can be told apart
    unit = "" if m.is_flip else "degrees" if m.name == "rotation" else "fraction"
    return SafeAmount(measured=m, safe=safe, judged=judged, unit=unit, classes=classes)


def _augment(verdicts: tuple[SafeAmount, ...], side: int) -> dict[str, float | bool]:
    """Keys of `[augment]`; shifts are in pixels of the images as they are served."""
    safe = {v.measured.name: v.safe for v in verdicts}
    shift = min(v for name, v in safe.items() if name.startswith("shift"))
    some: dict[str, float | bool] = {
        "rotate": float(int(safe["rotation"])),
        "flip": bool(safe["horizontal flip"]),
        "flip_vertical": bool(safe["vertical flip"]),
        "shift": float(int(shift * side)),
        "scale": int(safe["scale"] * 100) / 100,
        "brightness": int(safe["brightness"] * 100) / 100,
        "contrast": int(safe["contrast"] * 100) / 100,
    }
    return {k: v for k, v in some.items() if v}


def _rank(name: str) -> int:
    """Rotations and flips change a label by themselves; what dims an image rather hides it."""
    names = ("rotation", "horizontal flip", "vertical flip"), ("brightness", "contrast")
    return 0 if name in names[0] else 2 if name in names[1] else 1


def _plain(value: float | bool) -> str:
    return "true" if value is True else f"{value:g}"


def _words(name: str, amount: float) -> str:
    if name.endswith("flip"):
        return name
    return (
        f"{name} up to ±{amount:.0f}°"
        if name == "rotation"
        else f"{name} up to ±{_percent(amount)}"
    )


def _done(name: str, amount: float) -> str:
    """What was done to an image."""
    if name.endswith("flip"):
        return (
            "mirrored left to right" if name.startswith("horizontal") else "mirrored top to bottom"
        )
    if name == "rotation":
        return f"rotated by {abs(amount):.0f}° {'counter' * (amount > 0)}clockwise"
    return f"{name} {'+' if amount > 0 else '−'}{_percent(abs(amount))}"


def _extent(m: SymmetryExtent) -> str:
    low, high = m.interval
    if m.is_flip:
        low, high = _capped(m.interval)
        return f"{_percent(min(1.0, m.extent))} ({_percent(low)} to {_percent(high)})"
    if m.extent < m.amounts[1]:
        return "too little to measure"
    least = "at least " if m.least else ""
    if m.name == "rotation":
        return f"{least}±{m.extent:.0f}° ({low:.0f} to {high:.0f}°)"
    return f"{least}±{_percent(m.extent)} ({_percent(low)} to {_percent(high)})"


def _kept(m: SymmetryExtent) -> str:
    if m.is_flip:
        return "none is confused" if m.kept else "one is confused"
    all_of_it = m.kept == m.amounts[-1]
    how = f"{m.kept:.0f}°" if m.name == "rotation" else _percent(m.kept)
    return f"{how}, as far as was looked" if all_of_it else how


def _percent(fraction: float) -> str:
    """In whole percent; below 10 % with one decimal."""
    return f"{100 * fraction:.{int(fraction < 0.0995)}f} %"


def _capped(interval: tuple[float, float]) -> tuple[float, float]:
    return min(1.0, interval[0]), min(1.0, interval[1])


def _listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + "".join(words[-1:])


def _element(name: str, amount: float) -> tuple[Family, int]:
    """Family and element of a transformation by its name."""
    if name in ("rotation", "horizontal flip", "vertical flip"):
        family = next(f for f in FAMILIES if isinstance(f, OrientationFamily))
        row = round(amount / family.step) % family.angles
        return family, row + family.angles * name.endswith("flip")
    line = next(f for f in FAMILIES if f.name == name)
    relative = min(line.relative, key=lambda r: abs(line.amount(r) - amount))
    return line, line.identity + relative
