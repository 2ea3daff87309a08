"""Which option was meant by one that there is not: one spelled nearly so, or one called otherwise.

Users come from other tools of the field. What is called otherwise there is listed; what is neither
listed nor spelled nearly so gets no guess: a wrong one costs more than none.
"""

from __future__ import annotations

from collections.abc import Iterable

from neocog.errors import nearest

__all__ = ["meant"]

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
"""What an option is called elsewhere, or was here once: to names, the first of them that is."""


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
