"""Models and data of one axis on the command line: the option, and how verbs open them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from neocog.errors import DataError, UsageError, printable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from neocog.data.samples import Samples
    from neocog.verbs.explain_input import Explained

__all__ = [
    "explained_series",
    "opened_series",
    "samples_of_series",
    "series_option",
    "told_of_series",
]


class _Series(click.ParamType):
    name = "series"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,9})[,x]([0-9]{1,9})", re.sub(r"\s", "", str(value)))
        if not match or not all(int(n) for n in match.groups()):
            self.fail(f"the size of a series is C,N, got `{value}`. Write 1,128.")
        return int(match[1]), int(match[2])


series_option = click.option(
    "--series", type=_Series(), metavar="C,N", help="Of a model of series, its sample."
)


def told_of_series(opening: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """Of what a model from elsewhere is told that which one of series is told too.

    Args:
        opening: as `cli.options.model_options` collects it.
        size: (C, N) of a sample.

    Raises:
        click.UsageError: something is among it that is of images alone.
    """
    if "size" in opening:
        raise click.UsageError("--size is of images, --series of series; give one of them.")
    if "init" in opening:
        raise click.UsageError("A function makes its weights itself; leave --init out.")
    if "classes" in opening:
        raise click.UsageError(
            "Classes of a model of series go by their numbers; leave --classes out."
        )
    told = {k: v for k, v in opening.items() if k in ("weights", "mean", "std")}
    return {**told, "channels": size[0]}


def explained_series(
    model: str, size: tuple[int, int], opening: Mapping[str, Any], task: str | None
) -> Explained:
    """A model of series, for `neocog.verbs.explain`.

    Args:
        model: `package.module:factory`.
        size: (C, N) of a sample.
        opening: as `cli.options.model_options` collects it.
        task: classify, segment or regress; a classifier if left out.
    """
    from neocog.runs.series import Normalized, open_series
    from neocog.verbs.explain_input import Explained

    net = open_series(model, **told_of_series(opening, size))
    return Explained(
        module=net,
        title=printable(model),
        task=task or "classify",
        shape=size,
        wrapped=isinstance(net, Normalized),
    )


def opened_series(
    model: str,
    data: str | None,
    baseline: str | None,
    size: tuple[int, int],
    opening: Mapping[str, Any],
) -> tuple[nn.Module, tuple[Tensor, np.ndarray | None] | None, nn.Module | None]:
    """One model of series or two, and what they are shown.

    Args:
        model: `package.module:factory`.
        data: an .npz file, or None.
        baseline: another `package.module:factory`, or None.
        size: (C, N) of a sample.
        opening: as `cli.options.model_options` collects it.

    Raises:
        DataError: the file cannot be read, or its series have another size.
    """
    from neocog.runs.series import open_series, series_of

    told = told_of_series(opening, size)
    shown = None if data is None else series_of(data)
    if data is not None and shown is not None:
        _check_size(data, tuple(shown[0].shape[1:]), size)
    plain = {k: v for k, v in told.items() if k != "weights"}
    other = None if baseline is None else open_series(baseline, **plain)
    return open_series(model, **told), shown, other


def _check_size(file: str, came: tuple[int, ...], size: tuple[int, int]) -> None:
    if came != size:
        raise DataError(
            f"The model takes series of {size[0]} × {size[1]} numbers; `{printable(file)}` "
            f"holds {came[0]} × {came[1]}. Correct --series, or take other data."
        )


_ONE = re.compile(r"(?P<file>.+)\[(?P<row>\d{1,9})\]")


def samples_of_series(places: Sequence[str], size: tuple[int, int]) -> Samples:
    """The series of some files.

    Args:
        places: .npz files; `FILE[17]` is one series of a file.
        size: (C, N) of a sample.

    Raises:
        DataError: a file cannot be read, or its series have another size.
        UsageError: there is no such series in it.
    """
    import torch

    from neocog.data.samples import Samples
    from neocog.runs.series import series_of

    parts, names = [], []
    for place in places:
        one = _ONE.fullmatch(place)
        file = one["file"] if one else place
        x, _ = series_of(file)
        rows = range(int(one["row"]), int(one["row"]) + 1) if one else range(len(x))
        _check_size(file, tuple(x.shape[1:]), size)
        if rows.stop > len(x):
            raise UsageError(
                f"`{printable(file)}` has {len(x)} series, counted from 0; number {rows.start} "
                "came. Name one of them."
            )
        parts.append(x[rows.start : rows.stop])
        names += [f"{file}[{i}]" for i in rows]
    return Samples(torch.cat(parts), None, names)
