"""Which augmentations keep the labels of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch

from neocog.audits.clock import counted
from neocog.data.batches import pixels
from neocog.data.open import Source, open_data, parse_source
from neocog.errors import DataError, printable
from neocog.training.label_symmetries import LEAST, SymmetryExtent, label_symmetries, squares
from neocog.verbs.label_symmetries_result import FLIP, DataSymmetries, SafeAmount, is_decided
from neocog.verbs.progress import Progress, progress_line

__all__ = ["DataSymmetries", "SafeAmount", "symmetries"]

MOST = 8_000
"""Images that are looked at; more change no figure by more than its interval."""

ERASING = 0.25
"""Fraction of the images that a proposed recipe erases a rectangle in."""

BLOCK = 256
"""Images that are opened at their full size at a time."""


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
            str(source), where, opened, part, seed, counted(on_progress, "measuring symmetries")
        )


def _measured(
    source: str,
    where: str,
    opened: Source,
    part: str | None,
    seed: int,
    callback: Callable[[int, int], None],
) -> DataSymmetries:
    if opened.values == "raw":
        raise DataError(
            f"Symmetries are measured on pixels in [0, 1], whose brightness and contrast change; "
            f"`{printable(source)}` holds raw values. Save them as pixels to measure."
        )
    split = opened.split(part or "train") if part or opened.classes else opened.whole
    if len(split) < LEAST:
        more = "" if len(opened.whole) < LEAST else f" or name all: {printable(where)}:all"
        raise DataError(
            f"Symmetries are measured on at least {LEAST} images; the split "
            f"{part or ('train' if opened.classes else 'all')} of `{printable(source)}` has "
            f"{len(split):,}. Add images{more}."
        )
    rows = np.random.default_rng([seed, 0x5A]).permutation(len(split))[:MOST]
    labels = split.y[rows]
    labeled = bool(opened.classes) and bool((labels >= 0).all())
    if opened.classes and not labeled:
        raise DataError(
            f"Symmetries need images that all have labels, or none; some of "
            f"`{printable(source)}` are in no class. Name a split, such as DATA:train."
        )
    classes = opened.classes if labeled else ()
    blocks = np.array_split(rows, max(1, len(rows) // BLOCK))
    test = label_symmetries(
        torch.cat([squares(pixels(split, block)) for block in blocks]),
        torch.from_numpy(labels),
        num_classes=len(classes) if len(classes) > 1 else 0,
        seed=seed,
        callback=callback,
    )
    decided = is_decided(test)
    verdicts = tuple(_verdict(m, classes, judged=decided) for m in test.each)
    return DataSymmetries(
        source=source,
        test=test,
        verdicts=verdicts,
        augment=_augment(verdicts, min(opened.sheet.size)),
        classes=classes if len(classes) > 1 else (),
        warnings=opened.sheet.warnings,
    )


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
        "hue": int(safe.get("hue", 0.0) * 100) / 100,
    }
    if size := safe.get("erasing", 0.0):
        some |= {"random_erasing": ERASING, "erasing_size": size}
    return {k: v for k, v in some.items() if v}
