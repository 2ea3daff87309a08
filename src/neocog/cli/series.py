"""Models and data with one spatial axis on the command line: the option, and how to open them."""

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
    "series_options",
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
    "--series", type=_Series(), metavar="C,N", help="Input size of a 1-D model: channels, length."
)


def series_options(opening: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """The options of an external model that apply to one of series.

    Args:
        opening: as `cli.options.model_options` collects it.
        size: (C, N) of a sample.

    Raises:
        click.UsageError: an option applies to images alone.
    """
    if "size" in opening:
        raise click.UsageError("--size is for images, --series for series; give one of them.")
    if "init" in opening:
        raise click.UsageError(
            "--init is for timm: and torchvision: models; a factory initializes itself. Leave "
            "it out."
        )
    if "classes" in opening:
        raise click.UsageError(
            "Classes of a 1-D model are named by their indices; leave --classes out."
        )
    shared = {k: v for k, v in opening.items() if k in ("weights", "mean", "std")}
    return {**shared, "channels": size[0]}


def explained_series(
    model: str, size: tuple[int, int], opening: Mapping[str, Any], task: str | None
) -> Explained:
    """A 1-D model, for `neocog.verbs.explain`.

    Args:
        model: `package.module:factory`.
        size: (C, N) of a sample.
        opening: as `cli.options.model_options` collects it.
        task: classify, segment or regress; a classifier if left out.
    """
    from neocog.runs.series import Normalized, open_series
    from neocog.verbs.explain_input import Explained

    net = open_series(model, **series_options(opening, size))
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
    """One 1-D model or two, and their data.

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

    options = series_options(opening, size)
    series = None if data is None else series_of(data)
    if data is not None and series is not None:
        _check_size(data, tuple(series[0].shape[1:]), size)
    plain = {k: v for k, v in options.items() if k != "weights"}
    other = None if baseline is None else open_series(baseline, **plain)
    return open_series(model, **options), series, other


def _check_size(file: str, actual: tuple[int, ...], size: tuple[int, int]) -> None:
    if actual != size:
        raise DataError(
            f"The model takes series of {size[0]} × {size[1]} values; `{printable(file)}` "
            f"holds {actual[0]} × {actual[1]}. Correct --series, or use other data."
        )


_ONE = re.compile(r"(?P<file>.+)\[(?P<row>\d{1,9})\]")


def samples_of_series(paths: Sequence[str], size: tuple[int, int]) -> Samples:
    """The series of some files.

    Args:
        paths: .npz files; `FILE[17]` is one series of a file.
        size: (C, N) of a sample.

    Raises:
        DataError: a file cannot be read, or its series have another size.
        UsageError: there is no such series in it.
    """
    import torch

    from neocog.data.samples import Samples
    from neocog.runs.series import series_of

    parts, names = [], []
    for path in paths:
        one = _ONE.fullmatch(path)
        file = one["file"] if one else path
        x, _ = series_of(file)
        rows = range(int(one["row"]), int(one["row"]) + 1) if one else range(len(x))
        _check_size(file, tuple(x.shape[1:]), size)
        if rows.stop > len(x):
            raise UsageError(
                f"`{printable(file)}` has {len(x)} series, counted from 0; got index {rows.start}. "
                "Name one of them."
            )
        parts.append(x[rows.start : rows.stop])
        names += [f"{file}[{i}]" for i in rows]
    return Samples(torch.cat(parts), None, names)
