"""What is known of a tensor, or of the memory that it lies in."""

import torch

from neocog.graph.tensor_table import TensorTable, memory


def test_a_view_is_known_by_its_memory_until_it_is_booked_itself() -> None:
    table, x = TensorTable[str](), torch.zeros(4)
    view = x[:2]
    table.put(x, "x")
    assert table.get(view) == "x"
    table.put(view, "view", fresh=False)
    assert (table.get(x), table.get(view), table.get(x[1:])) == ("x", "view", "x")


def test_what_is_written_over_is_new_in_every_view() -> None:
    table, x = TensorTable[str](), torch.zeros(4)
    view = x[:2]
    table.put(x, "x")
    table.put(view, "view", fresh=False)
    table.write(view, "written")
    assert [table.get(t) for t in (x, view, x[3:])] == ["written"] * 3


def test_memory_tells_copies_apart_and_a_tensor_without_a_store_has_none() -> None:
    x = torch.zeros(4)
    assert memory(x) == memory(x.view(2, 2)) != memory(x.clone())
    assert memory(torch.zeros(2, 2).to_sparse()) == 0
