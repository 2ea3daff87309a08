"""From a folder of images to a trained, saved and reported convolutional network.

    import neocog

    model = neocog.train("digits", epochs=5)
    model = neocog.load("runs/digits")  # or "timm:resnet18", "net.onnx", any torch.nn.Module
    model.predict(["seven.png"])
    model.audit("digits", shift=("circular", "crop"), n=500)
    neocog.audit("runs/digits", "digits")  # the same, as every verb

The verbs are those of the command line. Importing this module imports nothing heavy: each verb
is opened when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from neocog.version import __version__

if TYPE_CHECKING:
    from neocog.audits.config import AuditConfig
    from neocog.data.open import open_data
    from neocog.models.model import Model
    from neocog.networks.catalog import build
    from neocog.runs.load import load
    from neocog.verbs.audit import audit
    from neocog.verbs.evaluate import evaluate
    from neocog.verbs.explain import explain
    from neocog.verbs.export import export
    from neocog.verbs.fix import fix
    from neocog.verbs.neighbors import neighbors
    from neocog.verbs.predict import predict
    from neocog.verbs.pretrain import pretrain
    from neocog.verbs.priors import priors
    from neocog.verbs.summary import summary
    from neocog.verbs.train import resume, train
    from neocog.web.explore import explore

__all__ = [
    "AuditConfig",
    "Model",
    "__version__",
    "audit",
    "build",
    "evaluate",
    "explain",
    "explore",
    "export",
    "fix",
    "load",
    "neighbors",
    "open_data",
    "predict",
    "pretrain",
    "priors",
    "resume",
    "summary",
    "train",
]

_ROOMS = {
    "AuditConfig": "neocog.audits.config",
    "Model": "neocog.models.model",
    "audit": "neocog.verbs.audit",
    "build": "neocog.networks.catalog",
    "evaluate": "neocog.verbs.evaluate",
    "explore": "neocog.web.explore",
    "explain": "neocog.verbs.explain",
    "export": "neocog.verbs.export",
    "fix": "neocog.verbs.fix",
    "load": "neocog.runs.load",
    "neighbors": "neocog.verbs.neighbors",
    "open_data": "neocog.data.open",
    "predict": "neocog.verbs.predict",
    "pretrain": "neocog.verbs.pretrain",
    "priors": "neocog.verbs.priors",
    "resume": "neocog.verbs.train",
    "summary": "neocog.verbs.summary",
    "train": "neocog.verbs.train",
}

_FORMER = {"open_model": "load"}
"""Names of before, which are opened all the same."""


def __getattr__(name: str) -> Any:
    if name == "lectures":  # a room with a function of its own, `lectures.run`
        return importlib.import_module("neocog.lectures")
    name = _FORMER.get(name, name)
    if name not in _ROOMS:
        raise AttributeError(f"module `neocog` has no attribute `{name}`")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
