"""The data report: what was found, what was done about it, and who went where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from neocog.data.framing import KeptFraction
from neocog.errors import DataError, printable
from neocog.exhibits import Cell, Exhibit, Scalar, Section, Table
from neocog.fields import Fields
from neocog.first_screen import FirstScreen
from neocog.jsonable import keys
from neocog.render.notebook import Result
from neocog.types import RESIZE_MODES

__all__ = ["EMPTY", "UNUSABLE_CLASS", "Copies", "Fault", "Note", "Sheet"]

UNUSABLE_CLASS = "class left out: none of its"
"""How the reason of a class without a usable image begins."""
EMPTY = "empty: this class folder"
"""How the reason of a class folder without files begins."""
_HOW = {"crop": "resized and cropped", "stretch": "stretched", "pad": "resized and padded"}
_ROWS = 50
"""Rows of a table, at most; JSON holds all."""


@dataclass(frozen=True)
class Fault:
    """A file or folder that was left out, and why."""

    path: str
    reason: str

    @property
    def is_folder(self) -> bool:
        """It is a folder, not a file."""
        return self.reason.startswith(("folder ", UNUSABLE_CLASS, EMPTY))


@dataclass(frozen=True)
class Note:
    """Files that were taken in, but not as they are."""

    reason: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Copies:
    """One image that occurs several times.

    Args:
        kind: `exact` where every pixel is equal, `near` where the eye sees the same image.
        names: where the copies are.
        splits: the split of each.
        labels: the class of each.
    """

    kind: str
    names: tuple[str, ...]
    splits: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def conflict(self) -> bool:
        """The copies carry different labels."""
        return len(set(self.labels)) > 1

    @property
    def across(self) -> bool:
        """The copies lie in different splits."""
        return len(set(self.splits)) > 1


@dataclass(frozen=True, kw_only=True, repr=False)
class Sheet(Result):
    """What a data set holds.

    Args:
        kind: digits, folder, idx, npz, npy, hdf5 or cifar.
        classes: names, in the order of the numbers; none of images without labels.
        counts: of each split, the samples of each class.
        size: (H, W) of the samples as they are served.
        channels: 1 gray, 3 color, of arrays any number.
        bits: 8 or 16 a value; 32 of raw values, which have no white.
        found_sizes: (H, W, how many), the most frequent first; the ten most frequent.
        size_range: smallest and largest (H, W) by area, or None where nothing was measured.
        faults: what was left out.
        notes: what was taken in changed.
        duplicates: images that occur several times.
        remarks: sentences on the split and on what a user should know before training.
        cautions: sentences on pixels that are not what they seem: far too dark, all of one color.
        kept: what is left of the images at that size, or None where nothing was measured.
        resize_mode: how they are brought to it.
        found_splits: splits of the data itself; the others are random.
        unlabeled: of each split, the samples that are in no class; empty where all have one.
    """

    JSON = keys(
        "...", "counts=class_counts", "n", "labeled", "balance", "warnings", "conflicts",
        "duplicates_across_splits",
    )  # fmt: skip

    kind: str
    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    size: tuple[int, int]
    channels: int
    bits: int
    found_sizes: tuple[tuple[int, int, int], ...] = ()
    size_range: tuple[tuple[int, int], tuple[int, int]] | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[Note, ...] = ()
    duplicates: tuple[Copies, ...] = ()
    remarks: tuple[str, ...] = field(default_factory=tuple)
    cautions: tuple[str, ...] = ()
    kept: KeptFraction | None = None
    resize_mode: str = "crop"
    found_splits: tuple[str, ...] = ()
    unlabeled: Mapping[str, int] = field(default_factory=dict)

    @property
    def n(self) -> dict[str, int]:
        """Samples of each split."""
        return {s: sum(column) + self.unlabeled.get(s, 0) for s, column in self.counts.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a model will not get to see of many images, and what to do about it."""
        lost = () if self.kept is None else self.kept.warnings(self.size)
        return (*lost, *self.cautions)

    @property
    def unusable_classes(self) -> tuple[Fault, ...]:
        """Classes that are left out, as none of their files can be used."""
        kept = {name.casefold() for name in self.classes}
        return tuple(
            f
            for f in self.faults
            if f.reason.startswith(UNUSABLE_CLASS)
            or (f.reason.startswith(EMPTY) and f.path.rpartition("/")[2].casefold() not in kept)
        )

    @property
    def conflicts(self) -> tuple[Copies, ...]:
        """Copies of one image under different classes."""
        return tuple(c for c in self.duplicates if c.conflict)

    @property
    def balance(self) -> float:
        """Samples of the smallest class over those of the largest, all splits together."""
        total = [sum(column) for column in zip(*self.counts.values(), strict=True)]
        return min(total) / max(total) if total and max(total) else 0.0

    @property
    def class_counts(self) -> dict[str, dict[str, int]]:
        """Of each split, the samples of each class by its name."""
        return {s: dict(zip(self.classes, n, strict=True)) for s, n in self.counts.items()}

    @property
    def labeled(self) -> bool:
        """Whether every sample is in a class."""
        return not self.unlabeled

    @property
    def duplicates_across_splits(self) -> int:
        """Images that occur in several splits."""
        return sum(c.across for c in self.duplicates)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            DataError: a key is missing, of another kind or out of its range.
        """
        fields = Fields(plain, "a data report", error=DataError)
        classes = fields.texts("classes")
        counts = fields.table("counts")
        columns = {split: counts.table(split) for split in counts.values}
        bare = fields.table("unlabeled")
        return cls(
            kind=fields.text("kind"),
            classes=classes,
            counts={s: tuple(c.integer(k, low=0) for k in classes) for s, c in columns.items()},
            size=_pair(fields.integers("size", count=2, low=1)),
            channels=fields.integer("channels", low=1),
            bits=fields.integer("bits", low=1),
            found_sizes=tuple(
                (h, w, n) for h, w, n in fields.integer_rows("found_sizes", count=3, low=0)
            ),
            size_range=_span(fields),
            faults=tuple(Fault(f.text("path"), f.text("reason")) for f in fields.tables("faults")),
            notes=tuple(Note(n.text("reason"), n.texts("paths")) for n in fields.tables("notes")),
            duplicates=tuple(
                Copies(c.text("kind"), c.texts("names"), c.texts("splits"), c.texts("labels"))
                for c in fields.tables("duplicates")
            ),
            remarks=fields.texts("remarks"),
            cautions=fields.texts("cautions"),
            kept=None if fields.values.get("kept") is None else _kept(fields.table("kept")),
            resize_mode=fields.text("resize_mode", among=RESIZE_MODES),
            found_splits=fields.texts("found_splits"),
            unlabeled={s: bare.integer(s, low=0) for s in bare.values},
        )

    def heading(self) -> str:
        """What it is of."""
        return f"Data: {self.kind}"

    def first_screen(self) -> FirstScreen:
        """The first screen, without images."""
        from neocog.data.findings import first_screen

        return first_screen(self)

    def sections(self) -> list[Section]:
        """Everything, in reading order."""
        return self.exhibits()

    def exhibits(self) -> list[Section]:
        """What a report or terminal shows."""
        parts = [self._contents()]
        if self.duplicates:
            parts.append(self._copies())
        if self.faults or self.notes:
            parts.append(self._faults())
        return parts

    def _contents(self) -> Section:
        splits = list(self.counts)
        rows: list[list[Cell]] = [
            [
                printable(name),
                *(self.counts[s][k] for s in splits),
                sum(self.counts[s][k] for s in splits),
            ]
            for k, name in enumerate(self.classes)
        ]
        sums = [self.n[s] for s in splits]
        rows.append(["all", *sums, sum(sums)])
        exhibits: list[Exhibit] = [
            Table(title="Samples", columns=["class", *splits, "all"], rows=rows),
        ]
        if self.classes:
            note = "Samples of the smallest class divided by those of the largest."
            exhibits.append(Scalar(title="Balance", value=self.balance, unit="%", note=note))
        if len(self.found_sizes) > 1:
            sizes: list[list[Cell]] = [[f"{h} × {w}", n] for h, w, n in self.found_sizes]
            exhibits.append(
                Table(title="Sizes (height × width)", columns=["size", "images"], rows=sizes)
            )
        served = f"{self.size[0]} × {self.size[1]} pixels (height × width)"
        color = {1: "gray", 3: "color"}.get(self.channels, f"{self.channels} channels")
        depth = "raw values as float32" if self.bits == 32 else f"{self.bits} bits"
        how = _HOW[self.resize_mode.partition("-")[0]]
        resized = "" if self.size_range == (self.size, self.size) else f", {how}"
        text = f"Input size {served}{resized}, {color}, {depth}. "
        if self.kept is not None:
            text += self.kept.remark() + " "
        text += " ".join([*self.warnings, *self.remarks])
        return Section(title="Data", exhibits=exhibits, text=text.strip())

    def _copies(self) -> Section:
        ranked = sorted(self.duplicates, key=lambda c: (not c.conflict, not c.across, c.kind))
        rows = [
            [
                c.kind,
                _short(c.names),
                _short(tuple(dict.fromkeys(c.labels))),
                _short(tuple(dict.fromkeys(c.splits))),
            ]
            for c in ranked[:_ROWS]
        ]
        exact = sum(c.kind == "exact" for c in self.duplicates)
        conflicts, across = len(self.conflicts), sum(c.across for c in self.duplicates)
        text = (
            f"{exact:,} image{' occurs' if exact == 1 else 's occur'} several times with equal "
            f"pixels, {len(self.duplicates) - exact:,} nearly so; of these {conflicts:,} "
            f"carr{'ies' if conflicts == 1 else 'y'} different labels; {across:,} "
            f"lie{'s' if across == 1 else ''} in several splits."
        )
        table = Table(
            title="Duplicate images",
            columns=["copies", "where", "labels", "splits"],
            rows=rows,
            note=_more(len(ranked)),
        )
        return Section(title="Duplicates", exhibits=[table], text=text)

    def _faults(self) -> Section:
        exhibits: list[Exhibit] = []
        if self.faults:
            left: list[list[Cell]] = [[printable(f.path), f.reason] for f in self.faults[:_ROWS]]
            exhibits.append(
                Table(
                    title="Left out",
                    columns=["file", "reason"],
                    rows=left,
                    note=_more(len(self.faults)),
                )
            )
        if self.notes:
            taken: list[list[Cell]] = [
                [n.reason, len(n.paths), _short(n.paths)] for n in self.notes
            ]
            exhibits.append(Table(title="Taken in", columns=["how", "files", "which"], rows=taken))
        return Section(title="Files that need a look", exhibits=exhibits)


def _span(fields: Fields) -> tuple[tuple[int, int], tuple[int, int]] | None:
    if fields.values.get("size_range") is None:
        return None
    pairs = fields.integer_rows("size_range", count=2, low=0)
    if len(pairs) != 2:
        fields.bad("size_range", "two sizes", pairs)
    return _pair(pairs[0]), _pair(pairs[1])


def _kept(fields: Fields) -> KeptFraction:
    return KeptFraction(
        n=fields.integer("n", low=0),
        area_min=fields.number("area_min", low=0),
        area_median=fields.number("area_median", low=0),
        cut=fields.integer("cut", low=0),
        scale_min=fields.number("scale_min", low=0),
        scale_median=fields.number("scale_median", low=0),
        shrunk=fields.integer("shrunk", low=0),
        enlarged=fields.integer("enlarged", low=0),
        bent=fields.integer("bent", low=0),
        larger=_pair(fields.integers("larger", count=2, low=0)),
    )


def _pair(pair: Sequence[int]) -> tuple[int, int]:
    height, width = pair
    return int(height), int(width)


def _short(names: Sequence[str], most: int = 6) -> str:
    text = ", ".join(printable(n) for n in names[:most])
    return text if len(names) <= most else f"{text}, and {len(names) - most} more"


def _more(n: int) -> str:
    return f"The first {_ROWS} of {n}; `--json` gives all." if n > _ROWS else ""
