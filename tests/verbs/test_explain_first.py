"""The first screen of an explanation: the prediction, the checks, commands that can be run."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.explainers.nets import convnet, drawn

import neocog
from neocog.cli.main import cli
from neocog.exhibits import Checks, Gallery
from neocog.verbs.explain_first import HEADLINES
from neocog.verbs.explain_ways import WAYS


def test_every_method_has_a_headline_or_maps() -> None:
    maps = {"grad_cam", "hires_cam", "layer_cam", "eigen_cam"}
    assert set(HEADLINES) | maps == set(WAYS)


def test_the_prediction_and_the_checks_are_in_the_sentence() -> None:
    found = neocog.explain(convnet(), drawn(2, 3, 16, 16), n=2)
    screen = found.first_screen()
    assert screen.headline.startswith("Predicted ")
    assert "the first of 2 images" in screen.headline
    assert " of 4 sanity checks." in screen.headline
    image, checks = screen.image
    assert isinstance(image, Gallery)
    assert (len(image.images), image.large, image.together) == (2, True, 2)
    assert isinstance(checks, Checks)
    assert len(checks.checks) == 4
    assert screen.next == ()  # objects in Python have no command
    assert len(repr(found)) < 2000
    assert found._repr_html_().count("<iframe") == 1


def test_another_class_than_the_predicted_one_is_said() -> None:
    x = drawn(1, 3, 16, 16)
    net = convnet().eval()
    best = int(net(x).argmax())
    found = neocog.explain(net, x, target=(best + 1) % 4, sanity_checks=False)
    said = found.first_screen()
    assert f"Explained is {(best + 1) % 4} (" in said.headline
    assert said.detail == "The sanity checks were left out."
    assert said.badge == ""


def test_the_next_command_explains_the_runner_up(tmp_path: Path) -> None:
    file = tmp_path / "my image.png"
    Image.new("RGB", (16, 16), (200, 10, 10)).save(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its weights are those of its factory
        model = neocog.load("tests.explainers.nets:convnet", size=(3, 16, 16), mean=(0,), std=(1,))
    found = neocog.explain(model, file, sanity_checks=False)
    order = torch.as_tensor(found.result.cam.outputs[0]).argsort(descending=True).tolist()
    words = shlex.split(found.first_screen().next[0].line)
    assert words[:2] == ["neocog", "explain"]
    command = cli.get_command(None, "explain")  # type: ignore[arg-type]
    assert command is not None
    with command.make_context("explain", words[2:]) as context:
        assert context.params["target"] == str(order[1])
        assert str(file) in map(str, context.params["data"])


@pytest.mark.parametrize("method", ["filters", "features", "backward", "classic-filters"])
def test_other_methods_open_with_a_sentence_and_an_image(method: str) -> None:
    screen = neocog.explain(convnet(), drawn(1, 3, 16, 16), method=method).first_screen()
    assert screen.headline.endswith(".")
    assert screen.image
