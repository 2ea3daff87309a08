"""One part of a data set: pixels, labels and sources; and the assignment of samples to splits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import overload

import numpy as np

__all__ = [
    "ROLES",
    "JoinedNames",
    "PathNames",
    "RowNames",
    "Split",
    "draw",
    "file_order",
    "ids_of",
    "partition",
]

ROLES = ("train", "val", "test")
"""The three parts of every source, in this order."""


class Names(Sequence[str], ABC):
    """Names of samples that are made when they are read."""

    @abstractmethod
    def at(self, i: int) -> str:
        """The name of one sample, counted from 0."""

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        rows = range(len(self))[i]
        return self.at(rows) if isinstance(rows, int) else [self.at(j) for j in rows]


class PathNames(Names):
    """Relative paths, kept as one run of bytes and decoded on access.

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

    def at(self, i: int) -> str:
        """The name of one sample."""
        start = int(self.ends[i - 1]) if i else 0
        raw = self.blob[start : int(self.ends[i])].tobytes()
        return raw.decode("utf-8", "surrogateescape")

    def take(self, rows: np.ndarray) -> PathNames:
        """The paths of some rows, in their order."""
        return PathNames.of([self[r] for r in rows.tolist()])


class RowNames(Names):
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

    def at(self, i: int) -> str:
        """The name of one sample."""
        return f"{self.prefix}[{self.rows[i]}]"

    def take(self, rows: np.ndarray) -> RowNames:
        """The names of some rows, in their order."""
        return RowNames(self.prefix, self.rows[rows])


class JoinedNames(Names):
    """Names of several splits, one behind the other.

    Args:
        parts: the names of each.
    """

    def __init__(self, parts: Sequence[Sequence[str]]) -> None:
        self.parts = parts
        self.ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def at(self, i: int) -> str:
        """The name of one sample."""
        k = bisect_right(self.ends, i)
        return self.parts[k][i - (self.ends[k - 1] if k else 0)]


@dataclass(frozen=True)
class Split:
    """Some samples in memory or mapped from disk.

    Args:
        x: (B, H, W, C), uint8 or uint16; full white is 255 or 65535; float32 of raw values, which
            have no white.
        y: class indices, int64 (B,); -1 where unknown.
        names: where each sample is from: a relative path, or `train[17]`.
        ids: of the content of each file or row, whatever the size it is served at, uint64 (B,);
            None where unknown.
    """

    x: np.ndarray
    y: np.ndarray
    names: Sequence[str]
    ids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    def subset(self, rows: Sequence[int] | np.ndarray) -> Split:
        """Some of the samples, in the order given; pixels are copied.

        Args:
            rows: positions, or a mask of one boolean per sample.
        """
        keep = np.asarray(rows)
        keep = np.flatnonzero(keep) if keep.dtype == bool else keep.astype(np.int64).reshape(-1)
        if isinstance(self.names, (PathNames, RowNames)):
            names: Sequence[str] = self.names.take(keep)
        else:
            names = [self.names[i] for i in keep.tolist()]
        return Split(
            self.x[keep], self.y[keep], names, None if self.ids is None else self.ids[keep]
        )


