"""Output units that measure the distance to a fixed code, one code per class.

Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE
86(11), 1998, section II.B: a code is an image of the class's character, 7 wide and 12 high, +1
for ink and -1 for paper, so that characters which look alike have codes that are alike. The
images of the ten digits below are made for this package.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["CODE", "DIGITS", "CodeDistance", "code_distance", "codes"]

CODE = 84
"""Numbers of one code, 7 × 12."""

DIGITS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...#... ..###.. .####.. .....#. ######. ...###. ####### ..###.. ..###..
.#...#. ..##... .#...#. #....#. ....##. #...... ..#.... #.....# .#...#. .#...#.
#.....# .#.#... #.....# ......# ...#.#. #...... .#..... ......# #.....# #.....#
#.....# ...#... ......# ......# ..#..#. #...... #...... .....#. .#...#. #.....#
#.....# ...#... .....#. ..####. .#...#. #####.. #.###.. ....#.. ..###.. .#...##
#.....# ...#... ....#.. .....#. #....#. .....#. ##...#. ...#... .#...#. ..###.#
#.....# ...#... ...#... ......# ####### ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ..#.... #.....# ......#
.#...#. ...#... .#..... #....#. .....#. #....#. .#...#. ..#.... .#...#. .....#.
..###.. .#####. ####### .####.. .....#. .####.. ..###.. ..#.... ..###.. .###...
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""
"""The digits 0 to 9 side by side, # for ink."""


def codes(num_classes: int) -> Float[Tensor, "K 84"]:
    """One code of ±1 a class.

    Args:
        num_classes: how many; ten get the images of the digits, any other number gets codes drawn
            at random, always the same ones.

    Example:
        >>> codes(10).shape, codes(3).unique().tolist()
        (torch.Size([10, 84]), [-1.0, 1.0])
    """
    if num_classes == 10:
        rows = [line.split() for line in DIGITS.strip().splitlines()]
        ink = [[c == "#" for row in rows for c in row[digit]] for digit in range(10)]
    else:
        ink = (np.random.default_rng(1998).random((num_classes, CODE)) < 0.5).tolist()
    return torch.tensor([[1.0 if i else -1.0 for i in code] for code in ink])


def code_distance(
    x: Float[Tensor, "B N"], centers: Float[Tensor, "K N"], scale: float
) -> Float[Tensor, "B K"]:
    """-scale · ‖x - center‖² for every center: 0 at the center, below 0 elsewhere.

    As logits these say that x is normal around the class's code, with variance 1 / (2 scale) in
    every number; the class of the nearest code is the most probable one.

    Example:
        >>> two = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
        >>> code_distance(torch.tensor([[1.0, 1.0]]), two, 0.5)
        tensor([[-0., -2.]])
    """
    return -scale * (x[:, None, :] - centers).square().sum(-1)


class CodeDistance(nn.Module):
    """`code_distance` to fixed codes, which are saved with the weights and not trained.

    Args:
        num_classes: how many codes.
        scale: of the squared distance.
    """

    codes: Tensor

    def __init__(self, num_classes: int, *, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("codes", codes(num_classes))

    def forward(self, x: Float[Tensor, "B N"]) -> Float[Tensor, "B K"]:
        """-scale · ‖x - code‖² for every class."""
        return code_distance(x, self.codes, self.scale)
