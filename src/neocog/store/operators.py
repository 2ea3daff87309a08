"""Operators that an exported program may call: those that compute, by name.

A program names its operators, and PyTorch resolves any name, whether an export would ever write
it or not: among them are operators that map or write files, print, change settings of the
process, expose the memory of tensors, or exist for TorchScript alone. Operators outside the list
are refused; it holds those of networks and those that an export, also one decomposed into core
operators, replaces them with.
"""

from __future__ import annotations

import functools
import re

import torch

__all__ = ["is_operator"]

_LAYERS = """
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution
    _convolution_mode conv_tbc linear bilinear embedding embedding_bag _embedding_bag
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d
    _adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool2d max_pool3d max_pool1d_with_indices
    max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d fractional_max_pool2d
    fractional_max_pool3d batch_norm instance_norm group_norm layer_norm rms_norm _fused_rms_norm
    native_batch_norm native_group_norm native_layer_norm _native_batch_norm_legit
    _native_batch_norm_legit_functional _native_batch_norm_legit_no_training _batch_norm_no_update
    _batch_norm_with_update _batch_norm_with_update_functional _batch_norm_impl_index
    _weight_norm _weight_norm_interface norm_except_dim
    scaled_dot_product_attention _scaled_dot_product_attention_math
    _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_efficient_attention _native_multi_head_attention
    _transformer_encoder_layer_fwd lstm lstm_cell gru gru_cell rnn_relu rnn_relu_cell rnn_tanh
    rnn_tanh_cell pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d _pad_circular _pad_enum
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
    upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa
    _upsample_lanczos2d_aa grid_sampler grid_sampler_2d grid_sampler_3d affine_grid_generator
    pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle im2col col2im
    dropout native_dropout alpha_dropout feature_dropout feature_alpha_dropout
"""

_POINTWISE = """
    relu relu6 prelu _prelu_kernel rrelu rrelu_with_noise rrelu_with_noise_functional leaky_relu elu
    celu selu gelu silu mish hardswish hardsigmoid hardtanh hardshrink softshrink softplus sigmoid
    log_sigmoid log_sigmoid_forward logit tanh glu threshold softmax log_softmax _softmax
    _log_softmax _safe_softmax _masked_softmax
    abs absolute neg negative positive sign sgn signbit ceil floor round trunc fix frac reciprocal
    sqrt rsqrt square exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan arcsin arccos
    arctan sinh cosh asinh acosh atanh arcsinh arccosh arctanh sinc erf erfc erfinv lgamma mvlgamma
    digamma polygamma i0 igamma igammac special_erf special_erfc special_erfcx special_erfinv
    special_expit special_exp2 special_expm1 special_log1p special_logit special_log_softmax
    special_softmax special_entr special_gammaln special_ndtr special_ndtri special_log_ndtr
    special_psi special_digamma special_polygamma special_xlog1py special_xlogy special_zeta
    special_i0 special_i0e special_i1 special_i1e special_round special_sinc special_logsumexp
    add sub subtract rsub mul multiply div divide true_divide floor_divide remainder fmod pow
    float_power ldexp lerp addcmul addcdiv atan2 arctan2 hypot copysign nextafter logaddexp
    logaddexp2 xlogy heaviside maximum minimum fmax fmin clamp clamp_min clamp_max clip nan_to_num
    deg2rad rad2deg gcd lcm angle conj conj_physical _conj _conj_physical _neg_view resolve_conj
    resolve_neg real imag complex polar view_as_real view_as_complex frexp
    eq ne lt le gt ge equal not_equal less less_equal greater greater_equal isnan isinf isfinite
    isposinf isneginf isreal isclose allclose isin logical_and logical_or logical_xor logical_not
    bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift
    __and__ __or__ __xor__ __lshift__ __rshift__ where masked_fill is_floating_point is_complex
    is_nonzero is_same_size
"""

_MATRICES = """
    mm bmm mv dot vdot inner outer ger addmm addmv addbmm baddbmm addr matmul einsum tensordot kron
    chain_matmul cdist _cdist_forward _euclidean_dist pdist _pdist_forward pairwise_distance
    cosine_similarity cross
    matrix_exp matrix_power inverse pinverse det logdet slogdet cholesky qr svd trace
    linalg_matmul linalg_multi_dot linalg_vecdot linalg_cross linalg_norm linalg_vector_norm
    linalg_matrix_norm linalg_inv linalg_inv_ex linalg_solve linalg_solve_ex linalg_solve_triangular
    linalg_det linalg_slogdet linalg_svd linalg_svdvals linalg_qr linalg_eigh linalg_eigvalsh
    linalg_cholesky linalg_cholesky_ex linalg_pinv linalg_lstsq linalg_matrix_exp
    linalg_matrix_power linalg_diagonal linalg_householder_product linalg_lu linalg_lu_factor
    linalg_lu_solve linalg_vander _linalg_det _linalg_slogdet _linalg_solve_ex _linalg_svd
    _linalg_eigh
    fft_fft fft_fft2 fft_fftn fft_ifft fft_ifft2 fft_ifftn fft_rfft fft_rfft2 fft_rfftn fft_irfft
    fft_irfft2 fft_irfftn fft_hfft fft_hfft2 fft_hfftn fft_ihfft fft_ihfft2 fft_ihfftn fft_fftshift
    fft_ifftshift fft_fftfreq fft_rfftfreq _fft_c2c _fft_c2r _fft_r2c stft istft hann_window
    hamming_window blackman_window bartlett_window kaiser_window
"""

