"""torchvision beside a PyTorch for the processor alone.

Its wheel may be linked to libraries of a graphics card that are not there; then its compiled
operators are missing, and the import stops at the description of two of them. They are declared
here without a body: models and transforms work, and who calls one of the two gets PyTorch's own
error. Where torchvision loads by itself, nothing is done.
"""

from __future__ import annotations

import sys
from types import ModuleType

_held: list[object] = []
"""What is declared lasts as long as this is held."""


def import_torchvision() -> ModuleType:
    """The package, as it is or with the two operators declared."""
    try:
        import torchvision

        return torchvision
    except RuntimeError as e:
        if "torchvision::nms" not in str(e):
            raise
    import torch

    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    _held.append(library)
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    return torchvision
