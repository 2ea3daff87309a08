"""A file that says the class of some images: CSV lines `path,label`, or JSON.

JSON is a table of path to label, or a list of tables with the keys `path` and `label`. A path is
one of the data set's own names: relative to its folder, or `train[17]` of arrays; the last parts of
it are enough where no other image ends with them, and folders above the data may stand before it.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neocog.errors import DataError, did_you_mean, printable
from neocog.files import parse_json, read_text

__all__ = ["LIMIT", "matched_labels", "read_labels"]

LIMIT = 256 * 2**20
"""Bytes of a file of labels, at most."""

_PATHS = ("path", "file", "filename", "filepath", "image", "imagefile", "imageid", "imagename")
_IDS = ("imagepath", "img", "imgid", "imgname", "imgpath", "id", "name")
_CLASSES = (
    "label",
    "labels",
    "class",
    "classid",
    "classname",
    "category",
    "species",
    "target",
    "y",
)
_HEADINGS = frozenset((*_PATHS, *_IDS, *_CLASSES))
"""Words of a first line of CSV that is not a label, without spaces, hyphens and underscores."""


def read_labels(file: Path) -> dict[str, str]:
    """Path to label.

    Args:
        file: .json, or else CSV.

    Raises:
        DataError: it cannot be read, holds no label, or names an image twice with two labels.
    """
    text = read_text(file, limit=LIMIT, what="A label file", error=DataError)
    name = printable(file)
    if file.suffix.lower() == ".json":
        pairs = _pairs(parse_json(text, source=f"`{name}`", error=DataError), name)
    else:
        pairs = _lines(text, name)
    if not pairs:
        raise DataError(
            f"A label file needs a line `path,label` per image, and `{name}` has none. Write at "
            "least one label per class."
        )
    labels: dict[str, str] = {}
    for path, label in pairs:
        if labels.setdefault(path, label) != label:
            raise _two_labels(path, labels[path], label, file=name)
    return labels


def _two_labels(path: str, one: str, other: str, *, file: str) -> DataError:
    return DataError(
        f"An image has one label; `{file}` gives `{printable(path)}` two, `{printable(one)}` and "
        f"`{printable(other)}`. Keep one."
    )


def _lines(text: str, name: str) -> list[tuple[str, str]]:
    pairs = []
    first = True
    for number, cells in _rows(text, name):
        if not any(cells):
            continue
        if len(cells) != 2 or not all(cells):
            if len(cells) == 1 and (";" in cells[0] or "\t" in cells[0]):
                remedy = "Its values are separated by commas: replace the semicolon or tab."
            else:
                remedy = "Correct it, or put quotes around a path with a comma."
            count = f"{len(cells)} value{'s' * (len(cells) > 1)}"
            raise DataError(
                f"A line of a label file is `path,label`; line {number} of `{name}` has "
                f"{count}. {remedy}"
            )
        if not (first and all(_plain_word(c) in _HEADINGS for c in cells)):
            pairs.append((cells[0], cells[1]))
        first = False
    return pairs


def _plain_word(cell: str) -> str:
    return cell.lower().translate({ord(c): None for c in " _-"})


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line of each row, and its values."""
    reader, number = csv.reader(io.StringIO(text), strict=True), 1
    try:
        for row in reader:
            yield number, [cell.strip() for cell in row]
            number = reader.line_num + 1
    except csv.Error as e:
        behind = "expected after" in str(e)
        fault = (
            "text follows a closing quotation mark" if behind else "a quotation mark is not closed"
        )
        raise DataError(
            f"A line of a label file is `path,label`; in line {number} of `{name}` {fault}. "
            'Correct it; double a quotation mark within quotation marks: "".'
        ) from e


def _pairs(plain: Any, name: str) -> list[tuple[str, str]]:
    if isinstance(plain, Mapping):
        pairs = list(plain.items())
    elif isinstance(plain, list) and all(isinstance(row, Mapping) for row in plain):
        pairs = [(row.get("path"), row.get("label")) for row in plain]
    else:
        pairs = [(None, None)]
    if any(not isinstance(p, str) or not isinstance(v, str | int) for p, v in pairs):
        raise DataError(
            f"JSON labels are a table of path to label, or a list of tables with `path` and "
            f'`label`; `{name}` is another. Write {{"cat/1.png": "cat"}}.'
        )
    return [(p, str(v)) for p, v in pairs]


def matched_labels(
    labels: Mapping[str, str], names: Sequence[str], classes: Sequence[str], file: str
) -> tuple[dict[int, int], tuple[str, ...]]:
    """Row to class index.

    Args:
        labels: path to label.
        names: of all images.
        classes: known ones, in their order; empty to take those of the file, sorted.
        file: of the labels, for messages.

    Returns:
        The rows with their class, and the classes.

    Raises:
        DataError: an image is missing or has two labels, or a class is unknown.
    """
    known = tuple(classes) or tuple(sorted(set(labels.values())))
    index = {c: i for i, c in enumerate(known)}
    rows_of = _rows_by_last_part(names)
    rows: dict[int, int] = {}
    missing = []
    for path, label in labels.items():
        same = _same(path, names, rows_of)
        if len(same) != 1:
            missing.append((path, len(same)))
            continue
        if label not in index:
            raise DataError(
                f"A label is one of the classes; `{printable(file)}` has `{printable(label)}` for "
                f"`{printable(path)}`. {did_you_mean(label, known)}"
            )
        row = same[0]
        if rows.setdefault(row, index[label]) != index[label]:
            raise _two_labels(names[row], known[rows[row]], label, file=printable(file))
    if missing:
        path, count = missing[0]
        why = "is not an image of the data" if not count else f"matches {count} images"
        more = f" ({len(missing) - 1:,} more likewise)" if len(missing) > 1 else ""
        raise DataError(
            f"A label file names images of the data; in `{printable(file)}` "
            f"`{printable(path)}` {why}{more}. Write paths relative to the data folder, as "
            f"`{printable(names[0])}`."
        )
    return rows, known


def _rows_by_last_part(names: Sequence[str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for i, n in enumerate(names):
        rows.setdefault(n.rpartition("/")[2], []).append(i)
    return rows


def _same(path: str, names: Sequence[str], rows_of: Mapping[str, list[int]]) -> list[int]:
    """Rows of the images that a path may mean: of its name, or of whole last parts of one.

    Example:
        >>> names = ["cat/17.png", "dog/2.png"]
        >>> rows = _rows_by_last_part(names)
        >>> [_same(p, names, rows) for p in ("pets/dog/2.png", "17.png", "dog/17.png")]
        [[1], [0], []]
    """
    plain = posixpath.normpath(path)
    like = rows_of.get(plain.rpartition("/")[2], [])
    if exact := [i for i in like if names[i] in (path, plain)]:
        return exact[:1]
    if shorter := [i for i in like if names[i].endswith("/" + plain)]:
        return shorter
    longer = [i for i in like if plain.endswith("/" + names[i])]
    most = max((len(names[i]) for i in longer), default=0)
    return [i for i in longer if len(names[i]) == most]
