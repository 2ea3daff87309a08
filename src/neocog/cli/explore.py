"""`neocog explore`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from neocog.cli.options import HELP, model_options, task_option
from neocog.cli.series import opened_series, series_option
from neocog.cli.terminal import say

__all__ = ["command"]


@click.command("explore", context_settings=HELP)
@click.argument("model")
@click.argument("data", required=False)
@click.option(
    "--baseline",
    metavar="MODEL",
    help="A second model beside it; one from elsewhere is told the same, but for weights.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Of the address.  [8181, or a free one]"
)
@click.option("--no-browser", is_flag=True, help="Do not open the page, only print its address.")
@task_option
@series_option
@model_options
def command(
    model: str,
    data: str | None,
    baseline: str | None,
    port: int | None,
    no_browser: bool,
    task: str | None,
    series: tuple[int, int] | None,
    opening: Mapping[str, Any],
) -> None:
    """See inside MODEL, in the browser: its maps, its arithmetic, and what moves with the image.

    MODEL is a run folder; or, from elsewhere, package.module:factory, a .pt2 program or an .onnx
    file, which are told their --size, --mean and --std. Without DATA some images are made, and
    you can draw or bring your own. The page is for this machine alone; Ctrl-C ends it.

    \b
    neocog explore runs/digits digits
    neocog explore runs/digits digits --baseline runs/fixed
    neocog explore nets.wave:make waves.npz --series 1,128
    """
    from neocog.web.explore import explore

    shown: Any
    second: Any = baseline
    given: Any = data
    if series is not None:
        shown, given, second = opened_series(model, data, baseline, series, opening)
    else:
        from neocog.runs.opened import open_model

        shown = open_model(model, **opening, task=task)
        if baseline is not None and not os.path.isdir(baseline):  # noqa: PTH112 (names too long are none)
            own = (
                ("weights",)
                if baseline.startswith(("timm:", "torchvision:"))
                else ("weights", "init")
            )
            told = {k: v for k, v in opening.items() if k not in own}
            second = open_model(baseline, **told, task=task)
    try:
        explore(
            shown,
            given,
            baseline=second,
            port=port,
            browser=not no_browser,
            size=series,
            task=task,
            allow_random="allow_random" in opening,
            tell=_tell,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("The explorer has stopped.") from None


def _tell(where: str) -> None:
    say(f"Explorer: {where}")
    say("It answers to this machine alone. Ctrl-C ends it.", err=True)
