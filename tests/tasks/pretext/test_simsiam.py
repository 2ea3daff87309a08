"""SimSiam and FastSiam, by hand."""

import pytest
import torch

from neocog.tasks.pretext.simsiam import fastsiam, negative_cosine


def test_the_target_of_a_cosine_is_not_differentiated() -> None:
    a, b = (torch.tensor([[3.0, 4.0]], requires_grad=True) for _ in range(2))
    negative_cosine(a, b * torch.tensor([1.0, 0.0])).backward()
    assert a.grad is not None
    assert b.grad is None


def test_a_view_is_held_to_the_mean_of_the_others() -> None:
    z = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]])
    # Views 0 and 1 see (1, 1): cosine 1/√2 each; view 2 sees (2, 0): 0.
    assert fastsiam(z, z).item() == pytest.approx(-2 / 3 / 2**0.5)
