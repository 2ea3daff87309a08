"""Suggest an option or argument for one that does not exist: a near spelling, another tool's name.

Names of other tools and of earlier versions are listed. A word that is neither listed nor nearly
spelled gets no suggestion: a wrong one costs more than none.
"""

from __future__ import annotations

from collections.abc import Iterable

from neocog.errors import nearest

__all__ = ["suggestion"]

_CALLED: dict[str, tuple[str, ...]] = {
    "advice": ("rank-layers",),
    "against": ("baseline",),
    "all": ("every-sample",),
    "arch": ("model",),
    "architecture": ("model",),
    "batch": ("batch-size",),
    "batchsize": ("batch-size",),
    "bs": ("batch-size",),
    "channels": ("in-channels",),
    "checkpoint": ("weights", "resume"),
    "ckpt": ("weights", "resume"),
    "classes": ("num-classes",),
    "cuda": ("device",),
    "deformation": ("elastic",),
    "epoch": ("epochs", "finetune"),
    "epochs": ("finetune",),
    "every-shift": ("all-shifts",),
    "fine-tune": ("finetune",),
    "fit": ("resize-mode",),
    "from": ("init",),
    "gpu": ("device",),
    "image-size": ("size",),
    "img-size": ("size",),
    "imgsz": ("size",),
    "in-chans": ("in-channels",),
    "input-size": ("size",),
    "kernel": ("kernel-size",),
    "labels": ("classes",),
    "learning-rate": ("lr",),
    "load": ("weights", "init"),
    "max-time": ("budget",),
    "n": ("samples",),
    "network": ("model",),
    "num-channels": ("in-channels",),
    "num-classes": ("classes",),
    "num-epochs": ("epochs",),
    "num-samples": ("samples", "n"),
    "only": ("layer",),
    "opt": ("optimizer",),
    "optimiser": ("optimizer",),
    "out": ("report", "json"),
    "output": ("out",),
    "output-dir": ("out",),
    "pool": ("downsampling",),
    "pretrained": ("init", "weights"),
    "radius": ("max-shift",),
    "random-seed": ("seed",),
    "resize": ("resize-mode",),
    "resolution": ("size",),
    "samples": ("n",),
    "sampling": ("downsampling",),
    "save": ("out",),
    "save-dir": ("out",),
    "shape": ("size",),
    "start": ("init",),
    "steady": ("consistency-weight",),
    "target": ("class",),
    "time": ("budget",),
    "transfer": ("init",),
    "trust": ("sanity-checks",),
}
"""Names in other tools and earlier versions: to ours; the first that the command has counts."""


def suggestion(option: str, known: Iterable[str]) -> str | None:
    """The option that was meant, or None.

    Args:
        option: as typed, with its dashes; or a keyword argument.
        known: the options of the command, or the arguments of the function.

    Example:
        >>> suggestion("--pretrained", ["--recipe", "--init"])
        '--init'
        >>> suggestion("--lrr", ["--lr", "--layer"])
        '--lr'
        >>> suggestion("classes", ["num_classes", "in_channels"])
        'num_classes'
        >>> suggestion("--workers", ["--model", "--overwrite"]) is None
        True
    """
    names = {o.lstrip("-").replace("_", "-"): o for o in known}
    word = option.lstrip("-").replace("_", "-").lower()
    if word in names:
        return names[word]
    listed = next((name for name in _CALLED.get(word, ()) if name in names), None)
    match = listed or nearest(word, [n for n in names if len(n) > 1])
    return None if match is None else names[match]
