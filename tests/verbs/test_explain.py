from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.explainers.nets import Series, Unet, Vit, convnet, drawn, state_of
from torch import nn

import neocog
from neocog.data.samples import Samples
from neocog.errors import DataError, ModelError, UsageError
from neocog.networks.model import SpecifiedNetwork
from neocog.types import InputSpec, ModelSpec
from neocog.verbs.explain import Explanation
from neocog.verbs.explain_ways import WAYS


def test_any_module_and_its_images_as_values(tmp_path: Path) -> None:
    net, x = convnet(), drawn(3, 3, 16, 16)
    before = state_of(net)
    found = neocog.explain(net, x, target=2, out=tmp_path)
    assert found.result.cam.maps.shape == (3, 8, 8)
    assert found.figures["target"] == "2"
    assert found.figures["layer"] == "5"
    assert [c["name"] for c in found.figures["checks"]][:2] == ["deletion", "insertion"]
    assert sorted(Path(f).name for f in found.files) == sorted(p.name for p in tmp_path.iterdir())
    assert state_of(net) == before


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = neocog.explain(convnet(), drawn(1, 3, 8, 8), sanity_checks=False)
    assert found.files == ()
    assert not list(tmp_path.iterdir())


def test_the_json_holds_for_every_way_and_kind() -> None:
    net, x = convnet(), drawn(4, 3, 16, 16)
    for method in WAYS:
        if method == "activation-maximization":
            continue  # slow; held below with few units
        found = neocog.explain(net, x, method=method, sanity_checks=False)
        text = json.dumps(found.to_json(), allow_nan=False)
        assert json.loads(text)["method"] == method
        assert found.sections()


def test_maximize_takes_units_or_the_class() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 2))
    found = neocog.explain(net, drawn(1, 1, 8, 8), method="activation-maximization", target=1)
    assert found.figures["units"] == [1]
    found = neocog.explain(
        net, drawn(1, 1, 8, 8), method="activation-maximization", layer="0", units=[2]
    )
    assert found.figures["units"] == [2]
    assert found.figures["layer"] == "0"


def test_series_segmenters_regressors_and_patches() -> None:
    found = neocog.explain(Series(), drawn(2, 2, 32))
    assert found.figures["layer"] == "body"
    found = neocog.explain(Unet(), drawn(1, 1, 16, 16), task="segment", target=1)
    assert found.figures["layer"] == "bottom"
    found = neocog.explain(Vit(), drawn(1, 3, 16, 16), sanity_checks=False)
    assert found.figures["grid"] == [4, 4]
    two = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    x = drawn(1, 1, 8, 8)
    found = neocog.explain(two, x, task="regress", target=1, method="hires_cam")
    assert found.figures["target"] == "output 1"
    total = float(np.sum(found.figures["images"][0]["map"]))
    assert total == pytest.approx(float((two(x)[0, 1] - two[3].bias[1]).detach()), rel=1e-4)
    with pytest.raises(UsageError, match="2 outputs, counted from 0; got number 2"):
        neocog.explain(two, x, task="regress", target=2)


def model() -> SpecifiedNetwork:
    signal = InputSpec(channels=3, size=(16, 16), mean=(0.5,) * 3, std=(0.2,) * 3)
    spec = ModelSpec(task="classify", classes=("cat", "dog", "<b>", "owl"), input=signal)
    return SpecifiedNetwork(convnet(), spec)


def test_layers_and_classes_go_by_the_names_that_the_user_knows() -> None:
    net, x = model(), drawn(2, 3, 16, 16)
    found = neocog.explain(net, x, target="dog", sanity_checks=False)
    assert found.figures["layer"] == "5"
    assert found.figures["target"] == "dog"
    assert neocog.explain(net, x, layer="4", sanity_checks=False).figures["layer"] == "4"
    assert neocog.explain(net, x, layer="network.4", sanity_checks=False).figures["layer"] == "4"
    with pytest.raises(UsageError, match=r"`dig` is none. Known: .*`dog`"):
        neocog.explain(net, x, target="dig")
    with pytest.raises(ModelError, match="`44` is none"):
        neocog.explain(net, x, layer="44")
    tested = neocog.explain(net, x)
    assert not any("network." in name for name in tested.figures["randomization"]["layers"])


class Nested(nn.Module):
    """A network with a child called network."""

    def __init__(self) -> None:
        super().__init__()
        self.network = convnet()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network(x)
        return answer


def words(found: Explanation) -> str:
    return json.dumps([s.to_json() for s in found.sections()])


