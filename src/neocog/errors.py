"""Everything neocog raises for a mistake that a user can correct.

    NeocogError
    ├── UsageError        an option, a name or a recipe key that does not exist or does not fit
    ├── DataError         a place that cannot be opened, or holds nothing that can be used
    ├── ModelError        weights or a spec that cannot be used
    │   ├── UnsafeWeights     a file that would execute code when it is loaded
    │   └── ShapeMismatch     a tensor of another shape than the rule asks for
    ├── RunError          a run folder that is missing, taken, incomplete or cannot be written
    └── TrainingError     training that cannot start or cannot go on
        ├── Diverged          the loss left the range of numbers, or exploded
        └── TooLarge          the network or batch does not fit into memory

Each message is a sentence each for the rule, what was given and what to do. What is not below
`NeocogError` is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "DataError",
    "Diverged",
    "ModelError",
    "NeocogError",
    "RunError",
    "ShapeMismatch",
    "TooLarge",
    "TrainingError",
    "UnsafeWeights",
    "UsageError",
    "did_you_mean",
    "nearest",
    "printable",
]


class NeocogError(Exception):
    """The root: catch this to catch every mistake a user can correct."""


class UsageError(NeocogError, ValueError):
    """An option, a name or a recipe key that does not exist or does not fit."""


class DataError(NeocogError):
    """A place that cannot be opened, or holds nothing that can be used."""


class ModelError(NeocogError):
    """Weights or a spec that cannot be used."""


class UnsafeWeights(ModelError):
    """A file that would execute code when it is loaded."""


class ShapeMismatch(ModelError, ValueError):
    """A tensor of another shape than the rule asks for.

    Args:
        message: rule, what was given, what to do.
        expected: the required shape, where there is one.
        actual: the shape that was given.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: tuple[int, ...] | None = None,
        actual: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class RunError(NeocogError):
    """A run folder that is missing, taken, incomplete or cannot be written."""


class TrainingError(NeocogError):
    """Training that cannot start or cannot go on."""


class Diverged(TrainingError):
    """The loss is no longer finite, or exploded."""


class TooLarge(TrainingError):
    """The network or batch does not fit into memory."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The last sentence of an error about a name: the nearest known one, else all of them.

    Example:
        >>> did_you_mean("resnet81", ["resnet18", "vgg16"])
        'Did you mean `resnet18`?'
        >>> did_you_mean("zebra", ["b", "a"])
        'Known: `a`, `b`.'
    """
    names = sorted(known)
    near = nearest(name, names)
    if near is not None:
        return f"Did you mean `{printable(near)}`?"
    return "Known: " + ", ".join(f"`{printable(n)}`" for n in names) + "."


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was meant, where one is really near; a wrong guess costs more than none.

    Near is what has most of its letters in common in their order, what a slip of two neighboring
    letters explains, and what a name begins with.

    Example:
        >>> nearest("sdg", ["sgd", "adamw"]), nearest("optim", ["optimizer", "augment"])
        ('sgd', 'optimizer')
        >>> nearest("pretrained", ["recipe", "epochs"]) is None
        True
    """
    names = list(known)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=_NEAR)
    if matches:
        return matches[0]
    swapped = {
        name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(min(len(name), 60) - 1)
    }
    begun = [n for n in names if len(name) > 2 and n.startswith(name)]
    return next((n for n in names if n in swapped), begun[0] if len(begun) == 1 else None)


_NEAR = 0.7
"""Share of letters in common from which on a name may have been meant."""


def printable(name: str | bytes | os.PathLike[str]) -> str:
    r"""A file or class name made safe for one line of a terminal or log.

    Control characters and bytes that are not UTF-8 become escapes; all else stays.

    Example:
        >>> printable("two\nlines")
        'two\\nlines'
        >>> printable(b"caf\xe9")
        'caf\\xe9'
    """
    if isinstance(name, bytes):
        text = name.decode("utf-8", "surrogateescape")
    else:
        text = str(Path(name)) if isinstance(name, os.PathLike) else name
    out = []
    for c in text:
        if "\udc80" <= c <= "\udcff":
            out.append(f"\\x{ord(c) - 0xDC00:02x}")
        elif c.isprintable():
            out.append(c)
        else:
            out.append(c.encode("unicode_escape").decode("ascii"))
    return "".join(out)
