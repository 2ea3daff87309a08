"""What stands between steerable convolutions: norms, activations, dropout, invariants, by field.

Each treats the channels of a field alike, so that it commutes with the group:

    FieldNorm2d         batch norm with one mean and variance a field; fields without an invariant
                        part have no mean, and are divided by their root mean square
    FieldActivation     a function of each value, of fields that permute (regular, quotient)
    NormReLU            ReLU(‖v‖ + b) v / ‖v‖, of irreps (the C-ReLU of Worrall et al. 2017)
    GatedActivation     sigmoid(s) v, with a scalar s for each field (Weiler & Cesa 2019)
    FourierActivation   irreps up to an order are a function on the circle: sampled, activated, and
                        transformed back
    FieldDropout        whole fields
    InvariantPool       one number a field: its largest value, its norm, or itself
    Restriction         the same channels under a smaller group

Sources: T. Cohen, M. Welling, "Group Equivariant Convolutional Networks", ICML 2016; D. Worrall et
al., "Harmonic Networks", CVPR 2017; M. Weiler, G. Cesa, NeurIPS 2019; P. de Haan et al., "Gauge
Equivariant Mesh CNNs", ICLR 2021 (activations in the Fourier domain).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UsageError
from neocog.layers.steerable import describe, steerable_bias
from neocog.symmetry.fields import FieldType, declared, restriction, trivial_field
from neocog.symmetry.groups import Group

__all__ = [
    "FieldActivation",
    "FieldDropout",
    "FieldNorm2d",
    "FourierActivation",
    "GatedActivation",
    "InvariantPool",
    "NormReLU",
    "Restriction",
    "field_dropout",
    "fourier_activation",
    "gated",
    "invariants",
    "norm_relu",
]

TINY = 1e-12
"""Added to a squared norm, whose root has no derivative at zero."""


def _by_field(x: Float[Tensor, "B C *S"], size: int) -> Float[Tensor, "B N D *S"]:
    """The channels of each field along an axis of their own."""
    return x.reshape(x.shape[0], -1, size, *x.shape[2:])


def _norms(fields: Float[Tensor, "B N D *S"]) -> Float[Tensor, "B N 1 *S"]:
    norms: Tensor = (fields.square().sum(2, keepdim=True) + TINY).sqrt()
    return norms


def norm_relu(
    x: Float[Tensor, "B C *S"], field: FieldType, bias: Float[Tensor, " N"]
) -> Float[Tensor, "B C *S"]:
    """ReLU(‖v‖ + b) v / ‖v‖ of each field v that does not permute; ReLU of the others.

    Args:
        x: maps.
        field: what their channels mean.
        bias: b, a number a field that does not permute.

    Example:
        >>> from neocog.symmetry.fields import irrep_field
        >>> arrow = irrep_field(Group(0), {1: 1})
        >>> norm_relu(torch.tensor([[3.0, 4.0]]), arrow, torch.tensor([-2.5]))
        tensor([[1.5000, 2.0000]])
    """
    parts, start = [], 0
    for p in field.parts:
        part = x[:, p.channels]
        if p.kind.permutes:
            parts.append(part.relu())
            continue
        b = bias[start : start + p.count].view(-1, *[1] * (x.ndim - 1))
        start += p.count
        fields = _by_field(part, p.kind.size)
        norm = _norms(fields)
        parts.append((fields * ((norm + b).relu() / norm)).flatten(1, 2))
    return torch.cat(parts, 1)


def gated(x: Float[Tensor, "B C *S"], field: FieldType) -> Float[Tensor, "B D *S"]:
    """Each field that does not permute times the sigmoid of its gate; ReLU of the others.

    Args:
        x: maps, the channels of `field`, then a scalar a field that does not permute.
        field: of the result.

    Example:
        >>> from neocog.symmetry.fields import irrep_field
        >>> gated(torch.tensor([[3.0, 4.0, 0.0]]), irrep_field(Group(0), {1: 1}))
        tensor([[1.5000, 2.0000]])
    """
    parts, gate = [], field.channels
    for p in field.parts:
        part = x[:, p.channels]
        if p.kind.permutes:
            parts.append(part.relu())
            continue
        gates = x[:, gate : gate + p.count].sigmoid().unsqueeze(2)
        gate += p.count
        parts.append((_by_field(part, p.kind.size) * gates).flatten(1, 2))
    return torch.cat(parts, 1)


def fourier_activation(
    x: Float[Tensor, "B C *S"],
    field: FieldType,
    matrix: Float[Tensor, "P F"],
    function: Callable[[Tensor], Tensor],
) -> Float[Tensor, "B C *S"]:
    """A function of the samples of each circle function, back in its harmonics.

    Args:
        x: maps; the n-th field of each order are the harmonics of the n-th function.
        field: irreps of several orders, as many of each.
        matrix: harmonics to samples; its columns are orthogonal and of equal norm.
        function: of each sample.
    """
    pieces = [_by_field(x[:, p.channels], p.kind.size) for p in field.parts]
    harmonics = torch.cat(pieces, 2)
    samples = torch.matmul(matrix, harmonics.flatten(3) if x.ndim > 2 else harmonics[..., None])
    back = torch.matmul(matrix.T / len(matrix), function(samples)).view_as(harmonics)
    sizes = [p.kind.size for p in field.parts]
    return torch.cat([part.flatten(1, 2) for part in torch.split(back, sizes, 2)], 1)


def field_dropout(
    x: Float[Tensor, "B C *S"], field: FieldType, p: float
) -> Float[Tensor, "B C *S"]:
    """Each field of a sample zero with probability p, the others times 1 / (1 - p)."""
    kept = F.dropout(x.new_ones(len(x), field.count), p)
    sizes = [kind.size for kind, n in field.kinds for _ in range(n)]
    each = kept.repeat_interleave(torch.tensor(sizes, device=x.device), 1)
    return x * each.view(*each.shape, *[1] * (x.ndim - 2))


def invariants(x: Float[Tensor, "B C *S"], field: FieldType) -> Float[Tensor, "B N *S"]:
    """One number a field that the group leaves: itself, the largest value, or the norm.

    Example:
        >>> from neocog.symmetry.fields import regular_field
        >>> invariants(torch.tensor([[1.0, 5.0, 2.0, 0.0]]), regular_field(Group(4), 1))
        tensor([[5.]])
    """
    parts = []
    for p in field.parts:
        part = x[:, p.channels]
        if p.kind.kind == "trivial":
            parts.append(part)
        elif p.kind.permutes:
            parts.append(_by_field(part, p.kind.size).amax(2))
        else:
            parts.append(_norms(_by_field(part, p.kind.size)).flatten(1, 2))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class FieldNorm2d(nn.modules.batchnorm._BatchNorm):
    """Batch norm with statistics over the channels of a field, too.

    Args:
        field: what the channels mean.
        eps: added to variances.
        momentum: of the running statistics; None for their mean over all batches.

    Example:
        >>> from neocog.symmetry.fields import regular_field
        >>> FieldNorm2d(regular_field(Group(4), 2))(torch.rand(3, 8, 5, 5)).shape
        torch.Size([3, 8, 5, 5])
    """

    def __init__(
        self, field: FieldType, *, eps: float = 1e-5, momentum: float | None = 0.1
    ) -> None:
        super().__init__(field.count, eps=eps, momentum=momentum)
        declared(self, field)
        self.field = field
        scalars = sum(p.count for p in field.parts if p.kind.permutes)
        self.bias = nn.Parameter(torch.zeros(scalars)) if scalars else None  # type: ignore[assignment]
        self.register_buffer("running_mean", torch.zeros(scalars))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalized maps; in training the running statistics are updated."""
        parts, start, scalar = [], 0, 0
        factor = self._factor()
        for p in self.field.parts:
            fields = x[:, p.channels].reshape(len(x), p.count, -1, x.shape[3])
            var, weight = (t[start : start + p.count] for t in (self.running_var, self.weight))  # type: ignore[index]
            start += p.count
            if p.kind.permutes:
                here = slice(scalar, scalar + p.count)
                mean, bias = self.running_mean[here], self.bias[here]  # type: ignore[index]
                scalar += p.count
                # A gradient holds its statistics, which later parts would change with the buffer.
                apart = self.training and len(self.field.kinds) > 1
                own = (mean.clone(), var.clone()) if apart else (mean, var)
                done = F.batch_norm(fields, *own, weight, bias, self.training, factor, self.eps)
                if apart:
                    mean.copy_(own[0])
                    var.copy_(own[1])
            else:
                done = self._scaled(fields, var, weight, factor)
            parts.append(done.reshape(len(x), -1, *x.shape[2:]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def _factor(self) -> float:
        """Weight of this batch in the running statistics."""
        if not self.training:
            return 0.0
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        return 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum

    def _scaled(self, x: Tensor, var: Tensor, weight: Tensor, factor: float) -> Tensor:
        """Without a mean, which would not turn with the fields."""
        square = var
        if self.training:
            square = x.square().mean((0, 2, 3))
            with torch.no_grad():
                var.lerp_(square.to(var), factor)
        scale = weight * (square + self.eps).rsqrt()
        return x * scale.to(x.dtype)[:, None, None]

    def to_plain(self) -> nn.BatchNorm2d:
        """An `nn.BatchNorm2d` that does the same in evaluation mode."""
        plain = nn.BatchNorm2d(self.field.channels, eps=self.eps, momentum=self.momentum)
        plain.to(self.weight)
        sizes = [kind.size for kind, n in self.field.kinds for _ in range(n)]
        each = torch.tensor(sizes, device=self.weight.device)
        assert plain.running_mean is not None
        assert plain.running_var is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            plain.weight.copy_(self.weight.repeat_interleave(each))
            plain.running_var.copy_(self.running_var.repeat_interleave(each))
            plain.running_mean.copy_(steerable_bias(self.running_mean, self.field))
            if self.bias is not None:
                plain.bias.copy_(steerable_bias(self.bias, self.field))
        return plain

    def extra_repr(self) -> str:
        """The fields."""
        return describe(self.field)


class FieldActivation(nn.Module):
    """A function of each value of fields that permute.

    Args:
        field: what the channels mean.
        function: of a tensor; ReLU if left out.

    Raises:
        UsageError: elements of the group change values, so that a function of each does not
            commute with them.
    """

    def __init__(self, field: FieldType, function: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        if not field.permutes:
            raise UsageError(
                f"A function of each value commutes with fields whose values are permuted; got "
                f"{describe(field)}. Take NormReLU, GatedActivation or FourierActivation."
            )
        self.function = function
        declared(self, field)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """The function of each value."""
        return self.function(x)


class NormReLU(nn.Module):
    """`norm_relu` with a trainable number a field.

    Args:
        field: what the channels mean.
    """

    def __init__(self, field: FieldType) -> None:
        super().__init__()
        self.bias = nn.Parameter(
            torch.zeros(sum(p.count for p in field.parts if not p.kind.permutes))
        )
        self.field = field
        declared(self, field)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """ReLU of the norms."""
        return norm_relu(x, self.field, self.bias)


class GatedActivation(nn.Module):
    """`gated`; its `input_field` has the gates.

    Args:
        field: of the result.
    """

    def __init__(self, field: FieldType) -> None:
        super().__init__()
        gates = sum(p.count for p in field.parts if not p.kind.permutes)
        self.field = field
        declared(self, field, field + trivial_field(field.group, gates) if gates else field)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B D *S"]:
        """The fields, each times its gate."""
        return gated(x, self.field)


class FourierActivation(nn.Module):
    """`fourier_activation` on samples that are evenly spaced around the circle.

    Exact for rotations from sample to sample; between these the function's new, higher harmonics
    alias, the less the more samples.

    Args:
        field: irreps from order 0 up, as many of each: see `irrep_field`.
        samples: around the circle; 2 · order + 1 at least, a multiple of 4 for quarter turns.
        function: of a tensor; ReLU if left out.

    Raises:
        UsageError: the fields are no harmonics of circle functions, or the samples too few.
    """

    matrix: Tensor

    def __init__(
        self,
        field: FieldType,
        *,
        samples: int = 16,
        function: Callable[[Tensor], Tensor] = torch.relu,
    ) -> None:
        super().__init__()
        orders = [k.order for k, _ in field.kinds]
        counts = {n for _, n in field.kinds}
        kinds = {k.kind for k, _ in field.kinds}
        if (
            orders != list(range(len(orders)))
            or len(counts) > 1
            or not kinds <= {"trivial", "irrep"}
        ):
            raise UsageError(
                f"Harmonics of functions on the circle are irreps of orders 0, 1, 2, …, as many of "
                f"each; got {describe(field)}. Take irrep_field(group, {{0: n, 1: n}})."
            )
        if samples <= 2 * orders[-1]:
            raise UsageError(
                f"Harmonics up to order {orders[-1]} need {2 * orders[-1] + 1} samples around the "
                f"circle; got {samples}. Take 16."
            )
        self.field, self.function, self.samples = field, function, samples
        declared(self, field)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """The function of the samples, in harmonics."""
        matrix = _circle(self.samples, len(self.field.kinds) - 1).to(x)
        return fourier_activation(x, self.field, matrix, self.function)

    def extra_repr(self) -> str:
        """Fields and samples."""
        return f"{describe(self.field)}, samples={self.samples}"


def _circle(samples: int, order: int) -> Float[Tensor, "P F"]:
    """Harmonics at evenly spaced angles: 1, √2 cos φ, √2 sin φ, √2 cos 2φ, …"""
    rows = []
    for k in range(samples):
        phi = 2 * math.pi * k / samples
        waves = [w(m * phi) for m in range(1, order + 1) for w in (math.cos, math.sin)]
        rows.append([1.0, *(math.sqrt(2) * w for w in waves)])
    return torch.tensor(rows, dtype=torch.float64)


class FieldDropout(nn.Module):
    """`field_dropout` in training; nothing in evaluation mode.

    Args:
        field: what the channels mean.
        p: probability that a field is dropped.
    """

    def __init__(self, field: FieldType, *, p: float) -> None:
        super().__init__()
        self.field, self.p = field, p
        declared(self, field)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """Whole fields dropped."""
        return field_dropout(x, self.field, self.p) if self.training and self.p else x


class InvariantPool(nn.Module):
    """`invariants` as a module: what follows it sees nothing of a rotation but its place.

    Args:
        field: what the channels mean.
    """

    def __init__(self, field: FieldType) -> None:
        super().__init__()
        self.field = field
        declared(self, trivial_field(field.group, field.count), field)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B N *S"]:
        """One number a field."""
        return invariants(x, self.field)


class Restriction(nn.Module):
    """The same channels under a smaller group, in the order that its fields have.

    Args:
        field: of the larger group.
        group: one of its subgroups.

    Raises:
        UsageError: it is none.

    Example:
        >>> from neocog.symmetry.fields import regular_field
        >>> four = Restriction(regular_field(Group(8), 3), Group(4))
        >>> four.output_field == regular_field(Group(4), 6)
        True
    """

    output_field: FieldType

    def __init__(self, field: FieldType, group: Group) -> None:
        super().__init__()
        restricted, order = restriction(field, group)
        self.order = order
        self.same = order == tuple(range(field.channels))
        declared(self, restricted, field)

    def forward(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *S"]:
        """The channels in their new order."""
        if self.same:
            return x
        return x.index_select(1, torch.tensor(self.order, device=x.device))