_REDUCTIONS = """
    sum mean prod amax amin aminmax max min argmax argmin all any var std var_mean std_mean norm
    frobenius_norm nuclear_norm logsumexp cumsum cumprod cummax cummin logcumsumexp median nanmedian
    nansum nanmean quantile nanquantile mode kthvalue topk sort argsort msort count_nonzero nonzero
    nonzero_numpy nonzero_static argwhere unique_consecutive unique_dim _unique _unique2 bincount
    histc bucketize searchsorted diff renorm segment_reduce trapezoid trapz cumulative_trapezoid
    cov corrcoef sum_to_size
    mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy_loss nll_loss nll_loss_nd nll_loss2d
    nll_loss_forward nll_loss2d_forward binary_cross_entropy binary_cross_entropy_with_logits kl_div
"""

_MOVES = """
    view _unsafe_view reshape reshape_as view_as flatten unflatten ravel squeeze unsqueeze expand
    expand_as broadcast_to broadcast_tensors permute transpose t numpy_T mT mH adjoint matrix_H
    movedim moveaxis swapaxes swapdims roll rot90 flip fliplr flipud repeat repeat_interleave tile
    cat concat concatenate stack hstack vstack dstack column_stack row_stack split split_with_sizes
    unsafe_split unsafe_split_with_sizes chunk unsafe_chunk tensor_split hsplit vsplit dsplit unbind
    select slice narrow diagonal unfold as_strided index _unsafe_index _unsafe_masked_index
    index_select index_put _unsafe_index_put index_add index_copy index_fill index_reduce gather
    take take_along_dim masked_select masked_scatter scatter scatter_add scatter_reduce
    select_scatter slice_scatter diagonal_scatter as_strided_scatter put fill_diagonal diag
    diag_embed diagflat block_diag tril triu meshgrid cartesian_prod combinations atleast_1d
    atleast_2d atleast_3d pad_sequence one_hot
    select_copy slice_copy view_copy expand_copy permute_copy transpose_copy t_copy squeeze_copy
    unsqueeze_copy split_copy split_with_sizes_copy unbind_copy diagonal_copy as_strided_copy
    unfold_copy alias_copy detach_copy _reshape_copy view_as_real_copy view_as_complex_copy
    clone contiguous copy to _to_copy _to_cpu type_as alias detach lift lift_fresh lift_fresh_copy
    _lazy_clone _cast_Float _cast_Double _cast_Half _cast_Int _cast_Long _cast_Short _cast_Byte
    _cast_Char _autocast_to_reduced_precision _autocast_to_full_precision _reshape_alias
"""

_MAKERS = """
    zeros ones full empty arange linspace logspace range eye zeros_like ones_like full_like
    empty_like new_zeros new_ones new_full new_empty new_empty_strided empty_strided empty_permuted
    scalar_tensor tril_indices triu_indices zero fill vander
    rand randn randint randperm rand_like randn_like randint_like bernoulli multinomial normal
    normal_functional uniform poisson exponential
    size stride dim numel storage_offset sym_size sym_stride sym_numel sym_storage_offset
    sym_is_contiguous sym_constrain_range sym_constrain_range_for_size
    _functional_sym_constrain_range _functional_sym_constrain_range_for_size item
    _local_scalar_dense _assert_scalar _assert_async _assert_tensor_metadata
    _functional_assert_scalar _functional_assert_async _shape_as_tensor
"""

_NAMES = frozenset(
    name
    for family in (_LAYERS, _POINTWISE, _MATRICES, _REDUCTIONS, _MOVES, _MAKERS)
    for name in family.split()
)

_NO_PRIMS = frozenset(("device_put", "copy_to", "copy_strided", "resize"))
"""Primitive operators of PyTorch that move tensors, or have no values yet."""

_ATEN = re.compile(r"torch\.ops\.(aten|prims)\.(\w+?)(_?)\.(\w+)")

_OTHERS = re.compile(
    r"torch\.ops\.higher_order\.(wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.sym_(max|min|float|int|ite|not|sum|sqrt)"
    r"|_operator\.(add|sub|mul|neg|pos|abs|floordiv|truediv|mod|pow|getitem|eq|ne|lt|le|gt|ge"
    r"|and_|or_|not_)"
    r"|math\.(ceil|floor|trunc|sqrt)"
)
"""Wrappers of an export, and its operations on sizes."""


def is_operator(target: str) -> bool:
    """Whether a program may call an operator of this name.

    Args:
        target: as an exported program has it, `torch.ops.aten.conv2d.default`.

    Example:
        >>> is_operator("torch.ops.aten.relu_.default"), is_operator("_operator.add")
        (True, True)
        >>> is_operator("torch.ops.aten.from_file.default"), is_operator("torch.hub.load")
        (False, False)
        >>> is_operator("torch.ops.aten.add.str")  # of texts, for TorchScript alone
        False
    """
    operator = _ATEN.fullmatch(target)
    if operator is None:
        return bool(_OTHERS.fullmatch(target))
    space, name, inplace, overload = operator.groups()
    if space == "aten":
        listed = name in _NAMES or f"{name}{inplace}" in _NAMES
    else:
        listed = not name.startswith("_") and name not in _NO_PRIMS
    full = f"{space}::{name}{inplace}" + ("" if overload == "default" else f".{overload}")
    return listed and full in _dispatched() and not re.search(r"(^|_)out($|_)", overload)


@functools.cache
def _dispatched() -> frozenset[str]:
    """Operators of tensors that PyTorch can dispatch; not those of TorchScript alone."""
    return frozenset(torch._C._dispatch_get_all_op_names())
