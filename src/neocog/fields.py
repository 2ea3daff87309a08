"""Values from outside, read by kind: a text where a text belongs, a number in its range.

    fields = Fields(read_json(path, limit=2**20), source=f"`{path}`")
    size = fields.table("input").integers("size", count=2, low=1, high=65_536)

Every file whose values come from outside is read through this. What does not fit is one sentence:
the key, what belongs there, what was given, what to do.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from types import EllipsisType
from typing import Any, NoReturn

from neocog.errors import ModelError, NeocogError, did_you_mean, printable

__all__ = ["Fields", "short_repr"]

TEXT = 4096
"""Letters of a text, at most."""

MANY = 1_000_000
"""Members of a list, at most."""

INT64 = 2**63 - 1


def short_repr(value: object, width: int = 60) -> str:
    r"""Any value for a message: escaped, no longer than `width` letters, never an error.

    Example:
        >>> short_repr("two\nlines"), short_repr(None)
        ("'two\\nlines'", 'nothing')
        >>> short_repr([1] * 100, width=12), short_repr(10**400)
        ('[1, 1, 1, 1…', 'a number of about 401 digits')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of about {round(value.bit_length() * 0.30103) + 1} digits"
    if isinstance(value, (str, bytes)):
        text = repr(value[: width + 1])
    elif isinstance(value, (list, tuple)):
        inner = ", ".join(_short(v) for v in value[:width])
        text = f"[{inner}]"
    elif isinstance(value, Mapping):
        text = "a table of keys"
    else:
        text = _short(value)
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _short(value: object) -> str:
    """A member of a list, of which nothing more is said than its kind when it is a list."""
    if isinstance(value, (list, tuple)):
        return "[…]"
    if isinstance(value, Mapping):
        return "{…}"
    if value is None or (isinstance(value, int) and value.bit_length() > 128):
        return short_repr(value)
    if isinstance(value, (str, int, float)):
        return repr(value)[:60]
    return f"a {type(value).__name__}"


