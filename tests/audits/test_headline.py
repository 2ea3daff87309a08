"""The first screen of an audit: what it says of made-up results, the extreme ones among them."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
from tests.audits.made_up import audit, border, flipping, layer

from neocog.audits.first_screen import ROBUST, next_command
from neocog.audits.headline import first_screen, opening
from neocog.audits.plan import LeftOut
from neocog.cli.main import cli
from neocog.exhibits import Bars, Gallery, Map
from neocog.first_screen import MOST_FIGURES, Named

NAMED = Named(model="runs/my model", data="data/a'b")


def test_the_sentence_has_the_rate_its_interval_and_the_shifts() -> None:
    badge, level, said, _ = opening(audit(flipping(200, 13)))
    assert (badge, level) == ("Not shift-robust", "bad")
    assert said.startswith("6.5 % of predictions flip under ≤ 4 px crops (95 % CI ")
    assert said.endswith(" %).")


def test_no_flip_of_many_images_is_robust_and_of_one_image_undecided() -> None:
    assert opening(audit(flipping(2000, 0)))[:2] == ("Shift-robust", "good")
    badge, level, said, detail = opening(audit(flipping(1, 0)))
    assert (badge, level) == ("Not decided at 1 sample", "open")
    assert "CI 0.0–97.5 %" in said  # exact: 1 - 0.025, nothing is known of the rest
    assert "2 %" in detail


def test_all_flip() -> None:
    badge, level, said, _ = opening(audit(flipping(50, 50)))
    assert (badge, level) == ("Not shift-robust", "bad")
    assert said.startswith("100.0 % of predictions flip")


@pytest.mark.parametrize("flips", range(0, 40, 3))
def test_the_badge_is_that_of_the_interval(flips: int) -> None:
    found = audit(flipping(400, flips))
    low, high = (1 - v for v in reversed(found.shift["crop"].consistency_ci))
    want = (
        "Shift-robust" if high <= ROBUST else "Not shift-robust" if low > ROBUST else "Not decided"
    )
    assert opening(found)[0].startswith(want)


def test_predictions_of_one_class_say_nothing() -> None:
    badge, level, said, _ = opening(audit(flipping(500, 0, largest_class=1.0)))
    assert (badge, level) == ("Not decided", "open")
    assert said.startswith("All predictions are of one class. 0.0 % of predictions flip")


def test_an_untrained_model_is_not_called_robust() -> None:
    found = audit(flipping(2000, 0), accuracy=0.11, accuracy_ci=(0.09, 0.13))
    badge, level, said, detail = opening(found)
    assert (badge, level) == ("Not decided", "open")
    assert said.startswith("Accuracy is not above that of always predicting one class.")
    assert "most frequent class scores 10.0 %" in detail


def test_without_labels_there_is_no_accuracy() -> None:
    screen = first_screen(audit(flipping(200, 13), accuracy=None, accuracy_ci=None), NAMED)
    assert screen.badge == "Not shift-robust"
    assert all(f.title != "accuracy" for f in screen.figures)


def test_without_shifts_or_anything_there_is_still_a_sentence() -> None:
    assert opening(audit())[2] == "Accuracy 90.0 % (95 % CI 87.0–93.0 %)."
    bare = audit(accuracy=None, accuracy_ci=None)
    assert opening(bare)[2].startswith("Nothing measured: no shifts")
    assert first_screen(bare, None).text()


def test_the_layer_is_named_with_its_cause() -> None:
    rows = (layer("conv1", 0.2, 0.0), layer("<b>", 0.5, 0.0))
    detail = opening(audit(flipping(200, 13), layers=rows))[3]
    assert detail == "Of the layers, <b> aliases most (equivariance error 0.5)."


def test_padding_is_not_blamed_where_not_all_was_looked_behind() -> None:
    rows = (layer("conv1", 0.4, 1.0),)
    found = audit(flipping(200, 13), layers=rows)
    assert opening(found)[3] == ""
    bars = first_screen(found, NAMED).image[1]
    assert isinstance(bars, Bars)
    assert list(bars.series) == ["aliasing", "at the border"]


def test_the_image_is_one_large_pair_beside_the_layers() -> None:
    rows = tuple(layer(f"conv{i}", 0.1 * i, 0.5) for i in range(1, 20))
    pair, bars = first_screen(audit(flipping(200, 13), layers=rows), NAMED).image
    assert isinstance(pair, Gallery)
    assert (pair.together, pair.large, len(pair.images)) == (2, True, 2)
    assert pair.captions == ["✓ deer\n1 down", "✗ horse\n2 up, 3 right"]
    assert isinstance(bars, Bars)
    assert bars.names[0] == "conv19"
    assert len(bars.names) <= 6


def test_where_nothing_flips_the_image_is_the_map_of_shifts() -> None:
    (image,) = first_screen(audit(flipping(200, 0, grid=1.0)), NAMED).image
    assert isinstance(image, Map)
    assert image.ends == (0.8, 1.0)


@pytest.mark.parametrize(
    "found",
    [
        audit(flipping(200, 13), layers=(layer("c", 0.5, 0.0),)),
        audit(flipping(200, 13, mode="circular"), layers=(layer("c", 0.5, 1.0),)),
        audit(flipping(10, 0), layers=(layer("c", 0.5, 0.0),), protocol={"n": 10}),
        audit(flipping(2000, 0), layers=(layer("c", 0.5, 0.0),)),
    ],
    ids=["aliasing", "border", "few images", "robust"],
)
def test_what_to_do_next_is_a_command_that_the_command_line_takes(found: object) -> None:
    screen = first_screen(found, NAMED)  # type: ignore[arg-type]
    assert screen.next
    for command in screen.next:
        words = shlex.split(command.line)
        assert tuple(words) == command.words
        assert words[0] == "neocog"
        verb = cli.get_command(None, words[1])  # type: ignore[arg-type]
        assert verb is not None
        with verb.make_context(words[1], words[2:]) as context:
            assert "runs/my model" in str(context.params)
    first = next_command(found, NAMED.words())  # type: ignore[arg-type]
    assert first in ("", screen.next[0].line)  # what --json and the terminal say


def test_the_gain_of_a_fix_is_said_only_where_it_was_told_apart() -> None:
    rows = (layer("c", 0.5, 0.0),)
    told = flipping(200, 20, border=border(0.03, 0.07, (0.02, 0.12)))
    fix = first_screen(audit(told, layers=rows), NAMED).next[0].text
    assert fix.endswith("aliasing adds +7.0 pp of flips (95 % CI 2.0 to 12.0)")
    not_told = flipping(200, 20, border=border(0.08, -0.015, (-0.05, 0.02)))
    assert "pp" not in first_screen(audit(not_told, layers=rows), NAMED).next[0].text


def test_few_figures_and_short_text() -> None:
    modes = ("crop", "circular", "zeros", "subpixel")
    rows = tuple(layer(f"c{i}", 0.3, 0.2) for i in range(300))
    found = audit(*(flipping(200, 13, mode=m) for m in modes), layers=rows)
    screen = first_screen(found, NAMED)
    assert 3 <= len(screen.figures) <= MOST_FIGURES
    lines = screen.text().split("\n")
    assert len(lines) <= 22  # of 24, with the prompt
    assert all(len(line) <= 80 for line in lines if "neocog" not in line)
    assert len(repr(found)) < 2000
    json.dumps(screen.to_json(), allow_nan=False)


def test_outputs_in_their_own_units_have_no_badge() -> None:
    found = flipping(50, 0, unit="", flip_rate=None, consistency=0.25, consistency_ci=(0.2, 0.3))
    badge, _, said, _ = opening(audit(found, task="regress"))
    assert badge == ""
    assert said.startswith("Outputs differ by 0.25 on average under ≤ 4 px crops (95 % CI 0.2")


def test_a_series_has_steps() -> None:
    found = flipping(50, 10, mode="circular", axes=1)
    assert "≤ 4 steps circular shifts" in opening(audit(found, axes=1))[2]
    assert np.isfinite(found.consistency)


def test_what_was_left_out_is_said_with_its_option() -> None:
    parts = (LeftOut(what="rotation", option="--rotation"),)
    note = first_screen(audit(flipping(200, 13), left_out=parts, full_seconds=250.0)).note
    assert note.startswith("On 200 images (seed 0). Left out: rotation (--rotation).")
    assert note.endswith("--full, about 4 min.")
