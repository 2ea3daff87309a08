"""The first screen of a result: a headline with its CI, one image, and what to do next.

Reports, notebooks and the terminal all open with it; everything else stands below, folded. Its
sentences are computed by what measured them, see `neocog.audits.headline` for example.
"""

from __future__ import annotations

import os
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from neocog.errors import printable
from neocog.exhibits import Exhibit, Scalar, percent
from neocog.jsonable import Jsonable, keys

__all__ = [
    "MOST_FIGURES",
    "Command",
    "FirstScreen",
    "Level",
    "Named",
    "option_words",
    "path_word",
    "shell_line",
]

MOST_FIGURES = 5
"""Figures of a first screen, at most: more than one hand is a table."""

WIDTH = 80
"""Columns of a terminal."""

Level = Literal["good", "bad", "open", "plain"]
"""Of a result: good, bad, undecided, or neither."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to do next.

    Args:
        text: what it is for, without a full stop.
        words: of a command line, not quoted; may be empty.
        python: the same in Python, where no command line does it.
    """

    text: str
    words: tuple[str, ...] = ()
    python: str = ""

    @property
    def line(self) -> str:
        """To be pasted into a shell, or into Python."""
        return shell_line(self.words) if self.words else self.python


@dataclass(frozen=True, kw_only=True)
class Named:
    """A model and data as a user named them, so that a command can name them again.

    Args:
        model: a run folder, a file, `package.module:factory`.
        data: a folder or another source; may be empty.
        options: how an external model was opened, as words: `("--size", "3,32,32")`.
    """

    model: str
    data: str = ""
    options: tuple[str, ...] = ()

    def words(self, *, data: bool = True) -> tuple[str, ...]:
        """Model, data and options, as they follow a verb.

        Args:
            data: whether the verb takes the data.
        """
        second = (path_word(self.data),) if data and self.data else ()
        return (path_word(self.model), *second, *self.options)

    def command(self, verb: str, text: str, *more: str, data: bool = True) -> Command:
        """A command with this model.

        Args:
            verb: of the command line.
            text: what it is for.
            more: its own words.
            data: whether it takes the data.
        """
        return Command(text=text, words=("neocog", verb, *self.words(data=data), *more))


@dataclass(frozen=True, kw_only=True)
class FirstScreen(Jsonable):
    """The first screen of a result.

    Args:
        headline: a sentence with the number and its interval.
        detail: a sentence or two more; may be empty.
        badge: two or three words of it; may be empty.
        level: whether the result is good.
        image: one exhibit, or two that stand beside each other.
        figures: five at most.
        next: commands, the most useful one first.
        note: a sentence on how it was measured; or empty.

    Raises:
        ValueError: there are more figures than a first screen holds.
    """

    JSON = keys(
        "headline", "detail", "badge", "level", "figures=_figures_json", "next=lines", "note"
    )

    headline: str
    detail: str = ""
    badge: str = ""
    level: Level = "plain"
    image: tuple[Exhibit, ...] = ()
    figures: tuple[Scalar, ...] = ()
    next: tuple[Command, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Hold the number of figures."""
        if len(self.figures) > MOST_FIGURES:
            raise ValueError(
                f"A first screen has at most {MOST_FIGURES} figures; got {len(self.figures)}. "
                "Put the others into a section."
            )

    def text(self, width: int = WIDTH) -> str:
        """All but the image as lines of so many columns; commands are never broken.

        Args:
            width: of a line.

        Example:
            >>> look = Command(text="Look", words=("ls",))
            >>> print(FirstScreen(headline="It holds.", next=(look,)).text())
            It holds.
            <BLANKLINE>
            Next: look
              ls
        """
        badge = f"{self.badge}: " if self.badge else ""
        lines = _wrapped(f"{badge}{self.headline}", width)
        if self.detail:
            lines += _wrapped(self.detail, width)
        if self.figures:
            lines += ["", *_figures(self.figures, width)]
        if self.note:
            lines += ["", *_wrapped(self.note, width)]
        for one in self.next:
            title = one.text[:1].lower() + one.text[1:]
            lines += ["", *_wrapped(f"Next: {printable(title)}", width), f"  {one.line}"]
        return "\n".join(lines)

    @property
    def lines(self) -> list[str]:
        """The next commands, to be pasted."""
        return [c.line for c in self.next]

    @property
    def _figures_json(self) -> list[dict[str, Any]]:
        """Title, value and unit of each figure, and its interval where it has one."""
        names = ("title", "value", "unit", "interval")
        figures = (f.to_json() for f in self.figures)
        return [{k: f[k] for k in names if f[k] is not None or k == "value"} for f in figures]


def shell_line(words: Sequence[str]) -> str:
    r"""Words as a line for a shell, each as one word whatever it holds.

    Example:
        >>> shell_line(["neocog", "audit", "runs/my model", "data"])
        "neocog audit 'runs/my model' data"
        >>> print(shell_line(["two\nlines"]))
        $'two\nlines'
    """
    return " ".join(_quoted(w) for w in words)


def path_word(path: str | os.PathLike[str]) -> str:
    """A path as a word of a command, where none is taken for an option.

    Example:
        >>> path_word("-x"), path_word("runs/a")
        ('./-x', 'runs/a')
    """
    text = os.fspath(path)
    return f"./{text}" if text.startswith("-") else text


def option_words(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Options of a command as its words; several values are joined by commas.

    Args:
        options: name, as Python spells it, to value; None and False are left out.

    Example:
        >>> option_words({"size": (3, 32, 32), "weights": None, "allow_random": True})
        ('--size', '3,32,32', '--allow-random')
    """
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if isinstance(value, (tuple, list)):
            words.append(",".join(_number(v) for v in value))
        elif value is not True:
            words.append(_number(value))
    return tuple(words)


def _number(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    escaped = {"\n": "\\n", "\t": "\\t", "'": "\\'", "\\": "\\\\"}
    parts = [escaped.get(c) or (c if c.isprintable() else _bytes(c)) for c in word]
    return f"$'{''.join(parts)}'"


def _bytes(sign: str) -> str:
    """A sign by its bytes, as a shell reads them; half of a pair, which no name holds, too."""
    lone = "surrogateescape" if "\udc80" <= sign <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{b:02x}" for b in sign.encode("utf-8", lone))


def _wrapped(text: str, width: int) -> list[str]:
    """Lines; a number stays with its percent sign."""
    glued = text.replace(" %", "\u00a0%")
    parts = [
        line
        for block in glued.split("\n")
        for line in textwrap.wrap(block, width, break_on_hyphens=False) or [""]
    ]
    return [line.replace("\u00a0%", " %") for line in parts]


def _figures(figures: Sequence[Scalar], width: int) -> list[str]:
    """A line each: name, value, interval, as columns."""
    names = [printable(f.title) for f in figures]
    values = [_value(f.value, f.unit) for f in figures]
    wide, long = max(map(len, names)), max(map(len, values))
    lines = []
    for name, value, figure in zip(names, values, figures, strict=True):
        line = f"  {name:<{wide}}  {value:>{long}}"
        if figure.interval is not None:
            low, high = (_value(v, figure.unit) for v in figure.interval)
            line += f"  ({low} to {high})"
        rest = f"  {printable(figure.note)}" if figure.note else ""
        lines.append((line + rest if len(line + rest) <= width else line)[: max(width, len(line))])
    return lines


def _value(value: float, unit: str) -> str:
    if unit == "%":
        return f"{percent(value)} %"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return f"{text} {unit}".rstrip()
