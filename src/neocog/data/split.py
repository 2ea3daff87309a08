"""One part of a data set: pixels, answers and where each sample is from; and who goes where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

__all__ = ["ROLES", "PathNames", "RowNames", "Split", "partition"]

ROLES = ("train", "val", "test")
"""The three parts of every source, in this order."""


class PathNames(Sequence[str]):
    """Relative paths, kept as one run of bytes and read when asked for.

    Args:
        blob: all paths one after the other, as the file system spells them, uint8.
        ends: where each path ends in `blob`, int64 (B,).
    """

    def __init__(self, blob: np.ndarray, ends: np.ndarray) -> None:
        self.blob = blob
        self.ends = ends

    @classmethod
    def of(cls, names: Sequence[str]) -> PathNames:
        """From a list of paths.

        Example:
            >>> list(PathNames.of(["cat/1.png", "dog/2.png"]))
            ['cat/1.png', 'dog/2.png']
        """
        raw = [n.encode("utf-8", "surrogateescape") for n in names]
        ends = np.cumsum([len(n) for n in raw], dtype=np.int64)
        return cls(np.frombuffer(b"".join(raw), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        i = range(len(self))[i]
        start = int(self.ends[i - 1]) if i else 0
        raw = self.blob[start : int(self.ends[i])].tobytes()
        return raw.decode("utf-8", "surrogateescape")

    def take(self, rows: np.ndarray) -> PathNames:
        """The paths of some rows, in their order."""
        return PathNames.of([self[r] for r in rows.tolist()])


class RowNames(Sequence[str]):
    """Names of rows of an array: `train[17]`.

    Args:
        prefix: of which array.
        rows: number in that array, int64 (B,).
    """

    def __init__(self, prefix: str, rows: np.ndarray) -> None:
        self.prefix = prefix
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [f"{self.prefix}[{r}]" for r in self.rows[i]]
        return f"{self.prefix}[{self.rows[i]}]"

    def take(self, rows: np.ndarray) -> RowNames:
        """The names of some rows, in their order."""
        return RowNames(self.prefix, self.rows[rows])


@dataclass(frozen=True)
class Split:
    """Some samples in memory or mapped from disk.

    Args:
        x: (B, H, W, C), uint8 or uint16; full white is 255 or 65535.
        y: class numbers, int64 (B,).
        names: where each sample is from: a relative path, or `train[17]`.
    """

    x: np.ndarray
    y: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.y)

    def subset(self, rows: Sequence[int] | np.ndarray) -> Split:
        """Some of the samples, in the order given; pixels are copied.

        Args:
            rows: positions, or a mask of one truth value a sample.
        """
        keep = np.asarray(rows)
        keep = np.flatnonzero(keep) if keep.dtype == bool else keep.astype(np.int64).reshape(-1)
        if isinstance(self.names, (PathNames, RowNames)):
            names: Sequence[str] = self.names.take(keep)
        else:
            names = [self.names[i] for i in keep.tolist()]
        return Split(self.x[keep], self.y[keep], names)


def partition(
    y: np.ndarray,
    groups: np.ndarray,
    *,
    parts: dict[str, float],
    seed: int,
) -> dict[str, np.ndarray]:
    """Who goes where: seeded, stratified, with every group on one side.

    Of each class every part gets its share, rounded to the nearest sample, and at least one of
    three samples or more; train gets what is left. Groups of several samples (copies of one
    picture) go to train as long as its share of their classes has room, so that held-out parts
    hold each picture once.

    Args:
        y: class numbers, int64 (B,).
        groups: samples of equal number stay together, int64 (B,).
        parts: shares of the parts beside `train`, such as `{"val": 0.1, "test": 0.2}`.
        seed: of the draw; the same seed gives the same parts.

    Returns:
        Rising positions for `train` and each of `parts`; together each position once.

    Example:
        >>> import numpy as np
        >>> y = np.repeat([0, 1], 10)
        >>> cut = partition(y, np.arange(20), parts={"val": 0.1, "test": 0.2}, seed=0)
        >>> {k: len(v) for k, v in cut.items()}
        {'train': 14, 'val': 2, 'test': 4}
    """
    rng = np.random.default_rng([seed, 0x5EED])
    count = np.bincount(y, minlength=1) if len(y) else np.zeros(1, np.int64)
    room = {
        name: np.where(count >= 3, np.maximum(1, np.floor(share * count + 0.5)), 0).astype(np.int64)
        for name, share in parts.items()
    }
    room = {"train": count - sum(room.values(), np.zeros_like(count)), **room}
    where = np.full(len(y), -1, np.int64)
    order = list(room)
    _place_groups(y, groups, room, where, rng)
    single = np.flatnonzero(where < 0)
    single = single[rng.permutation(len(single))]
    single = single[np.argsort(y[single], kind="stable")]
    begin = np.searchsorted(y[single], np.arange(len(count)))
    rank = np.arange(len(single)) - begin[y[single]]
    bound = np.zeros_like(count)
    target = np.zeros(len(single), np.int64)
    for number, name in enumerate(order[1:], start=1):
        inside = (rank >= bound[y[single]]) & (rank < (bound + room[name])[y[single]])
        target[inside] = number
        bound = bound + room[name]
    where[single] = target
    return {name: np.flatnonzero(where == number) for number, name in enumerate(order)}


def _place_groups(
    y: np.ndarray,
    groups: np.ndarray,
    room: dict[str, np.ndarray],
    where: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Puts groups of two or more into the first part with room, the largest first."""
    _, inverse, size = np.unique(groups, return_inverse=True, return_counts=True)
    many = np.flatnonzero(size[inverse] > 1)
    if not len(many):
        return
    many = many[np.argsort(inverse[many], kind="stable")]
    members = np.split(many, np.flatnonzero(np.diff(inverse[many])) + 1)
    members = [members[i] for i in rng.permutation(len(members))]
    members.sort(key=len, reverse=True)
    names = list(room)
    for rows in members:
        need = np.bincount(y[rows], minlength=len(room["train"]))
        fits = [i for i, name in enumerate(names) if np.all(need <= room[name])]
        part = fits[0] if fits else 0
        room[names[part]] = np.maximum(0, room[names[part]] - need)
        where[rows] = part
