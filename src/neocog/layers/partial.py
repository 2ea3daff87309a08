"""A convolution in which each output map sees only some of the input maps.

Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE
86(11), 1998, table I.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PartialConv2d", "partial_conv2d"]

Table = tuple[tuple[int, ...], ...]
"""For each output map, the input maps that it sees."""


def partial_conv2d(
    x: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "N K K"],
    bias: Float[Tensor, " D"],
    table: Table,
) -> Float[Tensor, "B D h w"]:
    """Convolution without border, one kernel a connection of the table.

    The kernels are laid out in a full weight with zeros where there is no connection, as one
    dense convolution is faster than sixteen small ones; the zeros are not parameters.

    Args:
        x: input maps.
        weight: kernels, in the order of the table.
        bias: one per output map.
        table: for each output map, the input maps that it sees.
    """
    rows = [output for output, inputs in enumerate(table) for _ in inputs]
    columns = [i for inputs in table for i in inputs]
    full = weight.new_zeros(len(table), x.shape[1], *weight.shape[1:])
    full = full.index_put(
        (torch.tensor(rows, device=x.device), torch.tensor(columns, device=x.device)), weight
    )
    return F.conv2d(x, full, bias)


class PartialConv2d(nn.Module):
    """`partial_conv2d` with its parameters.

    Args:
        table: for each output map, the input maps that it sees.
        kernel_size: taps of each axis.
    """

    def __init__(self, table: Table, *, kernel_size: int) -> None:
        super().__init__()
        self.table = table
        self.weight = nn.Parameter(torch.empty(sum(map(len, table)), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(len(table)))
        start = 0
        for output, inputs in enumerate(table):
            bound = 2.4 / (len(inputs) * kernel_size**2)
            nn.init.uniform_(self.weight[start : start + len(inputs)], -bound, bound)
            nn.init.uniform_(self.bias[output : output + 1], -bound, bound)
            start += len(inputs)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Convolution without border."""
        return partial_conv2d(x, self.weight, self.bias, self.table)
