from __future__ import annotations

import pytest
import torch
from tests.layers.turning import NAMES, every_kind, maps, regular
from torch import nn

from neocog.errors import ModelError
from neocog.layers.fieldwise import FieldNorm2d, InvariantPool, NormReLU
from neocog.layers.plain import has_plain, to_plain
from neocog.layers.steerable import SteerableConv2d
from neocog.symmetry.fields import field_of, trivial_field


def network(name: str, padding: str = "zeros") -> nn.Sequential:
    mixed, last = every_kind(name), regular(name, 3)
    return nn.Sequential(
        SteerableConv2d(trivial_field(mixed.group, 2), mixed, kernel_size=5, padding=padding),
        nn.Sequential(FieldNorm2d(mixed), NormReLU(mixed)),
        SteerableConv2d(mixed, last, kernel_size=4, pad=1, stride=2, padding=padding),
        InvariantPool(last),
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_the_plain_network_has_equal_outputs(name: str, padding: str) -> None:
    net, x = network(name, padding), torch.rand(2, 2, 8, 8)
    net(x)  # running statistics that are not the first ones
    plain = to_plain(net, x)
    torch.testing.assert_close(plain(x), net.eval()(x), rtol=1e-4, atol=1e-5)
    kinds = {type(m) for m in plain.modules() if any(True for _ in m.parameters(recurse=False))}
    assert all(issubclass(k, nn.Conv2d | nn.BatchNorm2d | NormReLU) for k in kinds)
    assert not has_plain(plain)
    assert has_plain(net)
    assert field_of(plain[0]) == net[0].output_field
    assert field_of(plain[2], "input") == net[2].input_field


def test_the_network_stays_as_it_is() -> None:
    net, x = network("c4").train(), maps(trivial_field(every_kind("c4").group, 2)).float()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    to_plain(net, x)
    assert net.training
    assert isinstance(net[0], SteerableConv2d)
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert isinstance(to_plain(net[0]), nn.Conv2d)


def test_values_that_are_no_numbers_are_refused() -> None:
    net = network("c4")
    with torch.no_grad():
        net[0].bias.fill_(torch.nan)
    with pytest.raises(ModelError, match="the plain one differs by nan"):
        to_plain(net, torch.rand(1, 2, 8, 8))


def test_a_layer_of_two_names_becomes_plain_under_both() -> None:
    field = regular("c4", 2)
    net = nn.Module()
    net.one = net.two = SteerableConv2d(field, field, kernel_size=3)
    plain = to_plain(net)
    assert isinstance(plain.two, nn.Conv2d)
    assert plain.one is plain.two
