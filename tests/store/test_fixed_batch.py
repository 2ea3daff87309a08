"""Any batch size through a function of a fixed batch size."""

import torch
from torch import Tensor

from neocog.store.fixed_batch import in_batches_of


def test_the_last_samples_are_repeated_and_left_out_again() -> None:
    seen: list[list[int]] = []

    def two(x: Tensor) -> dict[str, Tensor]:
        seen.append(x.tolist())
        return {"ten": 10 * x, "sum": x.sum()}

    out = in_batches_of(2, two, torch.tensor([1, 2, 3]))
    assert seen == [[1, 2], [3, 3]]
    assert out["ten"].tolist() == [10, 20, 30]
    assert out["sum"].item() == 3  # what has no rows is of the first batch
