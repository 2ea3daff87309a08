"""Which output of a model is which class of the data: by name where there are names."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neocog.errors import DataError, printable

__all__ = ["Matched", "match", "match_any"]

LISTED = 5
"""Names that a sentence lists."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Outputs and classes, brought together.

    Args:
        classes: names, in the order of the outputs.
        outputs: for each class of the data its output; -1 of one that the model does not know.
        notes: sentences on how, where it was not by the very names.
    """

    classes: tuple[str, ...]
    outputs: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def truth(self, y: np.ndarray) -> np.ndarray:
        """Output indices of samples, from their class indices; -1 where unknown."""
        number = np.array([*self.outputs, -1], dtype=np.int64)
        return np.asarray(number[np.where(y < 0, len(self.outputs), y)])


def match_any(
    own: Sequence[str],
    data_classes: Sequence[str],
    where: str,
    *,
    named: bool,
    numbers: bool = False,
) -> Matched:
    """The same, of classes that need not be the model's: those that both have, by name.

    Args:
        own: names of the outputs, or their numbers.
        data_classes: classes of the data; none where it is not labeled.
        where: the data, for messages.
        named: whether the outputs have names.
        numbers: the classes of the data have none, and are the numbers that stand in its file.

    Example:
        >>> match_any(("cat", "dog"), ("cow", "cat"), "x", named=True).outputs
        (-1, 0)
    """
    if not data_classes:
        note = f"`{printable(where)}` has no labels, so there is no accuracy."
        return Matched(classes=tuple(own), outputs=(), notes=(note,))
    try:
        return match(own, data_classes, where, named=named)
    except DataError:
        outputs = _among(own, data_classes) if named else [-1] * len(data_classes)
    if (
        numbers
        and max(outputs) < 0
        and all(_is_number(c) and int(c) < len(own) for c in data_classes)
    ):
        one = data_classes[0]
        note = (
            f"The labels of `{printable(where)}` are numbers, used as indices of the model's "
            f"outputs: {int(one)} is `{printable(own[int(one)])}`."
        )
        return Matched(classes=tuple(own), outputs=tuple(map(int, data_classes)), notes=(note,))
    matched = Matched(classes=tuple(own), outputs=tuple(outputs))
    return replace(matched, notes=(_strange(matched, data_classes, where, named=named),))


def _among(own: Sequence[str], data_classes: Sequence[str]) -> list[int]:
    """For each class the output of its name, letter by letter or nearly; -1 where there is none."""
    exact = {c: i for i, c in enumerate(own)}
    loose: dict[str, list[int]] = {}
    for i, c in enumerate(own):
        loose.setdefault(_folded(c), []).append(i)
    near = ([exact[c]] if c in exact else loose.get(_folded(c), []) for c in data_classes)
    return [n[0] if len(n) == 1 else -1 for n in near]


def _strange(matched: Matched, data_classes: Sequence[str], where: str, *, named: bool) -> str:
    """What to say of classes that a model does not know."""
    source = printable(where)
    if not named:
        return (
            f"The model's {len(matched.classes)} outputs have no names, and `{source}` has "
            f"{len(data_classes)} classes: no accuracy. Name the outputs with --classes FILE; "
            "if the network returns several tensors, --output selects one."
        )
    lost = [c for c, k in zip(data_classes, matched.outputs, strict=True) if k < 0]
    names = ", ".join(f"`{printable(c)}`" for c in lost[:LISTED]) + (" …" if lost[LISTED:] else "")
    if len(lost) == len(data_classes):
        return (
            f"None of the {len(data_classes)} classes of `{source}` ({names}) is a class of the "
            "model, so there is no accuracy. If they are the same classes, name the outputs with "
            "--classes FILE."
        )
    both = [c for c, k in zip(data_classes, matched.outputs, strict=True) if k >= 0]
    listed = ", ".join(f"`{printable(c)}`" for c in both[:LISTED])
    listed += " …" if both[LISTED:] else ""
    return (
        f"{len(lost)} of the {len(data_classes)} classes of `{source}` are not classes of the "
        f"model ({names}): accuracy covers only the others ({listed}), everything else all images."
    )


def match(own: Sequence[str], data_classes: Sequence[str], where: str, *, named: bool) -> Matched:
    """Each class of the data to an output.

    Names go by name: letter by letter, else without regard to case, Unicode form and what stands
    between words, numbers by their value. Outputs without names take those of the data: numbers by
    their value, others in the data's order.

    Args:
        own: names of the outputs, or their numbers.
        data_classes: classes of the data.
        where: the data, for messages.
        named: whether the outputs have names.

    Raises:
        DataError: a class of the data is none of the model's.

    Example:
        >>> match(("cat", "dog"), ("Dog", "cat"), "x", named=True).outputs
        (1, 0)
        >>> match(("0", "1", "2"), ("01", "02"), "x", named=False).classes
        ('0', '01', '02')
    """
    if named:
        return _by_name(own, data_classes, where)
    k = len(own)
    if all(map(_is_number, data_classes)):
        values = [int(c) for c in data_classes]
        if len(set(values)) == len(values) and set(values) <= set(range(k)):
            form = dict(zip(values, data_classes, strict=True))
            classes = tuple(form.get(i, str(i)) for i in range(k))
            return Matched(classes=classes, outputs=tuple(values), notes=_of_numbers(data_classes))
        in_order = sorted(data_classes, key=int)
    else:
        in_order = list(data_classes)
    if len(data_classes) != k:
        raise DataError(
            f"A model without class names uses those of the data, one per output; it has "
            f"{k} outputs and `{printable(where)}` {len(data_classes)} classes. Name the outputs "
            "with --classes FILE; if the network returns several tensors, --output selects one."
        )
    names = ", ".join(map(printable, in_order[:LISTED])) + (" …" if k > LISTED else "")
    return Matched(
        classes=tuple(in_order),
        outputs=tuple(in_order.index(c) for c in data_classes),
        notes=(
            f"The model's outputs are assumed to be in the order of the data's classes: {names}.",
        ),
    )


def _of_numbers(data_classes: Sequence[str]) -> tuple[str, ...]:
    """How classes that are numbers were matched, and how else they may be meant."""
    last = max(data_classes, key=int)
    note = f"Class names are only numbers, matched by value: output {int(last)} is class "
    note += f"`{printable(last)}`."
    texts = sorted(data_classes)
    if texts == sorted(data_classes, key=int):
        return (note,)
    names = ", ".join(map(printable, texts[:LISTED]))
    note += f" As strings they sort {names}, …; a network that was trained in that order gets its "
    return (f"{note}names with --classes FILE.",)


def _by_name(own: Sequence[str], data_classes: Sequence[str], where: str) -> Matched:
    exact = {c: i for i, c in enumerate(own)}
    loose: dict[str, list[int]] = {}
    for i, c in enumerate(own):
        loose.setdefault(_folded(c), []).append(i)
    outputs, notes = [], []
    for c in data_classes:
        near = [exact[c]] if c in exact else loose.get(_folded(c), [])
        if len(near) != 1:
            raise DataError(
                f"Every class of `{printable(where)}` must be a class of the model, and "
                f"`{printable(c)}` is not. The model has "
                f"{', '.join(f'`{printable(o)}`' for o in own[:10])}."
            )
        outputs.append(near[0])
        if c not in exact:
            notes.append(f"`{printable(c)}` for `{printable(own[near[0]])}`")
    if len(set(outputs)) < len(outputs):
        raise DataError(
            f"Two classes of `{printable(where)}` match one class of the model, except for case or "
            f"spelling: {notes[0]}. Make them one class, or name the outputs with --classes FILE."
        )
    if not notes:
        return Matched(classes=tuple(own), outputs=tuple(outputs))
    listed = ", ".join(notes[:LISTED]) + (" …" if len(notes) > LISTED else "")
    note = f"Class names that differ only in case or spelling are matched: {listed}."
    return Matched(classes=tuple(own), outputs=tuple(outputs), notes=(note,))


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 19


def _folded(name: str) -> str:
    """A name without what people write in different ways; a number by its value."""
    plain = unicodedata.normalize("NFKC", name).casefold().replace("_", " ").replace("-", " ")
    plain = " ".join(plain.split())
    return str(int(plain)) if _is_number(plain) else plain
