"""A file that says the class of some images: CSV lines `path,label`, or JSON.

JSON is a table of path to label, or a list of tables with the keys `path` and `label`. A path is
one of the data set's own names: relative to its folder, or `train[17]` of arrays; the last part of
it is enough where no other image has it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neocog.errors import DataError, did_you_mean, printable
from neocog.files import parse_json, read_text

__all__ = ["LIMIT", "matched_labels", "read_labels"]

LIMIT = 256 * 2**20
"""Bytes of a file of labels, at most."""

_HEADINGS = {"path", "file", "filename", "image", "name", "label", "class"}
"""Words of a first line of CSV that is no label."""


def read_labels(file: Path) -> dict[str, str]:
    """Path to label.

    Args:
        file: .json, or else CSV.

    Raises:
        DataError: it cannot be read, holds no label, or names an image twice with two labels.
    """
    text = read_text(file, limit=LIMIT, what="A file of labels", error=DataError)
    name = printable(file)
    if file.suffix.lower() == ".json":
        pairs = _pairs(parse_json(text, source=f"`{name}`", error=DataError), name)
    else:
        pairs = _lines(text, name)
    if not pairs:
        raise DataError(
            f"A file of labels has a line `path,label` an image, and `{name}` has none. Write one "
            "label a class at least."
        )
    labels: dict[str, str] = {}
    for path, label in pairs:
        if labels.setdefault(path, label) != label:
            raise DataError(
                f"An image has one label; `{name}` gives `{printable(path)}` two, "
                f"`{printable(labels[path])}` and `{printable(label)}`. Keep one."
            )
    return labels


def _lines(text: str, name: str) -> list[tuple[str, str]]:
    pairs = []
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not all(cells):
            raise DataError(
                f"A line of a file of labels is `path,label`; line {number} of `{name}` has "
                f"{len(cells)} values. Correct it, or put quotes around a path with a comma."
            )
        if number == 1 and {c.lower() for c in cells} <= _HEADINGS:
            continue
        pairs.append((cells[0], cells[1]))
    return pairs


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
        DataError: an image is missing, or a class is unknown.
    """
    known = tuple(classes) or tuple(sorted(set(labels.values())))
    index = {c: i for i, c in enumerate(known)}
    row_of = {n: i for i, n in enumerate(names)}
    last: dict[str, list[int]] = {}
    for i, n in enumerate(names):
        last.setdefault(n.rpartition("/")[2], []).append(i)
    rows: dict[int, int] = {}
    missing = []
    for path, label in labels.items():
        plain = path.removeprefix("./")
        same = [row_of[plain]] if plain in row_of else last.get(plain.rpartition("/")[2], [])
        if len(same) != 1:
            missing.append((path, len(same)))
            continue
        if label not in index:
            raise DataError(
                f"A label is one of the classes; `{printable(file)}` has `{printable(label)}` for "
                f"`{printable(path)}`. {did_you_mean(label, known)}"
            )
        rows[same[0]] = index[label]
    if missing:
        path, count = missing[0]
        why = "is no image of the data" if not count else f"may be any of {count} images"
        more = f" ({len(missing) - 1:,} more likewise)" if len(missing) > 1 else ""
        raise DataError(
            f"A file of labels names images of the data; in `{printable(file)}` "
            f"`{printable(path)}` {why}{more}. Write paths relative to the data folder, as "
            f"`{printable(names[0])}`."
        )
    return rows, known
