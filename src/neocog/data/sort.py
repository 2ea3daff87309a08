"""Puts decoded samples into their splits, and says in a sheet what was found on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neocog.data.duplicates import (
    LEAST_SIDE,
    Traits,
    components,
    digest,
    exact_pairs,
    near_pairs,
    traits,
)
from neocog.data.sheet import Copies, Sheet
from neocog.data.shelf import Shelf
from neocog.data.split import ROLES, PathNames, RowNames, partition

__all__ = ["FEW", "Pile", "Sorted", "sort_pile"]

FEW = 10
"""Samples of a class below which a split of it says little."""
_BLOCK = 64
_ONE_SIDE = "Copies of one picture are kept on one side."


@dataclass(frozen=True, kw_only=True)
class Pile:
    """Samples before they are split.

    Args:
        x: (N, H, W, C) pixels; rows that are not in `rows` failed to decode.
        rows: which rows of `x` the samples are, (B,).
        y: class numbers, (B,).
        names: of the samples.
        roles: the split each was found in, or "".
        classes: names.
        traits: what samples are compared by, or None where that is still to be found.
        mix: give each split a seeded random order; else samples keep theirs.
    """

    x: np.ndarray
    rows: np.ndarray
    y: np.ndarray
    names: PathNames | RowNames
    roles: Sequence[str]
    classes: tuple[str, ...]
    traits: Traits | None
    mix: bool


@dataclass(frozen=True)
class Sorted:
    """The sheet, and for arrays the part that each split is from."""

    sheet: Sheet
    origin: dict[str, str]


def sort_pile(shelf: Shelf, pile: Pile, *, kind: str, seed: int) -> Sorted:
    """Compares, splits and writes.

    Args:
        shelf: where the splits go: `train-x`, `train-y`, …
        pile: the samples.
        kind: for the sheet.
        seed: of the split.
    """
    n = len(pile.y)
    rich = min(pile.x.shape[1:3]) >= LEAST_SIDE
    found = pile.traits or _traits(pile.x, rich)
    exact = exact_pairs(pile.x, found.digest, rows=pile.rows)
    same = components(n, exact)
    close = np.zeros((0, 2), np.int64)
    if rich:
        close = near_pairs(found, among=np.flatnonzero(same == np.arange(n)))
    alike = components(n, np.concatenate([exact, close]))
    parts, said = _split(pile, alike, seed)
    for name, rows in parts.items():
        _write(shelf, pile, name, rows)
    where = np.zeros(n, np.int64)
    for number, rows in enumerate(parts.values()):
        where[rows] = number
    origin = {s: _origin(pile, rows, s) for s, rows in parts.items()}
    copies = _copies(pile, same, alike, close, where)
    counts = {
        s: tuple(np.bincount(pile.y[r], minlength=len(pile.classes)).tolist())
        for s, r in parts.items()
    }
    sheet = Sheet(
        kind=kind,
        classes=pile.classes,
        counts=counts,
        size=pile.x.shape[1:3],
        channels=pile.x.shape[3],
        bits=8 * pile.x.dtype.itemsize,
        duplicates=copies,
        remarks=(*said, *_remarks(counts, pile, copies)),
    )
    return Sorted(sheet, origin)


def _split(pile: Pile, alike: np.ndarray, seed: int) -> tuple[dict[str, np.ndarray], list[str]]:
    roles = np.asarray(pile.roles)
    given = {s: np.flatnonzero(roles == s) for s in ROLES if (roles == s).any()}
    if not given:
        parts = partition(pile.y, alike, parts={"val": 0.1, "test": 0.2}, seed=seed)
        said = [
            f"Split by us: 70 % train, 10 % val, 20 % test of every class, seed {seed}. "
            + _ONE_SIDE
        ]
    else:
        parts, said = _carve(pile.y, alike, given, seed)
    rng = np.random.default_rng([seed, 0xB0])
    mixed = {s: rng.permutation(parts[s]) if pile.mix else parts[s] for s in ROLES}
    return mixed, said


def _carve(
    y: np.ndarray, alike: np.ndarray, given: dict[str, np.ndarray], seed: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    """What the place does not bring is cut out of its train."""
    parts = {s: given.get(s, np.zeros(0, np.int64)) for s in ROLES}
    missing = {s: share for s, share in (("val", 0.1), ("test", 0.2)) if s not in given}
    said = [f"{', '.join(s for s in ROLES if s in given)}: split as found."]
    if "train" not in given:
        return parts, [*said, "There is no train: this can be evaluated, not trained on."]
    if missing:
        train = given["train"]
        cut = partition(y[train], alike[train], parts=missing, seed=seed)
        parts |= {s: train[rows] for s, rows in cut.items()}
        shares = " and ".join(f"{s} ({share:.0%})" for s, share in missing.items())
        said.append(f"Cut out of train: {shares}, of every class alike, seed {seed}. {_ONE_SIDE}")
    return parts, said


def _write(shelf: Shelf, pile: Pile, name: str, rows: np.ndarray) -> None:
    source = pile.rows[rows]
    room = np.empty((_BLOCK, *pile.x.shape[1:]), pile.x.dtype)

    def gather(i: int) -> np.ndarray:
        some = source[i : i + _BLOCK]  # "clip" only spares a second copy: all are in range
        return np.take(pile.x, some, axis=0, out=room[: len(some)], mode="clip")

    blocks = (gather(i) for i in range(0, len(rows), _BLOCK))
    shape = (len(rows), *pile.x.shape[1:])
    shelf.write(f"{name}-x", blocks, shape=shape, dtype=pile.x.dtype)
    shelf.put(f"{name}-y", pile.y[rows])
    if isinstance(pile.names, PathNames):
        names = pile.names.take(rows)
        shelf.put(f"{name}-names", names.blob)
        shelf.put(f"{name}-ends", names.ends)
    else:
        shelf.put(f"{name}-rows", pile.names.rows[rows])


def _origin(pile: Pile, rows: np.ndarray, split: str) -> str:
    return (pile.roles[int(rows[0])] or "images") if len(rows) else split


def _traits(x: np.ndarray, rich: bool) -> Traits:
    blocks = [x[i : i + _BLOCK] for i in range(0, len(x), _BLOCK)]
    if rich:
        return Traits(*(np.concatenate(c) for c in zip(*map(traits, blocks), strict=True)))
    none = np.zeros(0, np.uint64)
    return Traits(np.concatenate([digest(b) for b in blocks]), none, none)


def _copies(
    pile: Pile, same: np.ndarray, alike: np.ndarray, close: np.ndarray, where: np.ndarray
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
            tuple(pile.classes[k] for k in pile.y[rows].tolist()),
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
    counts: dict[str, tuple[int, ...]], pile: Pile, copies: tuple[Copies, ...]
) -> list[str]:
    said = []
    conflicts = sum(c.conflict for c in copies)
    if conflicts:
        said.append(
            f"{conflicts} pictures occur under different labels; "
            "every copy is used as it is labelled."
        )
    across = sum(c.across for c in copies)
    if across:
        said.append(f"{across} pictures lie in several splits: held-out figures flatter a little.")
    present = [k for k, column in enumerate(zip(*counts.values(), strict=True)) if sum(column)]
    if len(present) < 2:
        said.append("All samples are of one class: there is nothing to learn from them.")
    total = np.sum(list(counts.values()), axis=0)
    few = int(((total > 0) & (total < FEW)).sum())
    if few:
        said.append(f"{few} classes have fewer than {FEW} samples: figures on them say little.")
    return said