class Fields:
    """A table of keys from outside, read key by key.

    A default of `...` means that the key must be there.

    Args:
        values: the table; anything that is not a mapping with texts as keys is refused.
        source: where it is from, as the message shall name it: "`runs/a/model.json`".
        error: the class of the errors.
        advice: what to do, the end of each message.
        under: the keys that lead here, with dots.

    Raises:
        NeocogError: it is not a table of keys.

    Example:
        >>> fields = Fields({"size": [28, "x"]}, source="`model.json`")
        >>> fields.integers("size", count=2, low=1)
        Traceback (most recent call last):
        ...
        neocog.errors.ModelError: `size` in `model.json` must be a list of 2 integers from 1
        on; got [28, 'x']. Take an undamaged copy.
    """

    def __init__(
        self,
        values: object,
        source: str,
        *,
        error: type[NeocogError] = ModelError,
        advice: str = "Take an undamaged copy.",
        under: str = "",
    ) -> None:
        self.source = source
        self.error = error
        self.advice = advice
        self.under = under
        if not isinstance(values, Mapping) or not all(isinstance(k, str) for k in values):
            where = f"`{printable(under.rstrip('.'))}` in {source}" if under else source
            raise error(f"{where} must be a table of keys; got {short_repr(values)}. {advice}")
        self.values: Mapping[str, Any] = values

    def __contains__(self, name: str) -> bool:
        """Whether the key is there, with whatever value."""
        return name in self.values

    def _get(self, name: str, default: object, kind: str) -> Any:
        if name in self.values:
            return self.values[name]
        if default is ...:
            where = printable(self.under + name)
            raise self.error(
                f"`{where}` in {self.source} must be {kind}, and is missing. {self.advice}"
            )
        return default

    def bad(self, name: str, kind: str, value: object) -> NoReturn:
        """Raise the error for a value that does not fit.

        Args:
            name: the key.
            kind: what belongs there.
            value: what was given.
        """
        where = printable(self.under + name)
        raise self.error(
            f"`{where}` in {self.source} must be {kind}; got {short_repr(value)}. {self.advice}"
        )

    def text(
        self,
        name: str,
        default: str | EllipsisType = ...,
        *,
        among: Collection[str] | None = None,
        length: int = TEXT,
    ) -> str:
        """A text, one of `among` where that is given."""
        kind = (
            "a string" if among is None else "one of " + ", ".join(f"`{n}`" for n in sorted(among))
        )
        value = self._get(name, default, kind)
        if not isinstance(value, str):
            self.bad(name, kind, value)
        if len(value) > length:
            self.bad(name, f"a string of at most {length:,} characters", value)
        if among is not None and value not in among:
            self.bad(name, kind, value)
        return value

    def flag(self, name: str, default: bool | EllipsisType = ...) -> bool:
        """True or false."""
        value = self._get(name, default, "true or false")
        if not isinstance(value, bool):
            self.bad(name, "true or false", value)
        return value

    def integer(
        self,
        name: str,
        default: int | EllipsisType = ...,
        *,
        low: int = -INT64,
        high: int = INT64,
    ) -> int:
        """An integer from `low` to `high`."""
        kind = f"an integer{_range(low, high, INT64)}"
        value = self._get(name, default, kind)
        if not _is_int(value, low, high):
            self.bad(name, kind, value)
        return int(value)

    def number(
        self,
        name: str,
        default: float | EllipsisType = ...,
        *,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> float:
        """A finite number from `low` to `high`."""
        kind = f"a finite number{_range(low, high, math.inf)}"
        value = self._get(name, default, kind)
        number = _float(value)
        if number is None or not low <= number <= high:
            self.bad(name, kind, value)
        return number

    def integers(
        self,
        name: str,
        default: tuple[int, ...] | EllipsisType = ...,
        *,
        count: int | None = None,
        low: int = -INT64,
        high: int = INT64,
    ) -> tuple[int, ...]:
        """A list of integers from `low` to `high`."""
        kind = f"a list of {_count(count)}integers{_range(low, high, INT64)}"
        value = self._list(name, default, count, kind)
        if not all(_is_int(v, low, high) for v in value):
            self.bad(name, kind, value)
        return tuple(value)

    def integer_rows(self, name: str, *, count: int, low: int = -INT64) -> list[tuple[int, ...]]:
        """A list of lists, each of `count` integers from `low` on."""
        kind = f"lists of {count} integers{_range(low, INT64, INT64)}"
        rows = self._list(name, ..., None, kind)
        for row in rows:
            good = isinstance(row, (list, tuple)) and len(row) == count
            if not good or not all(_is_int(v, low, INT64) for v in row):
                self.bad(name, kind, row)
        return [tuple(row) for row in rows]

    def numbers(
        self,
        name: str,
        default: tuple[float, ...] | EllipsisType = ...,
        *,
        count: int | None = None,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> tuple[float, ...]:
        """A list of finite numbers from `low` to `high`."""
        kind = f"a list of {_count(count)}finite numbers{_range(low, high, math.inf)}"
        value = self._list(name, default, count, kind)
        numbers = [n for n in map(_float, value) if n is not None and low <= n <= high]
        if len(numbers) < len(value):
            self.bad(name, kind, value)
        return tuple(numbers)

    def texts(
        self,
        name: str,
        default: tuple[str, ...] | EllipsisType = ...,
        *,
        count: int | None = None,
        length: int = TEXT,
    ) -> tuple[str, ...]:
        """A list of texts."""
        kind = f"a list of {_count(count)}strings"
        value = self._list(name, default, count, kind)
        if not all(isinstance(v, str) and len(v) <= length for v in value):
            self.bad(name, kind, value)
        return tuple(value)

    def table(self, name: str, default: Mapping[str, Any] | EllipsisType = ...) -> Fields:
        """A table of keys below this one."""
        value = self._get(name, default, "a table of keys")
        return Fields(
            value,
            self.source,
            error=self.error,
            advice=self.advice,
            under=f"{self.under}{name}.",
        )

    def tables(self, name: str, default: tuple[()] | EllipsisType = ...) -> list[Fields]:
        """A list of tables of keys."""
        value = self._list(name, default, None, "a list of tables")
        return [
            Fields(
                v,
                self.source,
                error=self.error,
                advice=self.advice,
                under=f"{self.under}{name}[{i}].",
            )
            for i, v in enumerate(value)
        ]

    def only(self, known: Iterable[str]) -> None:
        """Refuse keys that nobody reads."""
        known = list(known)
        for name in self.values:
            if name not in known:
                where = printable(self.under + name[:TEXT])
                raise self.error(
                    f"{self.source} has a key `{where}` that is not known. "
                    f"{did_you_mean(name[:60], known)}"
                )

    def _list(self, name: str, default: object, count: int | None, kind: str) -> Any:
        value = self._get(name, default, kind)
        if not isinstance(value, (list, tuple)) or len(value) > MANY:
            self.bad(name, kind, value)
        if count is not None and len(value) != count:
            self.bad(name, kind, value)
        return value


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _float(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(count: int | None) -> str:
    return "" if count is None else f"{count} "


def _range(low: float, high: float, endless: float) -> str:
    below, above = low > -endless, high < endless
    if below and above:
        return f" from {low:g} to {high:g}"
    if below:
        return f" from {low:g} on"
    return f" up to {high:g}" if above else ""
