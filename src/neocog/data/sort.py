"""Puts decoded samples into their splits, and reports duplicates and splits in a sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from neocog.data.array_writer import ArrayWriter
from neocog.data.duplicates import Traits, components, exact_pairs, near_pairs
from neocog.data.quality import Copies, Sheet
from neocog.data.split import ROLES, PathNames, RowNames, draw, partition
from neocog.errors import printable

__all__ = ["FEW", "RawSamples", "Sorted", "sort_pile"]

FEW = 10
"""Samples of a class below which figures of a split mean little."""
_BLOCK = 64
_SHARES = {"val": 0.1, "test": 0.2}
_EVEN = {"val": 0.25, "test": 0.25}
"""Splits of images without labels: a fix chooses and measures on them."""
_ONE_SIDE = "Copies of an image stay in one split."


@dataclass(frozen=True, kw_only=True)
class RawSamples:
    """Samples before they are split.

    Args:
        x: (N, H, W, C) pixels; rows that are not in `rows` failed to decode.
        rows: which rows of `x` the samples are, (B,).
        y: class indices, (B,); all 0 where there are no classes.
        names: of the samples.
        roles: the split each was found in, or "".
        classes: names; none of images without labels.
        ids: of the content of each file or row, uint64 (B,).
        traits: what samples are compared by, of the files or rows as they were found.
        rich: which of them are large enough for near copies, bool (B,).
        equal: whether two samples have the same pixels, by position.
        mix: give each split a seeded random order; else samples keep theirs.
        cut_test: cut a test split out of train also where the data has a val split.
        part: all samples are of this split; "" where they are of a whole set.
        decoded: there are pixels; else `x` has their shape alone, and none are written.
    """

    x: np.ndarray
    rows: np.ndarray
    y: np.ndarray
    names: PathNames | RowNames
    roles: Sequence[str]
    classes: tuple[str, ...]
    ids: np.ndarray
    traits: Traits
    rich: np.ndarray
    equal: Callable[[int, int], bool]
    mix: bool
    cut_test: bool = False
    part: str = ""
    decoded: bool = True


@dataclass(frozen=True)
class Sorted:
    """The sheet, and for arrays the part that each split is from."""

    sheet: Sheet
    origin: dict[str, str]


def sort_pile(writer: ArrayWriter, pile: RawSamples, *, kind: str, seed: int) -> Sorted:
    """Compares, splits and writes.

    Args:
        writer: where they go: the pixels of all splits, one behind the other, to `x`, the rest of
            each to `train-y`, …
        pile: the samples.
        kind: for the sheet.
        seed: of the split.
    """
    n = len(pile.y)
    exact = exact_pairs(pile.traits.digest, pile.equal)
    same = components(n, exact)
    close = np.zeros((0, 2), np.int64)
    if pile.rich.any():
        among = np.flatnonzero((same == np.arange(n)) & pile.rich)
        close = near_pairs(pile.traits, among=among)
    alike = components(n, np.concatenate([exact, close]))
    parts, split_notes = _split(pile, alike, seed)
    if pile.decoded:
        _write_pixels(writer, pile, np.concatenate([parts[s] for s in ROLES]))
    for name, rows in parts.items():
        _write(writer, pile, name, rows)
    where = np.zeros(n, np.int64)
    for number, rows in enumerate(parts.values()):
        where[rows] = number
    origin = {s: _origin(pile, rows, s) for s, rows in parts.items()}
    copies = _copies(pile, same, alike, close, where)
    counts = {s: _counts(pile, r) for s, r in parts.items() if pile.part in ("", s)}
    sheet = Sheet(
        kind=kind,
        classes=pile.classes,
        counts=counts,
        size=pile.x.shape[1:3],
        channels=pile.x.shape[3],
        bits=8 * pile.x.dtype.itemsize,
        duplicates=copies,
        remarks=(*split_notes, *_remarks(counts, pile, copies)),
        found_splits=tuple(s for s in ROLES if s in pile.roles),
        unlabeled={} if pile.classes else {s: len(parts[s]) for s in counts},
    )
    return Sorted(sheet, origin)


def _split(
    pile: RawSamples, alike: np.ndarray, seed: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    roles = np.asarray(pile.roles)
    given = {s: np.flatnonzero(roles == s) for s in ROLES if (roles == s).any()}
    if pile.part:
        none = np.zeros(0, np.int64)
        parts, notes = {s: given.get(s, none) for s in ROLES}, []
    elif not given:
        shares = _SHARES if pile.classes else _EVEN
        parts = partition(pile.y, pile.ids, alike, parts=shares, seed=seed)
        rest = {"train": 1 - sum(shares.values()), **shares}
        about = ", ".join(f"{share:.0%} {s}".replace("%", " %") for s, share in rest.items())
        notes = [f"Split by content: about {about}, seed {seed}. {_ONE_SIDE}"]
    else:
        parts, notes = _carve(pile, alike, given, seed)
    order = draw(pile.ids, seed, 2)
    mixed = {
        s: parts[s][np.argsort(order[parts[s]], kind="stable")] if pile.mix else parts[s]
        for s in ROLES
    }
    return mixed, notes


def _carve(
    pile: RawSamples, alike: np.ndarray, given: dict[str, np.ndarray], seed: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    """A split that the data lacks is cut out of its train; a test not at the cost of a user."""
    parts = {s: given.get(s, np.zeros(0, np.int64)) for s in ROLES}
    missing = {s: share for s, share in _SHARES.items() if s not in given}
    notes = [f"{', '.join(s for s in ROLES if s in given)}: splits of the data set."]
    if "train" not in given:
        return parts, [
            *notes,
            "There is no train split: this data can be evaluated, not trained on.",
        ]
    if "val" in given and "test" in missing and not pile.cut_test:
        del missing["test"]
        notes.append(
            "There is no test split: figures are of val, which also monitors and selects the "
            "training. `--set data.cut_test=true` splits a test set off train."
        )
    if missing:
        train = given["train"]
        cut = partition(pile.y[train], pile.ids[train], alike[train], parts=missing, seed=seed)
        parts |= {s: train[rows] for s, rows in cut.items()}
        shares = " and ".join(f"{s} (about {share:.0%})" for s, share in missing.items())
        notes.append(f"Split off train by content: {shares}, seed {seed}. {_ONE_SIDE}")
    return parts, notes


def _counts(pile: RawSamples, rows: np.ndarray) -> tuple[int, ...]:
    if not pile.classes:
        return ()
    return tuple(np.bincount(pile.y[rows], minlength=len(pile.classes)).tolist())


def _write_pixels(writer: ArrayWriter, pile: RawSamples, rows: np.ndarray) -> None:
    source = pile.rows[rows]
    room = np.empty((_BLOCK, *pile.x.shape[1:]), pile.x.dtype)

    def gather(i: int) -> np.ndarray:
        some = source[i : i + _BLOCK]  # "clip" only spares a second copy: all are in range
        return np.take(pile.x, some, axis=0, out=room[: len(some)], mode="clip")

    blocks = (gather(i) for i in range(0, len(rows), _BLOCK))
    shape = (len(rows), *pile.x.shape[1:])
    writer.write("x", blocks, shape=shape, dtype=pile.x.dtype)


def _write(writer: ArrayWriter, pile: RawSamples, name: str, rows: np.ndarray) -> None:
    writer.put(f"{name}-y", pile.y[rows] if pile.classes else np.full(len(rows), -1))
    writer.put(f"{name}-ids", pile.ids[rows])
    if isinstance(pile.names, PathNames):
        names = pile.names.take(rows)
        writer.put(f"{name}-names", names.blob)
        writer.put(f"{name}-ends", names.ends)
    else:
        writer.put(f"{name}-rows", pile.names.rows[rows])


def _origin(pile: RawSamples, rows: np.ndarray, split: str) -> str:
    return (pile.roles[int(rows[0])] or "images") if len(rows) else split


def _copies(
    pile: RawSamples, same: np.ndarray, alike: np.ndarray, close: np.ndarray, where: np.ndarray
) -> tuple[Copies, ...]:
    def tell(kind: str, rows: np.ndarray) -> Copies:
        origins = [pile.roles[r] or "images" for r in rows.tolist()]
        names = [pile.names[r] for r in rows.tolist()]
        if isinstance(pile.names, RowNames):
            names = [o + n for o, n in zip(origins, names, strict=True)]
        return Copies(
            kind,
            tuple(names),
            tuple(ROLES[w] for w in where[rows].tolist()),
            tuple(pile.classes[k] for k in pile.y[rows].tolist()) if pile.classes else (),
        )

    near = np.isin(alike, alike[close[:, 0]]) if len(close) else np.zeros(len(alike), bool)
    label = np.where(near, alike, -1)
    return tuple(tell("exact", rows) for rows in _groups(same)) + tuple(
        tell("near", rows) for rows in _groups(label) if near[rows[0]]
    )


def _groups(label: np.ndarray) -> list[np.ndarray]:
    """Members of every group of two or more."""
    order = np.argsort(label, kind="stable")
    cuts = np.flatnonzero(np.diff(label[order])) + 1
    return [g for g in np.split(order, cuts) if len(g) > 1]


def _remarks(
    counts: dict[str, tuple[int, ...]], pile: RawSamples, copies: tuple[Copies, ...]
) -> list[str]:
    remarks = []
    conflicts = sum(c.conflict for c in copies)
    if conflicts:
        remarks.append(
            f"{_counted(conflicts, 'image occurs', 'images occur')} under different labels; each "
            "copy is used with its label."
        )
    across = sum(c.across for c in copies)
    if across:
        some = _counted(across, "image lies", "images lie")
        remarks.append(f"{some} in several splits: held-out figures are slightly optimistic.")
    if not pile.classes:
        return [*remarks, _unlabeled(pile)]
    present = [k for k, column in enumerate(zip(*counts.values(), strict=True)) if sum(column)]
    if len(present) < 2 and not pile.part:
        remarks.append("All samples are of one class, so there is nothing to learn.")
    total = np.sum(list(counts.values()), axis=0)
    few = int(((total > 0) & (total < FEW)).sum())
    if few:
        some = _counted(few, "class has", "classes have")
        remarks.append(f"{some} fewer than {FEW} samples: figures on them mean little.")
    if pile.part:
        return remarks
    held = next((s for s in ("test", "val") if any(counts.get(s, ()))), None)
    if held and (unseen := [c for c, n in zip(pile.classes, counts[held], strict=True) if not n]):
        names = ", ".join(f"`{printable(c)}`" for c in unseen[:4]) + (" …" if unseen[4:] else "")
        remarks.append(
            f"{held} has no sample of {names}: its figures say nothing about these classes."
        )
    if not held:
        remarks.append("No sample is held out: nothing can be measured on unseen images.")
    return remarks


def _unlabeled(pile: RawSamples) -> str:
    if isinstance(pile.names, PathNames):
        return "No class folders: these images have no labels."
    return "No array of labels: these images have none."


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"
