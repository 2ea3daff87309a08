"""`neocog explore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from neocog.cli.options import HELP, model_options, task_option
from neocog.cli.series import series_option, sized
from neocog.cli.terminal import say

__all__ = ["command"]


@click.command("explore", context_settings=HELP)
@click.argument("model")
@click.argument("data", required=False)
@click.option(
    "--baseline",
    metavar="MODEL",
    help="Second model to compare; an external one uses the same options, except weights.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [8181, or a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
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
    """Explore MODEL in the browser: feature maps, arithmetic of each value, shifts layer by layer.

    MODEL is a run folder, timm:NAME, torchvision:NAME, package.module:factory, a .pt2 program or
    an .onnx file. Without DATA a few images are synthesized, and you can draw or open your own.
    The page is served to this machine alone; Ctrl-C stops it.

    \b
    neocog explore runs/digits digits
    neocog explore timm:resnet18 images/ --baseline runs/fixed
    neocog explore nets.wave:make waves.npz --size 1,128
    """
    from neocog.runs.model_pair import open_pair
    from neocog.web.explore import explore

    opening = sized(opening, series)
    first, second = open_pair(model, baseline, opening, task=task)
    try:
        explore(
            first,
            data,
            baseline=second,
            port=port,
            browser=not no_browser,
            task=task,
            allow_random="allow_random" in opening,
            on_open=_announce,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("The explorer has stopped.") from None


def _announce(where: str) -> None:
    say(f"Explorer: {where}")
    say("It is served to this machine alone. Ctrl-C stops it.", err=True)
