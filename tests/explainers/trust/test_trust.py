import json

import torch
from tests.explainers.nets import convnet, drawn
from tests.explainers.trust.test_motion import Fixed, follower
from tests.explainers.trust.test_randomize import Blind
from torch import nn

from neocog.explainers.grad_cam import grad_cam
from neocog.explainers.maps.sections import cam_sections, trust_sections
from neocog.explainers.trust.trust import Trust, trust
from neocog.render.page import page


def asked(net: torch.nn.Module, x: torch.Tensor, **wish: object) -> Trust:
    return trust(net, x, grad_cam(net, x, **wish))  # type: ignore[arg-type]


def test_a_map_that_ignores_the_network_is_not_trusted() -> None:
    found = asked(Blind(), drawn(2, 1, 8, 8), layer="look", method="eigen_cam")
    assert found.passed["model parameter randomization"] is False
    said = found.verdict()
    assert "cannot change it" in said  # no class, so the last layer is out of the question
    assert "model parameter randomization" in said.splitlines()[0]


def test_a_map_that_does_not_move_is_not_trusted() -> None:
    torch.manual_seed(0)
    found = asked(Fixed(), drawn(2, 1, 16, 16), layer="look")
    assert found.passed["shift equivariance"] is False
    assert "the map followed 0 %" in found.verdict()
    assert "shift equivariance" in found.verdict().splitlines()[0]


def test_of_a_map_of_one_value_nothing_is_told() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2))
    nn.init.constant_(net[0].bias, -100.0)  # all units are off
    x = drawn(2, 1, 16, 16)
    cam = grad_cam(net, x, layer="1")
    found = trust(net, x, cam)
    assert set(found.passed.values()) == {None}
    assert found.outcome.startswith("passed 0 of 4 (undecided: deletion, insertion")
    assert found.verdict().startswith("Sanity checks: passed 0 of 4")
    page("maps", trust_sections(found, cam, x))
    json.dumps(found.to_json(), allow_nan=False)


def test_numbers_and_names_of_the_contract() -> None:
    found = asked(convnet(), drawn(2, 3, 16, 16))
    plain = found.to_json()
    assert {"deletion", "insertion", "randomization", "motion", "checks", "verdict"} <= set(plain)
    assert plain["deletion"]["auc"] == float(found.deletion.areas("deletion").mean())
    assert [set(c) for c in plain["checks"]] == [
        {"name", "passed", "value", "baseline", "text"}
    ] * 4
    assert len(plain["randomization"]["rank_correlation"]) == len(found.randomized.layers)
    json.dumps(plain, allow_nan=False)


def test_a_single_image_is_spoken_of_as_one() -> None:
    said = asked(follower(), drawn(1, 1, 16, 16)).verdict()
    assert "of 1 maps" not in said
    assert "it beats" in said


def test_the_same_seed_says_the_same() -> None:
    net, x = convnet(), drawn(2, 3, 12, 12)
    assert asked(net, x).to_json() == asked(net, x).to_json()


def test_everything_is_drawn() -> None:
    net, x = convnet(), drawn(2, 3, 16, 16)
    cam = grad_cam(net, x)
    found = trust(net, x, cam)
    sections = [
        *cam_sections(cam, x, names=["a.png", "<b>.png"], classes=["<i>", "two", "three", "four"]),
        *trust_sections(found, cam, x),
    ]
    html = page("maps", sections)
    assert "<b>.png" not in html
    assert "&lt;b&gt;.png" in html
    for section in sections:
        json.dumps(section.to_json(), allow_nan=False)
    first, second = sections[0].exhibits[:2]
    assert [first.title, second.title] == ["a.png", "<b>.png"]
    assert [len(e.images) for e in (first, second)] == [3, 3]
    assert first.captions[1].startswith("overlay\nfor ")
