"""What every node gives out, for one sample after another: the first is followed, the rest counted.

To follow a run takes several times as long as the run. But a network whose way does not depend on
the numbers performs the same operations for every sample. So the first one is recorded as a
script: the operations in their order, the weights that each takes, which of them give the nodes'
outputs, from when on these are complete, and which write over earlier ones. A run that keeps to the
script needs no more than to count; one that does not is followed. For channels_last samples on a
processor the kernels of convolutions are packed once, which changes the last bits of the outputs,
of all samples alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from neocog.graph.moments import Moment
from neocog.graph.operations import DispatchMode, tensors_in
from neocog.graph.outputs import CollectedOutputs, outputs
from neocog.graph.structure import Structure, follow
from neocog.graph.tensor_table import memory
from neocog.layers._cpu.packed import PackedConvolution

__all__ = ["Keep", "Rerun"]

Keep = Callable[[int, Tensor], Tensor | None]
"""From a node and its output, as soon as it is complete, to what is kept of it.

The output itself, a copy of a part of it, or nothing.
"""

_ALIAS = torch.ops.aten.detach.default
"""Not counted: PyTorch adds some where somebody holds what an operation gave."""

_LOOKS = frozenset(["_local_scalar_dense", "is_nonzero", "equal", "nonzero"])
"""Operations with which Python code may look at numbers, to go another way."""


class _Astray(Exception):
    """A run does not keep to the script."""


@dataclass(eq=False)
class _Step:
    """One operation of the script.

    Args:
        func: what is called.
        weights: places among its arguments, and identities, of the parameters that it takes.
        out: its outputs; held while the script is written alone.
        gives: nodes, and which of its outputs theirs is.
        complete: nodes whose outputs are complete before it.
        spoils: nodes whose outputs it writes over.
        packed: what takes the place of the call, where it is a convolution.
    """

    func: Any
    weights: tuple[tuple[int, int], ...]
    out: list[Tensor]
    gives: list[tuple[int, int]] = field(default_factory=list)
    complete: list[int] = field(default_factory=list)
    spoils: list[int] = field(default_factory=list)
    packed: PackedConvolution | None = None

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.packed is not None and self.packed.suits(args):
            return self.packed(args)
        return self.func(*args, **kwargs)


@dataclass(eq=False)
class _Script:
    """The operations of a run.

    Args:
        steps: in their order.
        complete: nodes whose outputs are complete behind the last.
    """

    steps: list[_Step]
    complete: list[int]


class Rerun:
    """A network whose nodes' outputs are wanted for one sample after another.

    The module stays the same, in evaluation mode, and so does the shape of the samples.

    Args:
        module: the network.
        graph: its nodes.

    Example:
        >>> from neocog.graph.structure import structure
        >>> net = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(inplace=True)).eval()
        >>> run = Rerun(net, structure(net, torch.zeros(1, 1, 8)))
        >>> first, second = (run(torch.randn(1, 1, 8)) for _ in range(2))
        >>> run.counts, bool((second[1] < 0).any()), bool((second[2] < 0).any())
        (True, True, False)
    """

    def __init__(self, module: nn.Module, graph: Structure) -> None:
        self.module, self.graph = module, graph
        self._script: _Script | None = None
        self._learnt = False

    @property
    def counts(self) -> bool:
        """Whether there is a script to keep to."""
        return self._script is not None

    def __call__(self, x: Tensor, keep: Keep | None = None) -> list[Tensor | None]:
        """The outputs of every node for a sample, as `outputs` gives them.

        Args:
            x: a sample, (1, C, *space).
            keep: what is kept of each output; all of it if left out. Outputs that are dropped as
                soon as they are seen cost a network of many layers no memory, and no copies ahead
                of operations in place.

        Raises:
            ModelError: the module fails on it.
        """
        if self._script is not None:
            try:
                return _again(self.module, x, self._script, len(self.graph.nodes), keep)
            except Exception:  # astray, or it fails, which is reported by who follows it
                return _kept(outputs(self.module, x, self.graph), keep)
        if self._learnt:
            return _kept(outputs(self.module, x, self.graph), keep)
        self._learnt = True
        values, script = _learn(self.module, x, self.graph)
        if script is None or not self._proved(x, values, script):
            return _kept(values, keep)
        self._script = script
        _again(self.module, x, script, len(values), pack=True)
        return self(x, keep)

    def _proved(self, x: Tensor, values: list[Tensor | None], script: _Script) -> bool:
        """Whether the script gives the very numbers that were followed, held and copied in time."""
        for keep in (None, lambda node, value: value.clone()):
            try:
                again = _again(self.module, x, script, len(values), keep)
            except Exception:  # of any kind: an external forward may raise anything
                return False
            if not all(map(_same, values, again)):
                return False
        return True


def _kept(values: list[Tensor | None], keep: Keep | None) -> list[Tensor | None]:
    if keep is None:
        return values
    return [None if v is None else keep(node, v) for node, v in enumerate(values)]


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())


def _learn(
    module: nn.Module, x: Tensor, graph: Structure
) -> tuple[list[Tensor | None], _Script | None]:
    """The outputs for a first sample, and the script; None where there can be none."""
    collected, recorder = CollectedOutputs(graph), _Recorder()
    own = {memory(t) for t in (*module.parameters(), *module.buffers())}
    whole = not any(m.training for m in module.modules())

    def computed(moment: Moment) -> None:
        nonlocal whole
        at = collected.computed(moment)
        if at:  # the first is the sample itself
            whole &= recorder.gives(moment.out, at)
        if at is not None:
            recorder.complete.append(at)

    def written(t: Tensor) -> None:
        nonlocal whole
        whole &= memory(t) not in own
        with recorder.paused():
            recorder.spoils += collected.copy(t)

    given = x.clone()
    with recorder:
        follow(module, given, opened=graph.opened, on_node=computed, on_write=written)
    for step in recorder.steps:
        step.out = []
        whole &= str(step.func.overloadpacket.__name__) not in _LOOKS
    script = _Script(recorder.steps, recorder.complete)
    return collected.values, script if whole else None


def _again(
    module: nn.Module,
    x: Tensor,
    script: _Script,
    nodes: int,
    keep: Keep | None = None,
    *,
    pack: bool = False,
) -> list[Tensor | None]:
    """The outputs for a sample whose run keeps to the script; `pack` packs its kernels on the way.

    Raises:
        _Astray: it does not.
    """
    counter = _Counter(script.steps, nodes, keep, pack=pack)
    counter.values[0] = given = x.clone()
    with torch.no_grad(), counter:
        module(given)
    if counter.at != len(script.steps):
        raise _Astray
    counter.completed(script.complete)
    return counter.values


class _Recorder(DispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[_Step] = []
        self.spoils: list[int] = []
        self.complete: list[int] = []
        self._off = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside is not the network's."""
        self._off = True
        try:
            yield
        finally:
            self._off = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self._off and func is not _ALIAS:
            step = _Step(func, _weights(args), list(tensors_in(out)))
            step.complete, step.spoils = self.complete, self.spoils
            self.complete, self.spoils = [], []
            self.steps.append(step)
        return out

    def gives(self, t: Tensor, node: int) -> bool:
        """Note that a node's output is that of the last operation that gave it; false for none."""
        for step in reversed(self.steps):
            for k, out in enumerate(step.out):
                if out is t or _alike(out, t):
                    step.gives.append((node, k))
                    return True
        return False


