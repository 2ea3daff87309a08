"""What each tensor of a network sees of the image: size, jump and start of its fields.

The module runs once, on a sample of zeros, while every operation that reaches PyTorch's dispatcher
is looked up in a table of rules (`reach.rules`). So it is the real graph, whatever Python code
makes it: branches, shortcuts, loops, functions, slices. Along each axis of space:

    receptive field   samples from the first to the last that an element may depend on
    jump              samples from the field of one element to that of the next
    start             the first sample that element 0 sees; negative in the padding
    step              samples from the position of one element to that of the next
                      (`reach.positions`), also behind an operation that sees everything, where
                      jumps end

An element of a branch that joins others sees the smallest interval that holds theirs. What no rule
understands is named in `unknown`, nothing is claimed about what follows it, and the status is
`partial`.

Sources: the recurrences in A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of
Convolutional Neural Networks", Distill, 2019; here on intervals, so that any graph is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from neocog.errors import UsageError, did_you_mean
from neocog.exhibits import Cell, Section, Table
from neocog.graph.operations import Call, Observer, Operation, scripted, tensors_in, watching
from neocog.graph.preserve import blank_sample
from neocog.graph.reach.positions.follow import Positions
from neocog.graph.reach.trace import Field, Tracer
from neocog.graph.wording import nouns, times
from neocog.jsonable import Jsonable, jsonable, keys
from neocog.keywords import known_keywords

__all__ = ["Field", "ReceptiveField", "field_cells", "receptive_field"]


@dataclass(frozen=True, kw_only=True)
class ReceptiveField(Jsonable):
    """What every tensor of a network sees.

    Args:
        size: of the sample, (C, H, W) or (C, N).
        layers: the outputs of the submodules, in the order of their last calls; "" is the
            module itself.
        tensors: the outputs of all operations, in order.
        unknown: names of operations that no rule understands.
        status: "complete", or "partial" where something is unknown.
    """

    JSON = keys("size", "layers", "unknown", "status")

    size: tuple[int, ...]
    layers: tuple[Field, ...]
    tensors: tuple[Field, ...] = field(repr=False)
    unknown: tuple[str, ...]
    status: str

    def of(self, layer: str) -> Field:
        """One layer by its name.

        Raises:
            UsageError: no such layer ran.
        """
        named = {f.name: f for f in self.layers}
        if layer not in named:
            raise UsageError(f"`{layer}` is not a layer that ran. {did_you_mean(layer, named)}")
        return named[layer]

    def section(self) -> Section:
        """For a report."""
        text = (
            f"Not understood: {', '.join(self.unknown)}; nothing is claimed about what follows."
            if self.unknown
            else ""
        )
        return Section(title="Receptive fields", exhibits=(self.table(),), text=text)

    def table(self) -> Table:
        """A row per layer."""
        return Table(
            title="Receptive fields",
            columns=("layer", "kind", "output", "receptive field", "jump", "start"),
            rows=[
                (f.name, f.kind, times(f.output), *field_cells(f)) for f in self.layers if f.output
            ],
            note=(
                f"In input {nouns(len(self.size) - 1).units}. Start: the first sample that element "
                "0 sees, negative in the padding; –: windows without a fixed step, or the whole "
                "input."
            ),
        )


@known_keywords
def receptive_field(module: nn.Module, size: Sequence[int]) -> ReceptiveField:
    """Size, jump and start of the fields of every submodule's output and of every tensor.

    The module keeps its mode, parameters, buffers, gradients and hooks.

    Args:
        module: any module that takes one tensor.
        size: of one sample, without the batch axis: (C, H, W) or (C, N).

    Raises:
        ModelError: the module fails on a sample of that size.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.MaxPool2d(2))
        >>> f = receptive_field(net, (1, 32, 32)).of("1")
        >>> f.receptive_field, f.start
        ((5, 5), (-1, -1))
        >>> [str(j) for j in f.jump]
        ['4', '4']
    """
    with blank_sample(module, size, "Receptive fields need") as x:
        run = _Run(x, module)
        with watching(module, run):
            module(x)
    unknown = sorted(run.tracer.unknown | scripted(module))
    return ReceptiveField(
        size=tuple(size),
        layers=tuple(run.tracer.layers.values()),
        tensors=tuple(run.tracer.tensors),
        unknown=tuple(unknown),
        status="partial" if unknown else "complete",
    )


class _Run(Observer):
    """What is seen, and beside it where elements stand: behind a mean each sees all, in steps."""

    def __init__(self, x: Tensor, module: nn.Module) -> None:
        self.tracer, self.positions = Tracer(x), Positions(x, module)

    def start(self, call: Call) -> None:
        """A submodule begins."""
        self.tracer.start(call)
        self.positions.start(call)

    def operation(self, op: Operation) -> None:
        """An operation was performed."""
        self.tracer.operation(op)
        self.positions.operation(op)

    def left(self, name: str, t: Tensor) -> None:
        """Values are read by Python."""
        self.tracer.left(name, t)
        self.positions.left(name, t)

    def end(self, call: Call) -> None:
        """A submodule ends; its elements have positions as well."""
        self.tracer.end(call)
        self.positions.end(call)
        out = next(tensors_in(call.out), None)
        f = self.tracer.layers.get(call.name)
        if out is not None and f is not None and f.known and f.jump:
            self.tracer.layers[call.name] = replace(f, step=self.positions.steps_of(out))


def field_cells(f: Field) -> tuple[Cell, Cell, Cell]:
    """Field, jump and start in one cell each; both axes only where they differ."""
    if not f.known:
        return "unknown", None, None
    seen = "all" if f.whole and all(f.whole) else _cell(f.receptive_field)
    return seen, _cell(jsonable(f.stepped)), _cell(f.start)


def _cell(numbers: Sequence[float | int | None]) -> Cell:
    if not numbers or all(n == numbers[0] for n in numbers):
        return numbers[0] if numbers else None
    return "×".join("–" if n is None else str(n) for n in numbers)
