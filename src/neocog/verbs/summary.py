"""What a network costs, what each layer sees, and what its geometry rules out; no data needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neocog.errors import ModelError, UsageError, did_you_mean, printable
from neocog.exhibits import Cell, Scalar, Section, Table
from neocog.first_screen import Command, FirstScreen
from neocog.graph.alignment import Alignment, alignment
from neocog.graph.cost import Cost, cost
from neocog.graph.receptive_field import (
    Field,
    ReceptiveField,
    field_cells,
    receptive_field,
)
from neocog.graph.wording import times
from neocog.jsonable import jsonable, keys
from neocog.keywords import known_keywords
from neocog.layers.symmetrized import inside_of, upright
from neocog.models.declared import count as number_of
from neocog.models.model import AnyModel, Model
from neocog.models.suggest import suggestion
from neocog.networks.catalog import NETWORKS, build
from neocog.render.notebook import Result
from neocog.runs.load import load
from neocog.store.foreign import LIBRARIES, is_factory, make
from neocog.types import ModelSpec

__all__ = ["LayerSummary", "ModelSummary", "summary"]

StrPath = str | os.PathLike[str]

CLASSES = 10
"""Outputs of a network of the catalog without a number of classes."""


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """One submodule: what it costs itself, and what its output sees of the image.

    Args:
        name: in the network; "" for the network itself.
        kind: its class.
        output: shape for one sample, without the batch axis; empty where it was never called.
        params: numbers in its own parameters.
        macs: products that are summed.
        receptive_field: samples from the first to the last that one element sees, an axis; None
            where that is not known.
        jump: input samples from one element to the next; None where they do not shift
            evenly.
        start: the first sample that element 0 sees, negative in the padding.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    receptive_field: tuple[int, ...] | None
    jump: tuple[float | None, ...] | None
    start: tuple[int | None, ...] | None


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelSummary(Result):
    """What one sample costs and what its layers see.

    Args:
        size: of the sample, (C, H, W) or (C, N).
        cost: parameters, MACs, FLOPs, activations.
        fields: of all layers and tensors.
        alignment: what the geometry rules out.
        notes: what a reader of the figures should know.
    """

    JSON = keys(
        "size", "params=cost.params", "trainable=cost.trainable", "macs=cost.macs",
        "flops=cost.flops", "activations=cost.activations", "status", "unknown", "layers",
        "*geometry", "notes",
    )  # fmt: skip

    size: tuple[int, ...]
    cost: Cost
    fields: ReceptiveField
    alignment: Alignment
    notes: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """Operations whose cost, receptive field or position is unknown."""
        unknown = {*self.cost.unknown, *self.fields.unknown, *self.alignment.unknown}
        return tuple(sorted(unknown))

    @property
    def layers(self) -> tuple[LayerSummary, ...]:
        """In the order of their first call; what was never called comes last."""
        fields = {f.name: f for f in self.fields.layers}
        return tuple(
            _layer(row.name, row.kind, row.output, row.params, row.macs, fields.get(row.name))
            for row in self.cost.layers
        )

    def heading(self) -> str:
        """The size that it is of."""
        return f"Cost of one {times(self.size)} sample"

    def first_screen(self) -> FirstScreen:
        """Parameters and MACs, what is not understood, and the audit that comes next."""
        c, partial = self.cost, bool(self.unknown)
        detail = f"Partial: not understood are {', '.join(self.unknown)}." if partial else ""
        return FirstScreen(
            headline=f"{c.params:,} parameters, {c.macs:,} MACs for one {times(self.size)} sample"
            f"{', at least' if partial else ''}.",
            detail=detail,
            figures=self._sums(),
            next=(Command(text="Audit its shift consistency",
                          python="neocog.audit(model, data)"),),
        )  # fmt: skip

    def sections(self) -> tuple[Section, ...]:
        """The sums, the rules, and a row per layer."""
        return (self.exhibits(self.heading()),)

    @property
    def status(self) -> str:
        """Whether everything is understood: "complete" or "partial"."""
        return "partial" if self.unknown else "complete"

    @property
    def geometry(self) -> dict[str, Any]:
        """What the geometry rules out, as in an audit."""
        return self.alignment.beside_others()

    def exhibits(self, title: str) -> Section:
        """The sums, the rules in words, and a row per layer."""
        lines = [*self.notes, *self.alignment.sentences()]
        if self.unknown:
            lines.append(f"Not understood, so the figures are partial: {', '.join(self.unknown)}.")
        return Section(title=title, exhibits=(*self._sums(), self.table()), text="\n".join(lines))

    def _sums(self) -> tuple[Scalar, ...]:
        c = self.cost
        return (
            Scalar(title="parameters", value=c.params),
            Scalar(title="MACs", value=c.macs, note="products that are summed, of one sample"),
            Scalar(title="FLOPs", value=c.flops, note="2·MACs and everything else"),
            Scalar(title="activations", value=c.activations, note="values of all outputs"),
        )

    def table(self) -> Table:
        """A row per layer, but for those that cost nothing and see what the row before sees."""
        fields = {f.name: f for f in self.fields.layers}
        rows: list[tuple[Cell, ...]] = []
        seen: tuple[Cell, ...] = ()
        for layer in self.layers:
            f = fields.get(layer.name)
            sees = (times(layer.output) or None, *(field_cells(f) if f else (None,) * 3))
            if layer.params or layer.macs or (layer.output and sees != seen):
                name = layer.name or "(itself)"
                rows.append((name, layer.kind, sees[0], layer.params, layer.macs, *sees[1:]))
                seen = sees
        return Table(
            title=f"Layers at {times(self.size)}",
            columns=("layer", "kind", "output", "params", "MACs", "sees", "jump", "start"),
            rows=rows,
            note=(
                "Receptive field: the input samples that one element depends on; jump: the "
                "distance from one element to the next; start: the first sample that element 0 "
                "sees, negative in the padding. Layers without cost or effect are left out."
            ),
        )


