"""Suggest an option for one that does not exist: a near spelling, or the name in another tool.

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
    "arch": ("model",),
    "architecture": ("model",),
    "batch": ("batch-size",),
    "batchsize": ("batch-size",),
    "bs": ("batch-size",),
    "checkpoint": ("weights", "resume"),
    "ckpt": ("weights", "resume"),
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
    "input-size": ("size",),
    "labels": ("classes",),
    "learning-rate": ("lr",),
    "load": ("weights", "init"),
    "max-time": ("budget",),
    "n": ("samples",),
    "network": ("model",),
    "num-classes": ("classes",),
    "num-epochs": ("epochs",),
    "num-samples": ("samples",),
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
        option: as typed, with its dashes.
        known: the options of the command.

    Example:
        >>> suggestion("--pretrained", ["--recipe", "--init"])
        '--init'
        >>> suggestion("--lrr", ["--lr", "--layer"])
        '--lr'
        >>> suggestion("--workers", ["--model", "--overwrite"]) is None
        True
    """
    names = {o.lstrip("-"): o for o in known}
    word = option.lstrip("-").replace("_", "-").lower()
    if word in names:
        return names[word]
    listed = next((name for name in _CALLED.get(word, ()) if name in names), None)
    match = listed or nearest(word, [n for n in names if len(n) > 1])
    return None if match is None else names[match]
