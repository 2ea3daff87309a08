"""The one door through which files from outside come in: opened, bounded, read.

A named pipe would wait for ever, a device never ends, a file of gigabytes fills the memory. What
is opened here is a regular file, and what is read whole has a limit. What the values in it may be
is checked in `neocog.fields`.

    with opened(path) as file: ...           a regular file, open for reading
    data = read_bytes(path, limit=2**20)     all of it, or one sentence
    text = read_text(path, limit=2**20)
    plain = read_json(path, limit=2**20)     bounded in depth and digits, no NaN, no key twice
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from neocog.errors import DataError, NeocogError, printable

__all__ = [
    "opened",
    "parse_json",
    "parse_toml",
    "read_bytes",
    "read_json",
    "read_text",
    "regular",
]

PathLike = str | os.PathLike[str]

DEPTH = 32
"""Levels of lists and tables in a JSON or TOML file, at most."""

DIGITS = 40
"""Digits of an integer in a JSON or TOML file, at most; 2⁶⁴ has 20."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_REASONS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist: a part of it is not a folder",
    errno.ELOOP: "is a link that leads to itself",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.EACCES: "may not be read by this user",
    errno.EPERM: "may not be read by this user",
    errno.ENXIO: "is a socket or a device without a driver",
}


def regular(
    path: PathLike, *, what: str = "A file that is read", error: type[NeocogError] = DataError
) -> Path:
    """The path, if a regular file is there; it is not opened.

    Args:
        path: of a file, or of links to one.
        what: begins the message: "A recipe", "A file of weights".
        error: the class of the error.

    Raises:
        NeocogError: it is a folder, a pipe, a device, a socket, a broken or cyclic link, or
            cannot be inspected.

    Example:
        >>> regular("/nowhere/recipe.toml", what="A recipe")
        Traceback (most recent call last):
        ...
        neocog.errors.DataError: A recipe is a regular file; `/nowhere/recipe.toml` does not exist.
        Check the path.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (links are followed, names may be bad)
    except (OSError, ValueError) as e:
        _refuse(path, _reason(path, e), what, error, e)
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        _refuse(path, f"is {kind}", what, error)
    return Path(path)


@contextmanager
def opened(
    path: PathLike, *, what: str = "A file that is read", error: type[NeocogError] = DataError
) -> Iterator[BinaryIO]:
    """A regular file, open for reading bytes; never waits for somebody at the other end.

    Args:
        path: of the file.
        what: begins the message.
        error: the class of the error.

    Raises:
        NeocogError: it is not a regular file, or cannot be read.
    """
    regular(path, what=what, error=error)
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(path, flags)
    except (OSError, ValueError) as e:
        _refuse(path, _reason(path, e), what, error, e)
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):  # it was replaced since it was inspected
            _refuse(path, f"is {_KINDS.get(stat.S_IFMT(mode), 'something else')}", what, error)
        yield file


def read_bytes(
    path: PathLike,
    *,
    limit: int,
    what: str = "A file that is read",
    error: type[NeocogError] = DataError,
) -> bytes:
    """All bytes of a regular file.

    Args:
        path: of the file.
        limit: bytes, at most.
        what: begins the message.
        error: the class of the error.

    Raises:
        NeocogError: it is not a regular file, larger than the limit, or cannot be read.
    """
    with opened(path, what=what, error=error) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > limit else file.read(limit + 1)
        except OSError as e:
            _refuse(path, _reason(path, e), what, error, e)
    if max(size, len(data)) > limit:
        raise error(
            f"{what} has {_bytes(limit)} at most; `{_name(path)}` has "
            f"{_bytes(size) if size > limit else 'more'}. Check that it is the file you mean."
        )
    return data


def read_text(
    path: PathLike,
    *,
    limit: int,
    encoding: str = "utf-8",
    what: str = "A file that is read",
    error: type[NeocogError] = DataError,
) -> str:
    """All text of a regular file, without a byte order mark.

    Args:
        path: of the file.
        limit: bytes, at most.
        encoding: of the text.
        what: begins the message.
        error: the class of the error.

    Raises:
        NeocogError: it cannot be read, is too large or is no such text.
    """
    data = read_bytes(path, limit=limit, what=what, error=error)
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as e:
        raise error(
            f"{what} is text in {encoding.upper()}; `{_name(path)}` is not, from byte {e.start} "
            "on. Take an undamaged copy, or save it as such."
        ) from e


def read_json(
    path: PathLike,
    *,
    limit: int,
    depth: int = DEPTH,
    what: str = "A file that is read",
    error: type[NeocogError] = DataError,
) -> Any:
    """The content of a JSON file, see `parse_json`.

    Raises:
        NeocogError: it cannot be read, is too large or is no such JSON.
    """
    text = read_text(path, limit=limit, what=what, error=error)
    return parse_json(text, source=f"`{_name(path)}`", depth=depth, error=error)


def parse_json(
    text: str | bytes, *, source: str, depth: int = DEPTH, error: type[NeocogError] = DataError
) -> Any:
    """JSON as its standard has it: finite numbers, no key twice, bounded in depth and digits.

    Args:
        text: to be read.
        source: where it is from, as the message shall name it.
        depth: levels of lists and objects, at most.
        error: the class of the error.

    Raises:
        NeocogError: it is no such JSON.

    Example:
        >>> parse_json('{"std": NaN}', source="`model.json`")
        Traceback (most recent call last):
        ...
        neocog.errors.DataError: `model.json` must be JSON, and is not: NaN is not a number there.
        Take an undamaged copy.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        _shallow(text, _JSON_MARKS, depth)
        return json.loads(
            text,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as e:
        raise error(
            f"{source} must be JSON, and is not: {printable(str(e))}. Take an undamaged copy."
        ) from e


def parse_toml(
    text: str, *, source: str, depth: int = DEPTH, error: type[NeocogError] = DataError
) -> dict[str, Any]:
    """TOML with finite numbers, bounded in depth and digits.

    Args:
        text: to be read.
        source: where it is from, as the message shall name it.
        depth: levels of lists and tables, and parts of a dotted key, at most.
        error: the class of the error.

    Raises:
        NeocogError: it is no such TOML.
    """
    try:
        _shallow(text, _TOML_MARKS, depth)
        if re.search(_DOTTED % depth, text):
            raise ValueError(f"a key has more than {depth} parts")
        plain = tomllib.loads(text, parse_float=_finite)
        _short_numbers(plain)
        return plain
    except (ValueError, RecursionError, OverflowError) as e:
        raise error(
            f"{source} must be a TOML file, and is not: {printable(str(e))}. Correct that line."
        ) from e


_JSON_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_TOML_MARKS = re.compile(
    r'#[^\n]*+|"""(?:[^"\\]|\\.|"(?!""))*+(?:""")?|"(?:[^"\\\n]|\\.)*+"?'
    r"|'''(?:[^']|'(?!''))*+(?:''')?|'[^'\n]*+'?|[\[\]{}]",
    re.DOTALL,
)
"""Texts and remarks, which are passed over, and brackets, which are counted."""

_DOTTED = r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}"""


def _shallow(text: str, marks: re.Pattern[str], depth: int) -> None:
    """Refuse deep nesting before a parser runs into it."""
    level = 0
    for match in marks.finditer(text):
        mark = match.group()
        if mark in ("[", "{"):
            level += 1
            if level > depth:
                raise ValueError(f"lists and tables are nested deeper than {depth} levels")
        elif mark in ("]", "}"):
            level -= 1


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"a number of {len(text)} digits; {DIGITS} are the most")
    return int(text)


def _short_numbers(plain: object) -> None:
    """Refuse integers that no machine counts to; they are only found once they are read."""
    left = [plain]
    while left:
        match left.pop():
            case dict(table):
                left += table.values()
            case list(members):
                left += members
            case int(number) if abs(number) >= 10**DIGITS:
                raise ValueError(f"a number has more than {DIGITS} digits")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:DIGITS]} is beyond every finite number")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number there")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:DIGITS]!r} occurs twice")
    return table


def _name(path: PathLike) -> str:
    """A path for a message: escaped, and no longer than a line or two."""
    text = printable(path)
    return text if len(text) <= 300 else f"{text[:140]}…{text[-140:]}"


def _reason(path: PathLike, e: OSError | ValueError) -> str:
    if isinstance(e, OSError):
        if e.errno == errno.ENOENT and os.path.islink(path):  # noqa: PTH114 (as above)
            return "is a link to something that does not exist"
        return _REASONS.get(e.errno or 0, f"cannot be read: {e.strerror or e}")
    if "\0" in os.fspath(path):
        return "has a null byte in its name"
    return "has a name that is not text"


def _refuse(
    path: PathLike,
    reason: str,
    what: str,
    error: type[NeocogError],
    cause: Exception | None = None,
) -> NoReturn:
    raise error(f"{what} is a regular file; `{_name(path)}` {reason}. Check the path.") from cause


def _bytes(n: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} bytes"