@known_keywords
def summary(
    model: AnyModel,
    *,
    size: Sequence[int] | None = None,
    classes: StrPath | int | Sequence[str] | None = None,
    init: str | None = None,
) -> ModelSummary:
    """Parameters, MACs and FLOPs, receptive fields, and sizes that are symmetric.

    Weights and data are not looked at.

    Args:
        model: a module; a name of `neocog models`; a run folder; `package.module:factory`,
            `torchvision:NAME`, `timm:NAME`; a .pt2 file.
        size: of one sample, (C, H, W) or (C, N); that of its spec if left out.
        classes: outputs of a network that is named, 10 if left out; names, a file or a number.
        init: of a network of a library: `pretrained` or `none`; random weights if left out, as the
            figures do not depend on them.

    Raises:
        UsageError: no size is known.
        ModelError: the model cannot be opened or looked into, or fails at that size.

    Example:
        >>> found = summary("lenet5", size=(1, 32, 32))
        >>> found.cost.params, found.fields.of("s4").receptive_field
        (60000, (16, 16))
    """
    network, spec, notes = _network(model, size, classes, init)
    if size is None and spec is not None:
        size = spec.input.shape
    if size is None:
        raise UsageError(
            "A summary is of one input size, and this network does not state its own. Give --size "
            "C,H,W, as --size 3,224,224."
        )
    if min(size) < 1 or len(size) < 2:
        raise UsageError(
            f"The size of a sample is channels and at least one axis, integers from 1; "
            f"got {times(size)}. Give it like 3,32,32."
        )
    whole = tuple(int(n) for n in size)
    spent = cost(network, whole)
    with upright():  # in the frame of the image, where a network is run on several poses
        fields, aligned = receptive_field(network, whole), alignment(network, whole)
    return ModelSummary(
        size=whole,
        cost=spent,
        fields=fields,
        alignment=aligned,
        notes=(*inside_of(network), *notes),
    )


