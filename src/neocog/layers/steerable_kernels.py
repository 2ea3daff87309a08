"""Spaces of equivariant kernels between two kinds of fields, and how weights span them.

A convolution commutes with a group where its kernel obeys K(g x) = ρ_out(g) K(x) ρ_in(g)⁻¹ for
each element g (M. Weiler, G. Cesa, "General E(2)-Equivariant Steerable CNNs", NeurIPS 2019). This
is linear in K, so the kernels are sums of basis kernels, and their coefficients are the weights:

    PixelSpace      where each g maps the grid and both channels onto themselves, K is constant
                    along the orbits of (channel out, channel in, tap): a weight for each orbit, and
                    an index. Nothing is computed, nothing is interpolated (T. Cohen, M. Welling,
                    "Group Equivariant Convolutional Networks", ICML 2016).
    RegularSpace    between regular fields K[g, h](x) = k[g⁻¹h](g⁻¹x): one free filter for each
                    element, a sum of circular harmonics, which are sampled at each rotation.
    HarmonicSpace   between any others the coefficients of each harmonic are projected on the group:
                    the mean over g of ρ_out(g) ⊗ ρ_in(g) ⊗ ψ(g), with ψ its action on (cos, sin).

Tensors are kept in float64 for each device, and cast to what the weights have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neocog.layers._cpu.plain import normal_tensors
from neocog.signal.harmonics import circular_harmonic, rings
from neocog.symmetry.groups import Group, Representation

__all__ = ["HarmonicSpace", "KernelSpace", "PixelSpace", "RegularSpace", "kernel_space"]

SMALL = 1e-6
"""Relative: norms that differ by less differ by rounding."""


@dataclass(frozen=True)
class KernelSpace(ABC):
    """The equivariant kernels from one kind of field to another.

    Args:
        output: kind of field that a kernel gives.
        input: kind of field that it takes.
        kernel_size: taps of each axis.
        cutoff: orders of harmonics a pixel of radius.
    """

    output: Representation
    input: Representation
    kernel_size: int
    cutoff: float

    @property
    @abstractmethod
    def size(self) -> int:
        """Basis kernels, so weights for each pair of fields."""

    @property
    @abstractmethod
    def energy(self) -> float:
        """Sum of squares of a kernel's values for one channel out, for weights of variance 1."""

    @abstractmethod
    def expand(self, weight: Float[Tensor, "M N P"]) -> Float[Tensor, "M D N C K K"]:
        """Weights for each pair of M fields out and N in, to their kernels of D by C channels."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Channels of a field out, of a field in, rows and columns."""
        return self.output.size, self.input.size, self.kernel_size, self.kernel_size


@dataclass(frozen=True)
class PixelSpace(KernelSpace):
    """A weight for each orbit of (channel out, channel in, tap)."""

    @property
    def size(self) -> int:
        """Orbits."""
        return int(_orbits(self).max()) + 1

    @property
    def energy(self) -> float:
        """Taps that a channel out sees in one field."""
        return float(self.input.size * self.kernel_size**2)

    def expand(self, weight: Float[Tensor, "M N P"]) -> Float[Tensor, "M D N C K K"]:
        """The weight of the orbit that each value is in."""
        index = _on(_orbits(self), weight.device)
        kernel = weight.index_select(2, index.flatten()).reshape(*weight.shape[:2], *self.shape)
        return kernel.permute(0, 2, 1, 3, 4, 5)


@dataclass(frozen=True)
class RegularSpace(KernelSpace):
    """A free filter of harmonics for each element of a finite group."""

    @property
    def size(self) -> int:
        """Elements times harmonics."""
        return self.input.size * _rotated(self).shape[1]

    @property
    def energy(self) -> float:
        """Harmonics have norm 1."""
        return float(self.size)

    def expand(self, weight: Float[Tensor, "M N P"]) -> Float[Tensor, "M D N C K K"]:
        """Each filter at each rotation, and where it stands."""
        n, k = self.output.size, self.kernel_size
        basis = _on(_rotated(self), weight.device).to(weight.dtype)  # (element, harmonic, taps)
        pairs = weight.shape[:2]
        free = weight.reshape(*pairs, n, -1)
        filters = torch.matmul(free, basis.transpose(0, 1).flatten(1)).view(*pairs, n * n, k, k)
        index = _on(_relative(self.output.group), weight.device)
        kernel = filters.index_select(2, index).view(*pairs, n, n, k, k)
        return kernel.permute(0, 2, 1, 3, 4, 5)


@dataclass(frozen=True)
class HarmonicSpace(KernelSpace):
    """Harmonics with coefficients that the group leaves as they are."""

    @property
    def size(self) -> int:
        """Basis kernels."""
        return len(_projected(self))

    @property
    def energy(self) -> float:
        """Basis kernels have as much energy for each channel out, 1 in the mean."""
        return float(self.size)

    def expand(self, weight: Float[Tensor, "M N P"]) -> Float[Tensor, "M D N C K K"]:
        """Sums of basis kernels."""
        basis = _on(_projected(self), weight.device).to(weight.dtype)
        kernel = torch.matmul(weight, basis.flatten(1)).view(*weight.shape[:2], *self.shape)
        return kernel.permute(0, 2, 1, 3, 4, 5)


