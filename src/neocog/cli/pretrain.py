"""`neocog pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neocog.cli.options import (
    DEVICE,
    HELP,
    OUT_FOLDER,
    SECONDS,
    SIZE,
    json_option,
    parse_setting,
    print_json,
    resize_mode_option,
    strict_option,
)
from neocog.cli.terminal import lines
from neocog.errors import printable

__all__ = ["command"]

METHODS = "vicreg, simclr, barlow-twins, byol, fastsiam, emp-ssl, rotation or masked"


@click.command("pretrain", context_settings=HELP)
@click.argument("data")
@click.option("--method", help=f"Self-supervised method: {METHODS}.  [vicreg]")
@click.option("--model", help="Architecture; `neocog models` lists them.  [convnet]")
@click.option("--epochs", type=float, help="Passes over the training images.  [20]")
@click.option("--budget", type=SECONDS, help="Time limit for the whole command: 60s, 5m, 1h.")
@click.option("--size", type=SIZE, help="Input size, S or H,W pixels.  [chosen from the images]")
@resize_mode_option
@click.option(
    "--init",
    "start",
    metavar="none|imagenet|MODEL",
    help="Initial weights; MODEL is a run, timm:NAME, hf://ORG/NAME, a file.  [none]",
)
@click.option(
    "--augment",
    metavar="KEY=VALUE,…",
    help="Augmentations of each view, such as crop=0.2,flip=true.  [chosen by the images]",
)
@click.option("--batch-size", type=int, help="Images per step.  [256; fewer of small sets]")
@click.option("--lr", type=float, help="Peak learning rate.  [suits the model]")
@click.option("--optimizer", help="Optimizer: sgd or adamw.  [adamw]")
@click.option("--seed", type=int, help="Random seed of weights, order and augmentation.  [0]")
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1 or mps.  [the fastest available]")
@click.option(
    "--out", type=OUT_FOLDER, metavar="FOLDER", help="Run folder to write.  [runs/NAME-pretrained]"
)
@click.option("--overwrite", is_flag=True, help="Replace an existing run folder.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Set any key of the recipe; repeatable.",
)
@strict_option
@json_option
def command(as_json: bool, **given: Any) -> None:
    """Pretrain a network on DATA without using labels; `train --init RUN` starts from it.

    DATA is as for `neocog train`, or a flat folder of images. Labels, where there are any, are used
    to measure nearest neighbors and for nothing else.

    \b
    neocog pretrain images/ --budget 10m
    neocog train images/ --init runs/images-pretrained --labels 10
    """
    from neocog.verbs.pretrain import pretrain
    from neocog.verbs.watch import Watch

    with Watch() as watch:
        trained = pretrain(
            given["data"],
            method=given["method"],
            model=given["model"],
            epochs=given["epochs"],
            budget=given["budget"],
            seed=given["seed"],
            settings=_settings(given),
            out=given["out"],
            overwrite=given["overwrite"],
            strict=given["strict"],
            progress=watch,
            began=click.get_current_context().obj,
        )
    result = {"run": str(trained.path), **trained.card["metrics"]}
    if as_json:
        print_json(result)
    else:
        lines([*_words(result), *_next(watch, result)])


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    direct = {
        "model.init": given["start"],
        "train.batch_size": given["batch_size"],
        "optimizer.lr": given["lr"],
        "optimizer.name": given["optimizer"],
        "machine.device": given["device"],
        "data.size": given["size"],
        "data.resize_mode": given["resize_mode"],
    }
    keys = {k: v for k, v in direct.items() if v is not None}
    if given["augment"] is not None:
        from neocog.verbs.train import NO_AUGMENT

        keys |= NO_AUGMENT
        if given["augment"] != "none":
            keys |= dict(parse_setting(t, table="augment") for t in given["augment"].split(","))
    return keys | dict(parse_setting(t) for t in given["settings"])


def _words(result: dict[str, Any]) -> list[str]:
    sentences = []
    if result["knn_accuracy"] is not None:
        ci = result.get("knn_accuracy_ci")
        reach = f" (95 % CI {ci[0]:.2%} to {ci[1]:.2%})" if ci else ""
        sentences.append(f"nearest-neighbor accuracy {result['knn_accuracy']:.2%}{reach}")
    sentences.append(result["verdict"])
    sentences.append(f"report {printable(Path(result['run']) / 'report.html')}")
    return sentences


def _next(watch: Any, result: dict[str, Any]) -> list[str]:
    from neocog.runs.folder import RunFolder
    from neocog.runs.pretrain_report import pretrain_first_screen

    if watch.finished is None:
        return []
    rows = RunFolder(Path(result["run"])).metrics()
    command = pretrain_first_screen(watch.finished, rows, result["run"]).next[0]
    return ["", f"Next: {command.text[:1].lower()}{command.text[1:]}", f"  {command.line}"]
