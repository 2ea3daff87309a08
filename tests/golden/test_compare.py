"""A comparison that could not fail would be worth nothing."""

from __future__ import annotations

import pytest
from tests.golden import compare as module
from tests.golden.compare import FLOAT32, compare
from tests.golden.paths import ANY, condensed, kept, renamed

WAS = {"shift": {"zero": {"flip": 0.25, "n": 4}}, "layers": [{"name": "a", "error": 1e-3}]}


@pytest.fixture(autouse=True)
def _empty_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed since the day of recording has no part in these."""
    for name in ("KEYS", "WORDS", "CHANGED"):
        monkeypatch.setattr(module, name, {})


def test_one_bit_is_a_difference_here_and_none_on_another_machine() -> None:
    now = {**WAS, "layers": [{"name": "a", "error": 1e-3 * (1 + 2**-50)}]}
    found = compare("x", WAS, now, None)
    assert not found.kept
    assert "layers/0/error: 0.001 → 0.00100" in found.text()
    assert compare("x", WAS, now, FLOAT32).kept


@pytest.mark.parametrize("now", [
    {**WAS, "layers": [{"name": "a"}]},
    {**WAS, "layers": [{"name": "a", "err": 1e-3}]},
    {"layers": WAS["layers"]},
])  # fmt: skip
def test_a_key_that_is_gone_fails_on_every_machine(now: object) -> None:
    for close in (None, FLOAT32):
        found = compare("x", WAS, now, close)
        assert not found.kept
        assert "is gone" in found.text()


def test_a_key_that_came_in_is_no_failure() -> None:
    found = compare("x", WAS, {**WAS, "more": 1}, None)
    assert (found.kept, found.n) == (True, 4)


def test_names_follow_the_table_and_numbers_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"shift": {"zeros": {"flip_rate": 0.25, "n": 4}}, "layers": WAS["layers"]}
    assert not compare("x", WAS, now, None).kept
    monkeypatch.setattr(module, "KEYS", {"flip": "flip_rate", "shift/zero": "zeros"})
    assert compare("x", WAS, now, None).kept
    now["shift"]["zeros"]["flip_rate"] = 0.5
    text = compare("x", WAS, now, None).text()
    assert "shift/zero/flip (now shift/zeros/flip_rate): 0.25 → 0.5   (+0.25)" in text


def test_what_was_meant_to_change_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHANGED", {"shift/zero": "for a reason"})
    found = compare("x", WAS, {"layers": WAS["layers"]}, None)
    assert (found.kept, found.n) == (True, 2)


@pytest.mark.parametrize(("was", "now"), [(1, True), (None, 0), ("a", 1.0), (0.0, None), (2, "2")])
def test_kinds_are_told_apart(was: object, now: object) -> None:
    assert not compare("x", {"v": was}, {"v": now}, FLOAT32).kept


def test_few_figures_may_fall_to_the_other_side_elsewhere() -> None:
    was = {"v": [float(i) for i in range(100)]}
    for n, kept_ in ((2, True), (3, False)):
        now = {"v": [v + 10 * (v < n) for v in was["v"]]}
        assert compare("x", was, now, FLOAT32).kept == kept_


def test_nothing_to_compare_is_no_success() -> None:
    assert not compare("x", {"v": 1}, {}, None).kept
    assert not compare("x", {}, {}, FLOAT32).kept


def test_a_long_list_still_shows_each_change() -> None:
    one = [[float(i * j) for i in range(20)] for j in range(20)]
    two = [list(row) for row in one]
    two[7][3] += 1e-9
    a, b = (compare("x", condensed({"m": m}), condensed({"m": two}), None) for m in (one, two))
    assert (a.kept, b.kept) == (False, True)


def test_of_sentences_and_clocks_only_their_keys_count() -> None:
    value = {"note": "A sentence.", "notes": ["One. Two."], "ms": 3.0, "kind": "Conv2d", "n": [1]}
    recorded = kept(value, ["ms"])
    assert recorded == {"note": ANY, "notes": ANY, "ms": ANY, "kind": "Conv2d", "n": [1]}
    other = {**value, "note": "Another.", "notes": ["One."], "ms": 4.0}
    assert compare("x", recorded, other, None).kept
    for key in value:
        assert not compare("x", recorded, {k: v for k, v in other.items() if k != key}, None).kept


def test_the_last_name_counts() -> None:
    keys = {"floor": "chance_agreement", "rotation/**/floor": "interpolation_baseline"}
    assert renamed(("shift", "crop", "floor"), keys)[-1] == "chance_agreement"
    assert renamed(("rotation", "angles", "floor"), keys)[-1] == "interpolation_baseline"
