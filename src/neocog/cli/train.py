"""`neocog train`."""

from __future__ import annotations

import time
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
from neocog.errors import UsageError, printable

__all__ = ["command"]


@click.command("train", context_settings=HELP)
@click.argument("data", required=False)
@click.option("--model", help="Architecture; `neocog models` lists them; auto.  [convnet]")
@click.option("--downsampling", help="Downsampling operator: stride, blur, polyphase, ….  [stride]")
@click.option("--padding", help="Padding mode of the convolutions.  [zeros]")
@click.option(
    "--symmetry",
    metavar="c4|c8|c16|d4|d8|so2|o2|none",
    help="Rotations (c, so2), with mirror images (d, o2), that leave the prediction.  [none]",
)
@click.option("--epochs", type=float, help="Passes over the training set.  [20]")
@click.option("--budget", type=SECONDS, help="Time limit for the whole command: 60s, 5m, 1h.")
@click.option("--size", type=SIZE, help="Input size, S or H,W pixels.  [chosen from the images]")
@resize_mode_option
@click.option(
    "--init",
    "start",
    metavar="none|imagenet|MODEL",
    help="Initial weights; MODEL is a run, timm:NAME, hf://ORG/NAME, a file.  "
    "[chosen by the images]",
)
@click.option(
    "--freeze",
    metavar="all|N|none",
    help="Frozen layers: all but the head, the first N stages, or none.",
)
@click.option(
    "--labels",
    metavar="N|FILE",
    help="Labels to use per class, or a CSV/JSON file of path,label.  [all]",
)
@click.option(
    "--semi",
    metavar="fixmatch|pseudo|none",
    help="Method for unlabeled training images.  [none]",
)
@click.option(
    "--augment",
    metavar="KEY=VALUE,…",
    help="Augmentations, such as shift=2,flip=true; none for none.",
)
@click.option("--batch-size", type=int, help="Samples per step.  [128; fewer of small sets]")
@click.option("--lr", type=float, help="Peak learning rate.  [suits the model]")
@click.option(
    "--class-weights",
    type=click.Choice(["none", "balanced"]),
    help="balanced: equal weight for all classes.  [none]",
)
@click.option("--optimizer", help="Optimizer: sgd or adamw.  [sgd]")
@click.option(
    "--seed", type=int, help="Random seed of weights, order, augmentation and split.  [0]"
)
@click.option(
    "--seeds", type=click.IntRange(2), help="Train with this many seeds; report mean and 95 % CI."
)
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1 or mps.  [the fastest available]")
@click.option("--out", type=OUT_FOLDER, metavar="FOLDER", help="Run folder to write.  [runs/NAME]")
@click.option("--overwrite", is_flag=True, help="Replace an existing run folder.")
@click.option("--resume", metavar="RUN", help="Continue an interrupted training.")
@click.option("--recipe", metavar="FILE", help="Start from the settings of a recipe.toml.")
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
    """Train a classifier on DATA and write a run folder with a report.

    DATA is `digits`, a folder of class folders (with or without train, val, test above them), a
    folder of idx files, an .npz, .npy or HDF5 file, or FILE:IMAGES,LABELS of arrays by name.

    \b
    neocog train digits
    neocog train images/ --init imagenet --freeze all
    neocog train images/ --model resnet18 --epochs 30 --augment shift=4,flip=true
    neocog train cells/ --symmetry c8
    neocog train images/ --budget 5m --seeds 3
    neocog train --resume runs/images
    """
    from neocog.verbs.watch import Watch

    with Watch() as watch:
        if given["resume"]:
            result = _resume(given, watch)
        elif given["seeds"]:
            result = _seeds(given, watch)
        else:
            result = _once(given, watch)
    if as_json:
        print_json(result)
    else:
        lines([*_words(result), *_next(result, watch)])


def _resume(given: dict[str, Any], watch: Any) -> dict[str, Any]:
    from neocog.verbs.train import resume

    other = [
        k
        for k, v in given.items()
        if k != "resume" and v is not None and v is not False and v != ()
    ]
    if other:
        raise UsageError(
            f"A resumed training keeps its recipe, and `{other[0]}` would change it. "
            "Give --resume RUN alone."
        )
    trained = resume(given["resume"], progress=watch)
    return {"run": str(trained.path), **trained.card["metrics"]}