def _network(
    model: AnyModel,
    size: Sequence[int] | None,
    classes: StrPath | int | Sequence[str] | None,
    init: str | None,
) -> tuple[nn.Module, ModelSpec | None, list[str]]:
    """The network without its normalization, what it promises, and what should be known."""
    if isinstance(model, Model):
        return _looked_into(model)
    if isinstance(model, nn.Module):
        return _inner(model)
    text = os.fspath(model)
    folder = os.path.isdir(text)  # noqa: PTH112 (names too long are none)
    if text in NETWORKS and not folder:
        return _named(text, size, number_of(classes))
    if is_factory(text) and not folder:
        return _made(text, number_of(classes), init)
    a_file = Path(text).suffix.lower() in (".pt2", ".onnx") and not folder
    if not a_file and not folder and os.sep not in text:
        near = did_you_mean(text, NETWORKS)
        hint = f"{near} {suggestion(text)}" if near.startswith("Did") else suggestion(text)
        raise UsageError(f"`{printable(text)}` is not a network, run folder or file. {hint}")
    if a_file:  # its normalization does not matter here
        opened = load(text, size=size, mean=(0.0,), std=(1.0,), allow_random=True)
    else:
        opened = load(text, allow_random=True)
    return _looked_into(opened)


def _looked_into(model: Model) -> tuple[nn.Module, ModelSpec | None, list[str]]:
    """The network of an opened model."""
    if model.black_box:
        raise ModelError(
            f"A summary needs the layers of a network; `{model.title}` is a black box. "
            "Summarize the network that it was exported from."
        )
    return model.network, model.spec if model.shape else None, []


def _named(
    name: str, size: Sequence[int] | None, num_classes: int | None
) -> tuple[nn.Module, ModelSpec | None, list[str]]:
    """A network of the catalog; no weights are made."""
    if size is None or len(size) != 3:
        given = "none" if size is None else times(size)
        raise UsageError(
            f"A summary of a built-in network needs an image size; got {given}. "
            "Give --size C,H,W, as --size 3,224,224."
        )
    outputs = CLASSES if num_classes is None else num_classes
    with torch.device("meta"):
        network = build(name, num_classes=outputs, in_channels=size[0], size=(size[1], size[2]))
    return network, None, [f"{name} with {outputs} outputs and its default options."]


def _made(
    text: str, num_classes: int | None, init: str | None
) -> tuple[nn.Module, ModelSpec | None, list[str]]:
    """A network from other code; pretrained weights are downloaded only on request."""
    library = text.partition(":")[0] in LIBRARIES
    made = make(
        text, num_classes=num_classes, init=init or ("none" if library else None), values=False
    )
    network, spec, notes = _inner(made.network)
    if library and init is None:
        notes = ["The weights are random; no figure here depends on them."]
    elif made.weights:
        notes = [made.weights] if library else []
    if spec is None and made.input is not None:
        spec = ModelSpec(task="classify", classes=(), input=made.input)
    return network, spec, notes


def _inner(module: nn.Module) -> tuple[nn.Module, ModelSpec | None, list[str]]:
    """A network of ours that carries its spec is looked at without its normalization."""
    spec, network = getattr(module, "spec", None), getattr(module, "network", None)
    if isinstance(spec, ModelSpec) and isinstance(network, nn.Module):
        return network, spec, []
    return module, None, []


def _layer(
    name: str, kind: str, output: tuple[int, ...], params: int, macs: int, f: Field | None
) -> LayerSummary:
    return LayerSummary(
        name=name,
        kind=kind,
        output=output,
        params=params,
        macs=macs,
        receptive_field=f.receptive_field if f is not None and f.known else None,
        jump=tuple(jsonable(f.stepped)) if f is not None and f.known else None,
        start=f.start if f is not None and f.known else None,
    )
