"""What each operation of PyTorch does to the intervals that are seen.

    pointwise, batch norm (evaluation)        each element of any operand; with broadcasting
    convolution, pool, unfold                 all samples of the window, all channels of the group
    transposed convolution                    the samples whose windows touch the output
    interpolation                             the samples with a weight that is not zero
    padding of any mode                       what would be there if the image went on
    sum, mean, largest, sort, softmax, …      all along the axes that are summed up
    layer, group and instance norm            all that is normalized together
    matrix product                            a row of the one, a column of the other
    attention                                 the query, all keys and all values, whatever the mask
    moving: views, slices, concatenation, …   the elements that came to be there

An index that depends on the input may pick any sample; what it picks is not understood.
"""

from __future__ import annotations

import torch

from neocog.graph.operations import Operation
from neocog.graph.reach import moves, sums, windows
from neocog.graph.reach.scene import Rule

__all__ = ["rule_of", "sees_first_only"]


def _of(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


_RULES: dict[str, Rule] = {
    **_of(
        moves.of_same,
        "clone _to_copy dropout native_dropout detach alias lift_fresh alias_copy lift_fresh_copy",
    ),
    **_of(
        moves.of_pointwise,
        "where masked_fill lerp addcmul addcdiv tril triu bernoulli prelu "
        "_prelu_kernel log_sigmoid_forward floor_divide hardswish mish rrelu rrelu_with_noise "
        "threshold celu hardsigmoid hardtanh softplus softshrink hardshrink elu",
    ),
    **_of(
        moves.of_none,
        "zero fill zeros_like ones_like empty_like full_like rand_like randn_like "
        "new_empty new_zeros new_ones new_full new_empty_strided randint_like uniform normal "
        "random exponential",
    ),
    "copy": moves.of_source,
    "convolution": windows.of_convolution,
    **_of(
        windows.of_pool,
        "max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d "
        "max_pool1d max_pool2d max_pool3d avg_pool1d",
    ),
    **_of(
        windows.of_adaptive_pool,
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d",
    ),
    "im2col": windows.of_im2col,
    "col2im": windows.of_col2im,
    "mkldnn_rnn_layer": windows.of_recurrent,
    **_of(
        windows.of_pad,
        "constant_pad_nd _pad_circular reflection_pad1d reflection_pad2d "
        "reflection_pad3d replication_pad1d replication_pad2d replication_pad3d",
    ),
    **_of(
        windows.of_interpolation,
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d "
        "_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d "
        "upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d "
        "_upsample_bilinear2d_aa _upsample_bicubic2d_aa",
    ),
    **_of(
        sums.of_reduction,
        "sum mean amax amin max min prod argmax argmin logsumexp var std var_mean "
        "std_mean linalg_vector_norm norm any all median nanmedian mode aminmax nansum "
        "count_nonzero",
    ),
    **_of(sums.of_along, "_softmax _log_softmax _safe_softmax sort argsort topk"),
    **_of(sums.of_up_to, "cumsum cumprod cummax cummin logcumsumexp"),
    **_of(
        sums.of_batch_norm,
        "native_batch_norm cudnn_batch_norm miopen_batch_norm _native_batch_norm_legit "
        "_native_batch_norm_legit_no_training _batch_norm_no_update batch_norm",
    ),
    **_of(sums.of_layer_norm, "native_layer_norm _fused_rms_norm"),
    "native_group_norm": sums.of_group_norm,
    "mm": sums.of_matrix_product("self", "mat2"),
    "bmm": sums.of_matrix_product("self", "mat2"),
    "mv": sums.of_matrix_product("self", "vec"),
    "dot": sums.of_matrix_product("self", "tensor"),
    "addmm": sums.of_matrix_product("mat1", "mat2", "self"),
    "addmv": sums.of_matrix_product("mat", "vec", "self"),
    "baddbmm": sums.of_matrix_product("batch1", "batch2", "self"),
    "linear": sums.of_linear,
    **_of(
        sums.of_attention,
        "_scaled_dot_product_flash_attention "
        "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention "
        "_scaled_dot_product_cudnn_attention "
        "_scaled_dot_product_fused_attention_overrideable",
    ),
    **_of(moves.of_view, "view _unsafe_view reshape _reshape_alias _reshape_copy"),
    "squeeze": moves.of_squeeze,
    "unsqueeze": moves.of_unsqueeze,
    "permute": moves.of_permute,
    "transpose": moves.of_transpose,
    "t": moves.of_t,
    "slice": moves.of_slice,
    "flip": moves.of_flip,
    **_of(moves.of_expand, "expand expand_copy"),
    **_of(moves.of_split, "split split_with_sizes unsafe_split unsafe_split_with_sizes"),
    "select": moves.of_select,
    "view_as_real": moves.of_parts,
    "unbind": moves.of_unbind,
    "cat": moves.of_cat,
    "stack": moves.of_stack,
    **_of(
        moves.of_any_move,
        "roll rot90 repeat unfold pixel_unshuffle channel_shuffle native_channel_shuffle diagonal",
    ),
    "pixel_shuffle": moves.of_pixel_shuffle,
    "glu": moves.of_glu,
    **_of(moves.of_any_move, "index _unsafe_index index_select gather take"),
    **_of(moves.of_put, "index_put slice_scatter select_scatter"),
    "embedding": moves.of_embedding,
    **_of(moves.of_fft, "_fft_r2c _fft_c2r _fft_c2c"),
}

_OF_PYTORCH = ("aten", "prims")

_ALL_OPERANDS = {
    moves.of_pointwise,
    moves.of_source,
    moves.of_none,
    windows.of_convolution,
    sums.of_attention,
    moves.of_cat,
    moves.of_stack,
    moves.of_put,
    moves.of_embedding,
    *(_RULES[name] for name in ("mm", "bmm", "mv", "dot", "addmm", "addmv", "baddbmm")),
}


def rule_of(op: Operation) -> Rule | None:
    """The rule of an operation of PyTorch itself, where there is one."""
    if getattr(op.func, "namespace", "aten") not in _OF_PYTORCH:  # of the same name, by somebody
        return None
    if op.name in _RULES:
        return _RULES[op.name]
    if op.is_view:
        return moves.of_any_move
    if torch.Tag.pointwise in getattr(op.func, "tags", ()):
        return moves.of_pointwise
    return None


def sees_first_only(rule: Rule) -> bool:
    """Whether a rule looks at the first tensor alone; the input may not reach the others then."""
    return rule not in _ALL_OPERANDS
