"""The table of operators: complete, of PyTorch's names, and the same for all who ask it."""

import operator
import re

import pytest
import torch
from tests.graph.graphs import Vit
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.graph.cost import cost
from neocog.graph.operations import Operation, watching
from neocog.graph.ops import ON_MAP, OPERATORS, cost_of, kind_of, moves, name_of, rule_of, window_of
from neocog.graph.reach.rules import RULES
from neocog.graph.structure import structure


def operations(f, *tensors: Tensor) -> list[Operation]:
    ops: list[Operation] = []
    with torch.no_grad(), watching(nn.Module(), ops.append):
        f(*tensors)
    return ops


def test_every_rule_has_a_function_and_every_function_an_operator() -> None:
    assert {row.rule for row in OPERATORS.values()} - {""} == set(RULES)
    assert {row.on_map for row in OPERATORS.values()} - {""} == set(ON_MAP)


def test_every_row_is_an_operator_of_pytorch() -> None:
    spaces = (torch.ops.aten, torch.ops.profiler)
    unknown = [
        name
        for name in OPERATORS
        if not any(hasattr(space, n) for space in spaces for n in (name, f"{name}_"))
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5)), (3, 8, 8)),
        (nn.Sequential(nn.ConvTranspose1d(2, 4, 3, 2, groups=2), nn.ReLU()), (2, 8)),
        (Vit(), (3, 16, 16)),
    ],
)
def test_the_nodes_of_a_graph_have_the_MACs_that_are_counted(net: nn.Module, size) -> None:
    net.eval()
    nodes = structure(net, torch.zeros(1, *size)).nodes
    assert sum(node.macs for node in nodes) == cost(net, size).macs > 0


def test_D1_products_of_vectors_and_matrices_cost_one_MAC_a_factor() -> None:
    a, v, b = torch.ones(3, 4), torch.ones(4), torch.ones(3)
    for f, given, expected in (
        (torch.mv, (a, v), (12, 0)),
        (torch.addmv, (b, a, v), (12, 3)),
        (torch.dot, (v, v), (4, 0)),
        (torch.mm, (a, a.t().contiguous()), (36, 0)),
    ):
        (op,) = operations(f, *given)
        assert cost_of(op) == expected


@pytest.mark.parametrize(
    ("f", "window"),
    [
        (lambda x: F.max_pool2d(x, 3, 2, 1, 1), ([3, 3], [2, 2], [1, 1], [1, 1])),
        (lambda x: F.avg_pool2d(x, (2, 3)), ([2, 3], [2, 3], [0, 0], [1, 1])),
        (lambda x: F.unfold(x, 2, dilation=3, padding=1), ([2, 2], [1, 1], [1, 1], [3, 3])),
        (
            lambda x: F.conv2d(x, torch.ones(1, 1, 3, 5), stride=(1, 2), padding=(0, 2)),
            ([3, 5], [1, 2], [0, 2], [1, 1]),
        ),
    ],
)
def test_windows_are_read_off_the_arguments(f, window: tuple) -> None:
    ops = operations(f, torch.zeros(1, 1, 9, 9))
    (op,) = (op for op in ops if rule_of(op) in ("convolution", "pool", "im2col"))
    assert tuple(window_of(op)) == window


def test_an_operator_without_a_row_goes_by_the_marks_of_pytorch() -> None:
    ops = operations(
        lambda x: (x.erf(), x.swapaxes(0, 1), torch.linalg.svdvals(x)), torch.ones(2, 3)
    )
    rules = {op.name: rule_of(op) for op in ops}
    assert rules["erf"] == "pointwise"
    assert rules["_linalg_svd"] == ""
    assert kind_of(ops[:1], 1) == "other"
    assert not moves("erf")


@pytest.mark.parametrize(
    ("called", "name"),
    [
        (F.max_pool2d, "maxpool2d"),
        (torch.conv1d, "conv1d"),
        (operator.iadd, "add"),
        (operator.invert, "invert"),  # no `i` of in-place work
        ("sub_", "sub"),
        (type("Padded", (nn.Conv2d,), {})(1, 1, 3), "conv2d"),
        (nn.ReflectionPad2d(1), "reflectionpad2d"),
        (re.sub, ""),
    ],
)
def test_a_function_a_method_and_a_module_have_one_name(called, name: str) -> None:
    assert name_of(called) == name
