import inspect
from functools import partial

import pytest
import torch

from neocog.errors import UsageError
from neocog.networks.catalog import NETWORKS, SMALLEST, build, schema

FRAME = {"num_classes": 4, "in_channels": 1, "size": (28, 28)}


def test_unknown_network_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"`resnet19` is not a network\. Did you mean `resnet1?[128]"
    ):
        build("resnet19", **FRAME)
    with pytest.raises(UsageError, match=r"`zzz` is not a network\. Known: `alexnet`, "):
        schema("zzz")


def test_unknown_option_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"`downsample` is not an option of vgg11\. Did you mean `down"
    ):
        build("vgg11", **FRAME, options={"downsample": "stride"})
    # what the name says is not an option
    with pytest.raises(UsageError, match="`depth` is not an option of resnet18"):
        build("resnet18", **FRAME, options={"depth": 34})


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("convnet", "dropout", "much", r"`dropout` of convnet takes a number; got 'much'"),
        ("convnet", "dropout", True, r"takes a number; got true\. Its default is 0\.0"),
        ("resnet20", "width", 1.5, r"takes an integer; got 1\.5"),
        ("resnet20", "width", True, r"takes an integer; got true"),
        ("dense", "hidden", 5, r"takes a list of integers; got 5"),
        ("dense", "hidden", [5, "a"], r"takes a list of integers"),
        ("dense", "hidden", [5, True], r"takes a list of integers"),
        ("vgg11", "padding", 0, r"takes a string; got 0"),
        ("vgg11", "padding", "circle", r"`circle` is not a padding of vgg11\. Did you mean `circ"),
        (
            "vgg11",
            "downsampling",
            "strid",
            r"`strid` is not a downsampling of vgg11\. Did you mean `stride",
        ),
        ("vgg11", "pool", "median", r"`median` is not a pool of vgg11\. Known: `average`, `conv`"),
    ],
)
def test_values_of_another_kind_are_refused(
    name: str, option: str, value: object, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build(name, **FRAME, options={option: value})


def test_values_that_lose_nothing_are_taken() -> None:
    net = build("dense", **FRAME, options={"hidden": [3, 4], "dropout": 0})
    assert [p.shape[0] for p in net.parameters()] == [3, 3, 4, 4, 4, 4]
    assert len(list(build("dense", **FRAME, options={"hidden": []}).parameters())) == 2


@pytest.mark.parametrize(
    ("frame", "came"),
    [
        ({"size": (23, 28)}, "4 classes, 1 channels, 23×28 pixels"),
        ({"num_classes": 0}, "0 classes"),
        ({"in_channels": 0}, "0 channels"),
    ],
)
def test_frames_that_no_network_fits_are_refused(frame: dict, came: str) -> None:
    with pytest.raises(UsageError, match=came):
        build("dense", **{**FRAME, **frame})
    assert SMALLEST == 24


@pytest.mark.parametrize("name", NETWORKS)
def test_the_schema_is_the_signature(name: str) -> None:
    options = {o.name: o for o in schema(name)}
    builder = NETWORKS[name]
    function = builder.func if isinstance(builder, partial) else builder
    parameters = inspect.signature(function).parameters
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    fixed = set(builder.keywords) if isinstance(builder, partial) else set()
    assert set(options) == set(parameters) - fixed - {"num_classes", "in_channels", "size"}
    assert {"downsampling", "padding"} <= set(options)
    for o in options.values():
        assert o.default == parameters[o.name].default
        assert o.kind in ("int", "float", "bool", "str", "ints")
        assert not o.choices or o.default in o.choices
        assert f"        {o.name}: " in function.__doc__, "an option that is not documented"


@pytest.mark.parametrize("name", NETWORKS)
def test_defaults_given_back_build_the_same(name: str) -> None:
    options = {o.name: o.default for o in schema(name)}
    with torch.device("meta"):
        one, two = build(name, **FRAME), build(name, **FRAME, options=options)
    shapes = [{k: v.shape for k, v in n.state_dict().items()} for n in (one, two)]
    assert shapes[0] == shapes[1]
