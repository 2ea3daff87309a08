"""The audit that a run folder keeps: `neocog audit` leaves it there, the explorer finds it again.

It carries a fingerprint of the model that was audited. Weights change when a training is resumed
or a folder is rewritten; what was measured of others is not shown as if it were of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from neocog.errors import NeocogError
from neocog.exhibits import Section
from neocog.models.model import Model
from neocog.runs.folder import RunFolder
from neocog.version import __version__

__all__ = ["SavedAudit", "fingerprint", "keep_audit", "kept_audit"]


@dataclass(frozen=True, kw_only=True)
class SavedAudit:
    """What a run folder has of an audit; nobody has looked whether it makes sense.

    Args:
        data: that the model was audited on, as it was named.
        result: figures, with the names of the spec.
        sections: exhibits, in the form of `Section.to_json`.
        model: fingerprint of the model that was audited.
    """

    data: str
    result: Mapping[str, Any]
    sections: tuple[Any, ...]
    model: str


def fingerprint(trained: Model) -> str:
    """Of a model's weights, its spec and its network: equal texts, equal models.

    Args:
        trained: the model.
    """
    network = trained.card.get("network")
    text = json.dumps([trained.spec.to_json(), network], sort_keys=True, default=str)
    seen = blake2b(text.encode(), digest_size=16)
    for name, value in sorted(trained.module.state_dict().items()):
        if isinstance(value, Tensor):  # the rest is a state of an external module
            numbers = value.detach().cpu().contiguous()
            seen.update(f"{name} {numbers.dtype} {tuple(numbers.shape)}".encode())
            seen.update(numbers.flatten().view(torch.uint8).numpy().data)
    return seen.hexdigest()


def keep_audit(
    trained: Model, *, data: str, result: Mapping[str, Any], sections: Sequence[Section]
) -> bool:
    """Leave an audit in the folder of the run that it is of, in place of the last one.

    Args:
        trained: the model that was audited.
        data: on what, as it was named.
        result: figures, with the names of the spec.
        sections: what a page shows of it.

    Returns:
        Whether it is kept: not of an external model, which has no folder.

    Raises:
        RunError: the folder cannot be written; the old content is unharmed.
    """
    folder = _folder(trained)
    if folder is None:
        return False
    folder.write_audit(
        {
            "neocog": __version__,
            "model": fingerprint(trained),
            "data": data,
            "result": result,
            "sections": [s.to_json() for s in sections],
        }
    )
    return True


def kept_audit(trained: Model) -> SavedAudit | None:
    """The audit in the folder of a run; None where there is none that can be read.

    Args:
        trained: the run's model, as it was opened.
    """
    folder = _folder(trained)
    match None if folder is None else folder.audit():
        case {
            "model": str(model),
            "data": str(data),
            "result": dict(result),
            "sections": list(sections),
        }:
            return SavedAudit(data=data, result=result, sections=tuple(sections), model=model)
    return None


def _folder(trained: Model) -> RunFolder | None:
    """The folder of a run of ours."""
    if trained.black_box:
        return None
    try:
        return RunFolder.open(trained.path)
    except NeocogError:
        return None