def file_order(names: Sequence[str]) -> np.ndarray:
    """Positions of samples in the order of their files, int64 (B,): rows of an array by number.

    Arrays and paths stay where they are, as they first come.

    Example:
        >>> file_order(["a[4]", "a[0]", "b[1]", "a[2]", "b[0]"]).tolist()
        [1, 3, 0, 4, 2]
        >>> file_order(["b.png", "a.png"]).tolist()
        [0, 1]
    """
    first: dict[str, int] = {}
    keys = []
    for at, name in enumerate(names):
        prefix, bracket, tail = name.rpartition("[")
        row = tail.removesuffix("]")
        if not bracket or row == tail or not row.isdecimal():
            keys.append((first.setdefault(name, at), 0))
        else:
            keys.append((first.setdefault(prefix + bracket, at), int(row)))
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def ids_of(x: np.ndarray) -> np.ndarray:
    """Of the content of each row of an array, uint64 (B,)."""
    form = repr((x.shape[1:], x.dtype.str)).encode()
    digests = [
        blake2b(row.tobytes(), digest_size=8, salt=b"", person=b"row", key=form[:64]).digest()
        for row in x
    ]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def partition(
    y: np.ndarray,
    ids: np.ndarray,
    groups: np.ndarray,
    *,
    parts: dict[str, float],
    seed: int,
) -> dict[str, np.ndarray]:
    """Who goes where: by a hash of each sample's content and the seed, every group on one side.

    The hash is a number from 0 to 1, and the parts are stretches of that line: neither the order
    nor the number nor the names of other samples matter, so that samples that are added or
    removed move no other. Fractions are met as by tossing a coin for each sample: of 1,000 samples
    about 200 ± 13 go to a part of 0.2.

    Three exceptions, which only small sets meet (decision 0010):
        - a group of copies stands where its leading member (the least of a second hash) would
          stand alone; a new member may lead, and takes the group with it;
        - a class with nothing in train gets its nearest group there;
        - a part that would be empty gets the group nearest to it, where train keeps every class.

    Args:
        y: class indices, int64 (B,).
        ids: of the content of each sample, uint64 (B,).
        groups: samples of equal number stay together, int64 (B,).
        parts: fractions of the parts beside `train`, such as `{"val": 0.1, "test": 0.2}`.
        seed: the same seed gives the same parts.

    Returns:
        Rising positions for `train` and each of `parts`; together each position once.

    Example:
        >>> import numpy as np
        >>> y, ids = np.repeat([0, 1], 500), np.arange(1000, dtype=np.uint64)
        >>> cut = partition(y, ids, np.arange(1000), parts={"val": 0.1, "test": 0.2}, seed=0)
        >>> {k: len(v) for k, v in cut.items()}
        {'train': 692, 'val': 106, 'test': 202}
        >>> less = partition(y[:900], ids[:900], np.arange(900), parts={"val": 0.1, "test": 0.2},
        ...                  seed=0)
        >>> set(less["test"]) == {i for i in cut["test"] if i < 900}
        True
    """
    _, group = np.unique(groups, return_inverse=True)
    position, lead = draw(ids, seed, 0), draw(ids, seed, 1)
    leaders = np.lexsort((lead, group))
    leaders = leaders[np.flatnonzero(np.diff(group[leaders], prepend=-1))]
    at = position[leaders]
    side, names, low = np.zeros(len(leaders), np.int64), ["train", *parts], 0.0
    for number, share in enumerate(parts.values(), start=1):
        side[(at >= low) & (at < low + share)] = number
        low += share
    members = np.zeros((len(leaders), int(y.max(initial=0)) + 1), np.int64)
    np.add.at(members, (group, y), 1)
    _mend(side, members, at, len(parts))
    where = side[group] if len(y) else np.zeros(0, np.int64)
    return {name: np.flatnonzero(where == number) for number, name in enumerate(names)}


def draw(ids: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """A number in [0, 1) for each content: a pure function of it, the seed and the stream."""
    key = np.array([seed, stream], "<u8").tobytes()
    raw = np.ascontiguousarray(ids, "<u8").tobytes()
    digests = [
        blake2b(raw[i : i + 8], digest_size=8, key=key).digest() for i in range(0, len(raw), 8)
    ]
    drawn: np.ndarray = (np.frombuffer(b"".join(digests), "<u8") >> np.uint64(11)) / float(1 << 53)
    return drawn


def _mend(side: np.ndarray, members: np.ndarray, at: np.ndarray, parts: int) -> None:
    """In place: every class in train, then no part empty, with the fewest and nearest moves.

    Args:
        side: of each group, 0 for train, int64 (G,).
        members: of each group, how many of each class, (G, K).
        at: position of each group in [0, 1), (G,).
        parts: beside train.
    """
    last = np.argsort(-at, kind="stable")
    for k in np.flatnonzero(members.sum(0) > 0).tolist():
        if not members[side == 0, k].any():
            side[next(g for g in last.tolist() if members[g, k])] = 0
    for part in range(parts, 0, -1):
        if (side == part).any():
            continue
        for g in last[::-1].tolist():
            rest = (side == side[g]) & (np.arange(len(side)) != g)
            kept = members[rest].sum(0) > 0
            if rest.any() and (side[g] != 0 or kept[members[g] > 0].all()):
                side[g] = part
                break