@lru_cache(maxsize=1024)
def kernel_space(
    output: Representation, input: Representation, kernel_size: int, cutoff: float
) -> KernelSpace:
    """The space of kernels between two kinds of fields of one group.

    Example:
        >>> regular = Representation(Group(4), "regular")
        >>> kernel_space(regular, regular, 3, 2.0).size    # of 4 · 4 · 9 values
        36
        >>> vector = Representation(Group(0), "irrep", 1)
        >>> kernel_space(vector, vector, 3, 2.0).size
        6
    """
    if output.group.keeps_grid and output.permutes and input.permutes:
        return PixelSpace(output, input, kernel_size, cutoff)
    if output.kind == input.kind == "regular":
        return RegularSpace(output, input, kernel_size, cutoff)
    return HarmonicSpace(output, input, kernel_size, cutoff)


@lru_cache(maxsize=256)
@normal_tensors
def _orbits(space: PixelSpace) -> Tensor:
    """The number of the orbit of each (channel out, channel in, row, column)."""
    numbers = np.arange(int(np.prod(space.shape))).reshape(space.shape)
    least = numbers
    for element, (angle, mirrored) in enumerate(space.output.group.elements):
        moved = np.flip(numbers, 3) if mirrored else numbers
        moved = np.rot90(moved, round(angle / 90), (2, 3))
        out, into = (list(kind.permutation(element)) for kind in (space.output, space.input))
        least = np.minimum(least, moved[out][:, into])
    index = np.unique(least, return_inverse=True)[1]
    return torch.from_numpy(index.reshape(space.shape))


@lru_cache(maxsize=256)
@normal_tensors
def _rotated(space: RegularSpace) -> Tensor:
    """Each harmonic at g⁻¹ x, of norm 1 at the identity: (elements, harmonics, taps)."""
    each = [
        torch.cat(
            [
                circular_harmonic(space.kernel_size, ring, m, angle=angle, mirrored=mirrored)
                for ring in rings(space.kernel_size, cutoff=space.cutoff)
                for m in range(ring.max_order + 1)
            ]
        )
        for angle, mirrored in space.output.group.elements
    ]
    basis = torch.stack(each).flatten(2)
    norm = basis.square().sum(2).mean(0).sqrt()
    return basis[:, norm > SMALL] / norm[norm > SMALL][:, None]


@lru_cache(maxsize=64)
@normal_tensors
def _relative(group: Group) -> Tensor:
    """For channels g, h: the filter of g⁻¹h at rotation g, as one number."""
    n = group.order
    pairs = [group.product(group.inverse(g), h) * n + g for g in range(n) for h in range(n)]
    return torch.from_numpy(np.array(pairs))


@lru_cache(maxsize=1024)
@normal_tensors
def _projected(space: HarmonicSpace) -> Tensor:
    """Basis kernels, (basis, channels out, channels in, rows, columns)."""
    some = []
    for ring in rings(space.kernel_size, cutoff=space.cutoff):
        for m in range(ring.max_order + 1):
            pattern = circular_harmonic(space.kernel_size, ring, m)
            coefficients = torch.from_numpy(_invariants(space.output, space.input, m))
            some.append(torch.einsum("bdcp,pij->bdcij", coefficients, pattern))
    basis = torch.cat(some)
    norm = basis.square().sum((1, 2, 3, 4)).div(space.output.size).sqrt()
    return basis[norm > SMALL] / norm[norm > SMALL].view(-1, 1, 1, 1, 1)


@lru_cache(maxsize=1024)
def _invariants(output: Representation, input: Representation, order: int) -> np.ndarray:
    """Coefficients of (cos mφ, sin mφ) that the group leaves, (basis, out, in, 1 or 2)."""
    group = output.group
    kind = Representation(group, "irrep", order) if order else Representation(group, "trivial")
    shape = (output.size, input.size, kind.size)
    mean = np.zeros((int(np.prod(shape)),) * 2)
    # The mean over all rotations is one over so many that no product of harmonics aliases.
    averaging = group.averaging(output.order + input.order + order)
    for angle, mirrored in averaging.elements:
        matrices = [k.matrix(angle, mirrored=mirrored) for k in (output, input, kind)]
        mean += np.kron(np.kron(matrices[0], matrices[1]), matrices[2]) / averaging.order
    return _columns(mean).reshape(-1, *shape)


def _columns(projection: np.ndarray) -> np.ndarray:
    """An orthonormal basis of what a projection leaves, the same on every machine.

    Eigenvectors of one eigenvalue are any; these are columns, made orthogonal one by one, the
    longest first and among equals the first.
    """
    rest, basis = projection.copy(), []
    for _ in range(round(np.trace(projection))):
        norms = np.linalg.norm(rest, axis=0)
        pick = int(np.argmax(norms > norms.max() * (1 - SMALL)))
        basis.append(rest[:, pick] / norms[pick])
        rest -= np.outer(basis[-1], basis[-1] @ rest)
    return np.array(basis).reshape(-1, len(projection))


_COPIES: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}


def _on(tensor: Tensor, device: torch.device) -> Tensor:
    """A cached tensor on a device, copied once."""
    if tensor.device == device:
        return tensor
    key = (id(tensor), device)
    if key not in _COPIES:
        copy = tensor.to(device)
        if type(copy) is not Tensor:  # of a program that is traced
            return copy
        _COPIES[key] = (tensor, copy)  # held, so that its id is not given to another
    return _COPIES[key][1]
