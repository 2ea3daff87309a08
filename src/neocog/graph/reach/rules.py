"""What each operation of PyTorch does to the intervals that are seen, by its rule in `graph.ops`.

    pointwise, batch norm (evaluation)        each element of any operand; with broadcasting
    convolution, pool, unfold                 all samples of the window, all channels of the group
    transposed convolution                    the samples whose windows touch the output
    interpolation                             the samples with a weight that is not zero
    padding of any mode                       what would be there if the image went on
    sum, mean, max, sort, softmax, …          all along the axes that are reduced
    layer, group and instance norm            all that is normalized together
    matrix product                            a row of the one, a column of the other
    attention                                 the query, all keys and all values, whatever the mask
    moving: views, slices, concatenation, …   the elements that are there afterwards

An index that depends on the input may pick any sample; what it picks is not understood.
"""

from __future__ import annotations

from collections.abc import Mapping

from neocog.graph.operations import Operation
from neocog.graph.ops import rule_of
from neocog.graph.reach import moves, sums, windows
from neocog.graph.reach.intervals import Reach
from neocog.graph.reach.scene import Rule, Scene

__all__ = ["NOT_MADE_FOR", "RULES", "perform"]

RULES: dict[str, Rule] = {
    "same": moves.of_same,
    "pointwise": moves.of_pointwise,
    "none": moves.of_none,
    "copy": moves.of_source,
    "convolution": windows.of_convolution,
    "pool": windows.of_pool,
    "adaptive pool": windows.of_adaptive_pool,
    "im2col": windows.of_im2col,
    "col2im": windows.of_col2im,
    "recurrent": windows.of_recurrent,
    "pad": windows.of_pad,
    "interpolation": windows.of_interpolation,
    "reduction": sums.of_reduction,
    "softmax": sums.of_along,
    "sort": sums.of_along,
    "cumulative": sums.of_up_to,
    "batch norm": sums.of_along,
    "layer norm": sums.of_along,
    "group norm": sums.of_group_norm,
    "product": sums.of_matrix_product,
    "linear": sums.of_linear,
    "attention": sums.of_attention,
    "view": moves.of_view,
    "squeeze": moves.of_squeeze,
    "unsqueeze": moves.of_unsqueeze,
    "permute": moves.of_permute,
    "transpose": moves.of_transpose,
    "t": moves.of_t,
    "slice": moves.of_slice,
    "flip": moves.of_flip,
    "expand": moves.of_expand,
    "split": moves.of_split,
    "select": moves.of_select,
    "parts": moves.of_parts,
    "unbind": moves.of_unbind,
    "cat": moves.of_cat,
    "stack": moves.of_stack,
    "move": moves.of_any_move,
    "pixel shuffle": moves.of_pixel_shuffle,
    "glu": moves.of_glu,
    "put": moves.of_put,
    "embedding": moves.of_embedding,
    "fft": sums.of_along,
}

_ALL_OPERANDS = frozenset(
    [
        "pointwise",
        "copy",
        "none",
        "convolution",
        "product",
        "attention",
        "cat",
        "stack",
        "put",
        "embedding",
    ]
)
"""Rules of all tensors; any other looks at the first alone, and the input may reach no other."""

NOT_MADE_FOR = (
    RuntimeError,
    TypeError,
    ValueError,
    IndexError,
    KeyError,
    AttributeError,
    NotImplementedError,
)
"""How a rule fails on a way of calling that it was not made for."""


def perform(op: Operation, reach: Mapping[str, Reach]) -> list[Reach | None] | None:
    """What each output of an operation sees along one axis; None where no rule understands it.

    Args:
        op: the operation.
        reach: what each tensor among its arguments sees, by name.
    """
    name, outs = rule_of(op), op.outs
    rule = RULES.get(name)
    if rule is None or any(t.numel() == 0 for t in outs[:1]):
        return None
    others = list(reach.values())[1:]
    if name not in _ALL_OPERANDS and any(bool(r.seen.any()) for r in others):
        return None
    try:
        result = rule(Scene(op, dict(reach)))
    except NOT_MADE_FOR:
        return None
    if result is None:
        return None
    several = result if isinstance(result, list) else [result] * len(outs)
    fitting = [r if r.shape == tuple(t.shape) else None for r, t in zip(several, outs, strict=True)]
    return fitting if fitting[0] is not None else None
