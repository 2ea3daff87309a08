"""Audits as the page shows them: the one that lies in the run folder, or one that is made here.

A folder may come from anybody, so what its audit.json holds is looked at before it goes to the
page: an exhibit has the parts of its kind, numbers where numbers stand, PNG files for images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from neocog.errors import UsageError, printable
from neocog.runs.saved_audit import SavedAudit, kept_audit
from neocog.web.network import Network
from neocog.web.query import whole
from neocog.web.refused import Missing
from neocog.web.session import Session

__all__ = ["audit", "known", "run_audit", "well_formed"]

Query = Mapping[str, Any]


def audit(session: Session, query: Query) -> dict[str, Any]:
    """The audit of a model: that of its run folder, or else one that was made here.

    Raises:
        Missing: there is none, or it is of other weights.
    """
    network = session.network(query)
    model = session.networks.index(network)
    kept = _kept(network)
    if kept is not None and _is_of(kept, network):
        return {"sections": list(kept.sections), "source": _source_line(kept)}
    if session.has(("audit", model)):
        computed: dict[str, Any] = session.kept(("audit", model), dict)
        return computed
    if kept is not None:
        raise Missing(
            "The audit in this run folder is of other weights than the ones shown. Run `neocog "
            "audit` again, or start a short audit here."
        )
    raise Missing(
        "This model has not been audited yet. Run `neocog audit`, or start a short audit here."
    )


def known(session: Session, model: int) -> str:
    """Which audit there is: "saved", "computed" here, one of "other" weights, or "none"."""
    network = session.networks[model]
    kept = _kept(network)
    if kept is not None and _is_of(kept, network):
        return "saved"
    if session.has(("audit", model)):
        return "computed"
    return "none" if kept is None else "other"


def run_audit(session: Session, query: Query) -> dict[str, Any]:
    """Audit a model on a few images; nothing is written.

    Raises:
        UsageError: there are no data.
    """
    from neocog.audits.config import AuditConfig
    from neocog.verbs.audit import audit as audited

    network = session.network(query)
    model = session.networks.index(network)
    n = whole(query, "n", 100, low=1, high=200)
    if session.album.name is None:
        raise UsageError("An audit needs data. Start the explorer with DATA.")
    samples = session.few(session.album.start, model)

    def on_progress(progress: object) -> None:
        session.go_on()

    def make() -> dict[str, Any]:
        done = audited(
            session.copy(model, "audit"),
            samples,
            AuditConfig(n=n, map_samples=16, full=True),
            task=network.task,
            progress=on_progress,
        )
        source = (
            f"A short audit of {done.audit.n:,} samples of the split {session.album.start}, kept "
            "while the explorer runs."
        )
        return {
            "sections": [s.to_json() for s in (done.opening(), *done.sections())],
            "source": source,
        }

    return session.kept(("audit", model), make)


def _kept(network: Network) -> SavedAudit | None:
    """What the run folder has, where it can be shown."""
    saved = kept_audit(network.model)
    return saved if saved is not None and all(map(well_formed, saved.sections)) else None


def _is_of(kept: SavedAudit, network: Network) -> bool:
    """Whether an audit is of the very weights that are shown."""
    return kept.model == network.fingerprint


def _source_line(kept: SavedAudit) -> str:
    n = kept.result.get("n")
    many = f"{n:,} samples of " if isinstance(n, int) else ""
    return f"From the run folder, written by neocog audit: {many}{printable(kept.data)}."


# ---- what a file holds


def well_formed(section: Any) -> bool:
    """Whether a value is a section of exhibits in the form of `Section.to_json`.

    Example:
        >>> scalar = {"kind": "scalar", "title": "n", "value": 3, "unit": "", "interval": None}
        >>> well_formed({"kind": "section", "title": "", "text": "", "exhibits": [scalar]})
        True
        >>> well_formed({"kind": "section", "title": "", "text": "", "exhibits": [{}]})
        False
    """
    return _has(section, {"title": _text, "text": _text, "exhibits": _list_of(_exhibit)})


def _has(value: Any, parts: Mapping[str, Callable[[Any], bool]]) -> bool:
    return isinstance(value, dict) and all(fits(value.get(name)) for name, fits in parts.items())


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _words(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


def _cell(value: Any) -> bool:
    return _words(value) or _number(value)


def _image(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("data:image/png;base64,")


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _interval(value: Any) -> bool:
    return value is None or (_list_of(_number)(value) and len(value) == 2)


def _both(value: Any) -> bool:
    """An interval along each axis, or none."""
    pairs = _list_of(lambda v: v is not None and _interval(v))
    return value is None or (pairs(value) and len(value) == 2)


def _flag(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _names(value: Any) -> bool:
    return value is None or _list_of(_text)(value)  # audits of before have none


def _lines(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_list_of(_number), value.values()))


def _intervals(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_list_of(_interval), value.values()))


def _check(value: Any) -> bool:
    return _has(value, {"name": _text, "text": _text, "passed": _flag})


_KINDS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "scalar": {"value": _number, "unit": _text, "interval": _interval},
    "curve": {
        "x": _list_of(_number),
        "lines": _lines,
        "x_label": _text,
        "y_label": _text,
        "x_names": _names,
    },
    "map": {
        "values": _list_of(_list_of(_number)),
        "rows": _list_of(_text),
        "columns": _list_of(_text),
        "row_label": _words,
        "column_label": _words,
        "ends": _interval,
        "unit": _words,
        "extent": _both,
        "box": _interval,
    },
    "gallery": {
        "images": _list_of(_image),
        "captions": _list_of(_text),
        "together": _number,
        "large": _flag,
    },
    "table": {"columns": _list_of(_text), "rows": _list_of(_list_of(_cell))},
    "bars": {
        "names": _list_of(_text),
        "series": _lines,
        "intervals": _intervals,
        "x_label": _text,
        "unit": _text,
        "high": _number,
    },
    "checks": {"checks": _list_of(_check)},
}
"""The parts of each kind of exhibit that a page draws."""


def _exhibit(value: Any) -> bool:
    kind = value.get("kind") if isinstance(value, dict) else None
    parts = _KINDS.get(kind) if isinstance(kind, str) else None
    return parts is not None and _has(value, {"title": _text, "note": _words, **parts})