def _once(given: dict[str, Any], watch: Any, *, began: float | None = None) -> dict[str, Any]:
    from neocog.verbs.train import train

    if not given["data"] and not given["recipe"]:
        raise UsageError("Training needs DATA, and none was given. Try `neocog train digits`.")
    trained = train(
        given["data"],
        model=given["model"],
        epochs=given["epochs"],
        budget=given["budget"],
        seed=given["seed"],
        labels=given["labels"],
        semi=given["semi"],
        settings=_settings(given),
        recipe=given["recipe"],
        out=given["out"],
        overwrite=given["overwrite"],
        strict=given["strict"],
        progress=watch,
        began=click.get_current_context().obj if began is None else began,
    )
    return {"run": str(trained.path), **trained.card["metrics"]}


def _seeds(given: dict[str, Any], watch: Any) -> dict[str, Any]:
    from neocog.runs.claim import claimed
    from neocog.verbs.train import free_folder, spread

    out = Path(given["out"]) if given["out"] else free_folder(given["data"] or "run")
    first = given["seed"] or 0
    began, runs = click.get_current_context().obj, []
    if (out / "recipe.toml").exists():
        raise UsageError(
            f"The runs of several seeds need a separate folder; `{printable(out)}` is a run "
            "itself. Choose another with --out."
        )
    for n in range(given["seeds"]):  # a folder that cannot be used is refused before training
        with claimed(out / f"seed-{first + n}", overwrite=given["overwrite"]):
            pass
    for n in range(given["seeds"]):
        seed = {"seed": first + n, "out": str(out / f"seed-{first + n}")}
        if given["budget"]:
            # The remaining time is divided evenly among the remaining seeds.
            left = given["budget"] - (time.monotonic() - began)
            seed["budget"] = max(left, 1e-3) / (given["seeds"] - n)
        watch.say(f"seed {first + n}, {n + 1} of {given['seeds']}")
        runs.append(_once({**given, **seed}, watch, began=time.monotonic() if n else began))
    part = "test" if all("test" in r for r in runs) else "val"
    scores = [r[part]["accuracy"] for r in runs if part in r]
    if len(scores) < len(runs):
        raise UsageError(
            "Several seeds are compared on held-out samples, and DATA has none. Add a val or "
            "test split."
        )
    over = spread(scores)
    return {
        "run": str(out),
        "runs": runs,
        part: {
            "accuracy": over.mean,
            "accuracy_ci": list(over.interval or ()),
            "values": list(over.values),
        },
    }


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    direct = {
        "model.downsampling": given["downsampling"],
        "model.padding": given["padding"],
        "model.symmetry": given["symmetry"],
        "model.init": given["start"],
        "transfer.freeze": given["freeze"],
        "train.batch_size": given["batch_size"],
        "objective.class_weights": given["class_weights"],
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


def _next(result: dict[str, Any], watch: Any) -> list[str]:
    """The command that comes next, as in the report; of several seeds for the last one."""
    from neocog.runs.exhibits import run_first_screen

    if watch.finished is None:
        return []
    run = result["runs"][-1]["run"] if "runs" in result else result["run"]
    command = run_first_screen(watch.finished, run).next[0]
    return ["", f"Next: {command.text[:1].lower()}{command.text[1:]}", f"  {command.line}"]


def _words(result: dict[str, Any]) -> list[str]:
    part = "test" if "test" in result else "val"
    test = result.get(part)
    sentences = []
    if test:
        ci = test["accuracy_ci"]
        reach = f" (95 % CI {ci[0]:.2%} to {ci[1]:.2%})" if ci else ""
        mean = f", mean of {len(result['runs'])} seeds" if "runs" in result else ""
        sentences.append(f"{part} accuracy {test['accuracy']:.2%}{mean}{reach}")
    if "runs" in result:
        sentences.append("seeds " + ", ".join(f"{v:.2%}" for v in test["values"]) if test else "")
        sentences.append(f"runs in {printable(result['run'])}")
    else:
        sentences.append(f"report {printable(Path(result['run']) / 'report.html')}")
    return sentences