class _Counter(DispatchMode):  # type: ignore[no-untyped-call]
    """Keeps to a script."""

    def __init__(
        self, script: list[_Step], nodes: int, keep: Keep | None, *, pack: bool = False
    ) -> None:
        super().__init__()
        self.script, self.keep, self.pack = script, keep, pack
        self.values: list[Tensor | None] = [None] * nodes
        self.at = 0
        self._apart: set[int] = set()

    def completed(self, nodes: list[int]) -> None:
        """The outputs of some nodes are complete."""
        if self.keep is None:
            return
        for node in nodes:
            value = self.values[node]
            if value is not None:
                kept = self.values[node] = self.keep(node, value)
                if kept is not value:
                    self._apart.add(node)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _ALIAS:
            return func(*args, **(kwargs or {}))
        at, self.at = self.at, self.at + 1
        if at >= len(self.script):
            raise _Astray
        step = self.script[at]
        # The same operation on other weights is another way through the network, as in a mixture
        # of experts: identities tell weights apart, which numbers need not.
        if step.func is not func or any(id(args[p]) != i for p, i in step.weights):
            self.at = -len(self.script)  # for good, also where the module takes it lightly
            raise _Astray
        self.completed(step.complete)
        for node in step.spoils:
            value = self.values[node]
            if value is not None and node not in self._apart:
                self.values[node] = value.clone()
        out = step(args, kwargs or {})
        if self.pack:
            step.packed = PackedConvolution.of(func, args, out)
        if step.gives:
            given = list(tensors_in(out))
            for node, k in step.gives:
                self.values[node] = given[k]
        return out


def _weights(args: tuple[Any, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((p, id(a)) for p, a in enumerate(args) if isinstance(a, nn.Parameter))


def _alike(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are the same numbers in the same memory."""
    try:
        return (
            a.data_ptr() == b.data_ptr()
            and a.shape == b.shape
            and a.stride() == b.stride()
            and a.dtype == b.dtype
        )
    except RuntimeError:  # a tensor without a store
        return False
