"""Which option was meant by one that there is not: one spelled nearly so, or one called otherwise.

Users come from other tools of the field. What is called otherwise there is listed; what is neither
listed nor spelled nearly so gets no guess: a wrong one costs more than none.
"""

from __future__ import annotations

from collections.abc import Iterable

from neocog.errors import nearest

__all__ = ["meant"]

_CALLED: dict[str, tuple[str, ...]] = {
    "arch": ("model", "network"),
    "architecture": ("model", "network"),
    "baseline": ("against",),
    "against": ("baseline",),
    "batch-size": ("batch",),
    "batchsize": ("batch-size", "batch"),
    "batch": ("batch-size",),
    "bs": ("batch-size", "batch"),
    "checkpoint": ("weights", "resume"),
    "ckpt": ("weights", "resume"),
    "consistency-weight": ("consistency_weight",),
    "cuda": ("device",),
    "downsampling": ("downsampling",),
    "elastic": ("elastic",),
    "epoch": ("epochs", "finetune"),
    "epochs": ("finetune",),
    "fit": ("resize-mode",),
    "fine-tune": ("finetune",),
    "from": ("init",),
    "gpu": ("device",),
    "image-size": ("size",),
    "img-size": ("size",),
    "imgsz": ("size",),
    "init": ("from",),
    "input-size": ("size",),
    "labels": ("classes",),
    "learning-rate": ("lr",),
    "load": ("weights", "from", "init"),
    "max-shift": ("radius",),
    "max-time": ("budget",),
    "model": ("network",),
    "network": ("model",),
    "n": ("samples",),
    "num-classes": ("classes",),
    "num-epochs": ("epochs",),
    "num-samples": ("samples", "n"),
    "opt": ("optimizer", "optimizer"),
    "optimizer": ("optimizer",),
    "optimizer": ("optimizer",),
    "out": ("report", "json"),
    "output": ("out",),
    "output-dir": ("out",),
    "pool": ("downsampling", "downsampling"),
    "pretrained": ("init", "from", "weights"),
    "radius": ("max-shift",),
    "random-seed": ("seed",),
    "rank-layers": ("rank_layers",),
    "resize": ("resize-mode",),
    "resolution": ("size",),
    "samples": ("n",),
    "downsampling": ("downsampling",),
    "save": ("out",),
    "save-dir": ("out",),
    "shape": ("size",),
    "start": ("init", "from"),
    "target": ("class",),
    "time": ("budget",),
    "transfer": ("init", "from"),
}
"""What an option is called elsewhere, was or will be here: to names, the first of them that is."""


def meant(option: str, known: Iterable[str]) -> str | None:
    """The option that was meant; None where nobody knows.

    Args:
        option: as it was written, with its dashes.
        known: those of the command.

    Example:
        >>> meant("--pretrained", ["--recipe", "--init"]), meant("--lrr", ["--lr", "--layer"])
        ('--init', '--lr')
        >>> meant("--workers", ["--model", "--overwrite"]) is None
        True
    """
    names = {o.lstrip("-"): o for o in known}
    word = option.lstrip("-").replace("_", "-").lower()
    if word in names:
        return names[word]
    listed = next((name for name in _CALLED.get(word, ()) if name in names), None)
    found = listed or nearest(word, [n for n in names if len(n) > 1])
    return None if found is None else names[found]
