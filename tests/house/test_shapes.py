"""That shapes are checked in this suite, and what is not."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import Float, TypeCheckError, jaxtyped
from tests.shapes import checked
from torch import Tensor

from neocog.symmetry.warp import shift_circular


def test_a_wrong_shape_is_found_in_the_package() -> None:
    with pytest.raises(TypeCheckError):
        shift_circular(torch.zeros(2, 1, 4, 4), torch.zeros(3, 2, dtype=torch.int64))


def test_a_wrong_result_is_found() -> None:
    @jaxtyped(typechecker=checked)
    def halved(x: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        return x[:, ::2]

    with pytest.raises(TypeCheckError):
        halved(torch.zeros(2, 4))


def test_a_function_without_shapes_is_left_alone() -> None:
    def plain(x: int) -> int:
        return x

    assert checked(plain) is plain