def test_names_of_images_and_classes_are_left_as_they_are() -> None:
    signal = InputSpec(channels=3, size=(16, 16), mean=(0.5,) * 3, std=(0.2,) * 3)
    classes = ("model.cat", "dog", "<b>", "owl")
    net = SpecifiedNetwork(convnet(), ModelSpec(task="classify", classes=classes, input=signal))
    data = Samples(drawn(1, 3, 16, 16), None, ["my-network.png"])
    said = words(neocog.explain(net, data=data, target="model.cat", sanity_checks=False))
    assert "for model.cat" in said
    assert "my-network.png" in said


@pytest.mark.parametrize(
    "method",
    ["grad_cam", "filters", "features", "activation-maximization", "top-activations", "backward"],
)
def test_layers_go_by_the_same_name_in_words_and_numbers(method: str) -> None:
    nested = SpecifiedNetwork(Nested(), model().spec)
    x = drawn(2, 3, 16, 16)
    layer = "network.4"  # of the network; "network.network.4" of the model
    more = {"units": [0]} if method in ("activation-maximization", "top-activations") else {}
    found = neocog.explain(nested, x, method=method, layer=layer, sanity_checks=False, **more)
    assert layer in words(found)
    assert "model.network" not in words(found)
    assert "model.network" not in json.dumps(found.to_json())
    plain = words(neocog.explain(model(), x, method=method, layer="4", sanity_checks=False, **more))
    assert "network.4" not in plain


def test_data_gives_the_images_where_none_is_named() -> None:
    net = neocog.build("convnet", num_classes=10, in_channels=1, size=(28, 28))
    found = neocog.explain(net, data="digits:val", n=3, sanity_checks=False, seed=1)
    again = neocog.explain(net, data="digits:val", n=3, sanity_checks=False, seed=1)
    assert [p["path"] for p in found.figures["images"]] == [
        p["path"] for p in again.figures["images"]
    ]
    other = neocog.explain(net, data="digits:val", n=3, sanity_checks=False, seed=2)
    assert other.figures["images"][0]["path"] != found.figures["images"][0]["path"]
    assert len(found.figures["images"]) == 3


def test_more_images_than_asked_for_are_said() -> None:
    found = neocog.explain(convnet(), drawn(5, 3, 8, 8), n=2, sanity_checks=False)
    assert len(found.figures["images"]) == 2
    assert found.notes == ("The first 2 images; --samples gives more.",)


@pytest.mark.parametrize("method", ["features", "template-matching"])
def test_where_one_image_of_several_is_shown_it_is_said(method: str) -> None:
    found = neocog.explain(convnet(), drawn(2, 3, 16, 16), method=method)
    assert found.notes[0].startswith("Of the 2 images the first is shown, image 0; name ")
    assert not neocog.explain(convnet(), drawn(1, 3, 16, 16), method=method).notes
    if method == "features":
        assert not neocog.explain(convnet(), drawn(2, 3, 16, 16), method=method, layer="4").notes


def test_maps_of_several_images_say_whose_they_are() -> None:
    data = Samples(drawn(2, 3, 16, 16), None, ["a.png", "b.png"])
    found = neocog.explain(convnet(), data=data, method="features", layer="4", seed=0)
    titles = [s.title for s in found.sections()]
    assert sorted(titles) == ["4: Conv2d, of a.png", "4: Conv2d, of b.png", "a.png", "b.png"]
    one = neocog.explain(convnet(), drawn(1, 3, 16, 16), method="features", layer="4")
    assert [s.title for s in one.sections()] == ["The image", "4: Conv2d"]
    assert one.title == "Feature maps: Sequential"


def test_what_cannot_be_explained_says_so() -> None:
    net, x = convnet(), drawn(1, 3, 8, 8)
    with pytest.raises(
        UsageError, match=r"`gradcam` is not an explanation method. Did you mean `grad_cam`"
    ):
        neocog.explain(net, x, method="gradcam")
    with pytest.raises(UsageError, match="does not state the size"):
        neocog.explain(net, "seven.png")
    with pytest.raises(UsageError, match="Add the missing axes"):
        neocog.explain(net, x[0, 0])
    with pytest.raises(DataError, match=r"int64 from 9 to 9. Divide"):
        neocog.explain(net, np.full((1, 3, 8, 8), 9))
    with pytest.raises(UsageError, match=r"got n = -1. Give 1 or more"):
        neocog.explain(net, x, n=-1)
    with pytest.raises(UsageError, match=r"got `clasify`. Did you mean `classify`"):
        neocog.explain(net, x, task="clasify")
    with pytest.raises(UsageError, match="counted from 0; got number -1"):
        neocog.explain(net, x, task="regress", target=-1)
    with pytest.raises(UsageError, match="must be known, and a module does not state it"):
        neocog.explain(net, method="activation-maximization")
    with pytest.raises(UsageError, match="A window is four numbers"):
        neocog.explain(net, x, method="template-matching", window=[1])
    with pytest.raises(DataError, match="nowhere does not exist"):
        neocog.explain(net, data="nowhere")


