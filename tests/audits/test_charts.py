"""What an audit draws: one scale for all maps of shifts, pairs that stay together."""

from __future__ import annotations

import numpy as np
import pytest
from tests.audits.made_up import audit, border, flipping, layer

from neocog.audits.charts import agreement_map, flip_pairs, layers_by_cause, shared_low
from neocog.audits.sections import sections
from neocog.exhibits import Gallery, Map, Table
from neocog.render.draw import draw
from neocog.render.map import view_map


def test_a_perfect_map_never_looks_like_the_worst_cell_of_its_neighbor() -> None:
    worse = flipping(100, 5, mode="circular", grid=0.92)
    found = audit(flipping(100, 0, grid=1.0), worse)
    low = shared_low(found)
    looks = [
        {c.look for row in view_map(agreement_map(s, low)).cells for c in row}
        for s in found.shift.values()
    ]
    assert looks[0].isdisjoint(looks[1])
    assert looks[0] == {"q16"}  # the fullest color, not the palest


def test_one_image_of_64_is_a_step_and_not_the_whole_range() -> None:
    values = np.ones((3, 3))
    values[0, 0] = 63 / 64
    one = flipping(100, 0, grid=1.0)
    assert one.map is not None
    one.map.agreement[:] = values
    shown = agreement_map(one, shared_low(audit(one)))
    cells = view_map(shown).cells
    steps = [int(cells[r][c].look[1:]) for r, c in ((0, 0), (1, 1))]
    assert 1 <= steps[1] - steps[0] <= 2


@pytest.mark.parametrize(("least", "low"), [(1.0, 0.8), (0.8, 0.8), (0.79, 0.5), (0.2, 0.0)])
def test_the_scale_begins_at_a_round_number_below_all_maps(least: float, low: float) -> None:
    found = audit(flipping(100, 0, grid=1.0), flipping(100, 5, mode="circular", grid=least))
    assert shared_low(found) == low


def test_the_cells_are_per_cent_and_100_only_where_it_is_all() -> None:
    html = draw(agreement_map(flipping(100, 0, grid=0.9999), 0.8))
    assert ">99.9<" in html
    assert ">100<" not in html
    assert "80\u202f%" in html  # the legend


def test_pairs_are_not_parted() -> None:
    shown = flip_pairs(flipping(100, 9).flips, ["deer", "<i>horse"], "pairs")
    assert shown.together == 2
    assert len(shown.images) == 18
    html = draw(shown)
    assert html.count('<li class="group">') == 9
    assert "&lt;i&gt;horse" in html


def test_images_that_are_none_are_left_out() -> None:
    flips = flipping(10, 1).flips
    odd = [f.__class__(**{**vars(f), "images": (np.zeros((5, 8, 8)),) * 2}) for f in flips]
    assert flip_pairs(odd, [], "t").images == []


def test_layers_are_called_by_name() -> None:
    found = layers_by_cause(audit(layers=(layer("stage1.conv", 0.5, 0.25), layer("fc", 0.0, 0.0))))
    assert found is not None
    assert found.names == ["stage1.conv"]
    values = [series[0] for series in found.series.values()]
    assert values == pytest.approx([0.5 * 0.75**0.5, 0.5 * 0.25**0.5])
    assert layers_by_cause(audit()) is None


def _causes(shift: object) -> list[object]:
    found = sections(audit(shift))  # type: ignore[arg-type]
    tables = [e for s in found for e in s.exhibits if isinstance(e, Table)]
    table = next(t for t in tables if t.title == "flips by their cause")
    return list(table.rows[0])


def test_causes_that_are_not_told_apart_are_one_figure() -> None:
    """crop 6.5 % = border 8.0 % + sampling -1.5 % is not a sum."""
    row = _causes(flipping(200, 13, border=border(0.08, -0.015, (-0.05, 0.02))))
    assert row[2].startswith("6.5 % (")  # type: ignore[union-attr]
    assert row[3] == "not separated"
    assert row[4] == "at most +2.0"
    assert not any("-1.5" in str(cell) for cell in row)


def test_causes_that_are_told_apart_have_their_intervals() -> None:
    row = _causes(flipping(200, 20, border=border(0.03, 0.07, (0.02, 0.12))))
    assert row[3].startswith("3.0 % (")  # type: ignore[union-attr]
    assert row[4] == "+7.0 (+2.0 to +12.0)"


def test_all_maps_of_a_report_share_their_ends() -> None:
    found = audit(flipping(100, 0, grid=1.0), flipping(100, 5, mode="circular", grid=0.7))
    maps = [e for s in sections(found) for e in s.exhibits if isinstance(e, Map)]
    assert {m.ends for m in maps} == {(0.5, 1.0)}
    galleries = [e for s in sections(found) for e in s.exhibits if isinstance(e, Gallery)]
    assert all(g.together == 2 for g in galleries)