def test_a_black_box_has_no_layers() -> None:
    from neocog.models.model import Model

    box = Model(model(), {}, Path("box.onnx"), black_box=True)
    with pytest.raises(ModelError, match=r"`box.onnx` is a black box"):
        neocog.explain(box, drawn(1, 3, 16, 16))


def test_a_model_under_no_grad_and_inference_mode() -> None:
    net, x = convnet().eval(), drawn(1, 3, 8, 8)
    want = neocog.explain(net, x, sanity_checks=False).figures["images"][0]["map"]
    with torch.inference_mode():
        found = neocog.explain(net, x, sanity_checks=False)
    np.testing.assert_allclose(found.figures["images"][0]["map"], want, rtol=1e-5)


@pytest.mark.parametrize(
    "told",
    [
        "[]",
        "{}",
        '{"files": 3}',
        "no json",
        '{"files": ["../y.png", "model.safetensors", "deep", ".", "deep/z.png", 1]}',
    ],
)
def test_numbers_that_others_wrote_remove_nothing_else(tmp_path: Path, told: str) -> None:
    out = tmp_path / "why"
    (out / "deep").mkdir(parents=True)
    (out / "explain.json").write_text(told)
    kept = [tmp_path / "y.png", out / "model.safetensors", out / "deep" / "z.png"]
    for file in kept:
        file.write_text("")
    found = neocog.explain(convnet(), drawn(1, 3, 8, 8), method="backward", out=out)
    assert all(file.is_file() for file in kept)
    assert json.loads((out / "explain.json").read_text()) == found.to_json()


def test_grays_without_an_axis_of_channels_are_no_series() -> None:
    grays = drawn(4, 16, 16)
    gray = convnet(channels=1)
    for given in ({"images": grays}, {"data": grays}):
        with pytest.raises(UsageError, match=r"takes images, \(B, C, H, W\); .* x\[:, None\]"):
            neocog.explain(gray, **given)
        with pytest.raises(UsageError, match=r"takes images, \(B, C, H, W\); got .*"):
            neocog.explain(model(), **given)
    with pytest.raises(UsageError, match=r"takes series, \(B, C, N\); got \(1, 2, 8, 8\)"):
        neocog.explain(Series(), drawn(1, 2, 8, 8))
    assert neocog.explain(gray, grays[:, None], sanity_checks=False).figures["grid"] == [8, 8]


def test_a_network_that_makes_the_missing_axis_itself() -> None:
    class Electrodes(nn.Module):
        """Series as images of one channel, a row an electrode."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 4, (2, 3)), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.out(self.conv(x[:, None]).abs().mean((2, 3)))
            return out

    found = neocog.explain(Electrodes(), drawn(2, 2, 32), method="filters", n=1)
    assert found.figures["layers"][0]["name"] == "conv"


def test_filters_without_a_module_go_by_their_number() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.ones(4, 3, 3, 3))
            self.last = nn.Parameter(torch.ones(2, 4, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = nn.functional.conv2d(x, self.first)
            return nn.functional.conv2d(y, self.last).mean((2, 3))

    x = drawn(1, 3, 8, 8)
    found = neocog.explain(Bare(), x, method="filters", layer="#2")
    assert [f["shape"] for f in found.figures["layers"]] == [[2, 4, 1, 1]]
    with pytest.raises(UsageError, match=r"`#3` is none. Known: `#1`, `#2`"):
        neocog.explain(Bare(), x, method="filters", layer="#3")
    with pytest.raises(UsageError, match=r"modules of their own; Bare has none. Use another"):
        neocog.explain(Bare(), x, method="backward")
    inside = nn.Sequential(Bare(), nn.Flatten())
    both = neocog.explain(inside, x, method="filters", layer="0")
    assert [f["name"] for f in both.figures["layers"]] == ["0 #1", "0 #2"]


def test_the_classic_filters_are_written_once(tmp_path: Path) -> None:
    data = Samples(drawn(3, 3, 16, 16), None, ["a.png", "b.png", "c.png"])
    found = neocog.explain(convnet(), data=data, method="classic-filters", out=tmp_path)
    names = sorted(Path(f).name for f in found.files)
    assert sum(name.startswith("kernels-") for name in names) == 9
    assert "b-png-outline.png" in names
