"""How to repeat an audit."""

from neocog.audits.protocol import _modes, _options
from neocog.audits.table import MEASURES

CHOSEN = {
    "n": 100, "shift": ["crop"], "max_shift": 4, "maps": [], "map_samples": 8, "all_shifts": False,
    "layers": False, "lie": False, "layer_samples": 0, "batch": None, "seed": 3,
    **{m.name: False for m in MEASURES},
}  # fmt: skip


def test_the_options_of_an_audit_are_those_of_the_command() -> None:
    said = _options(CHOSEN)
    assert said == "--samples 100 --shift crop --max-shift 4 --maps none --no-layers --seed 3"
    first = next(iter(MEASURES))
    more = {**CHOSEN, first.name: True, "layers": True, "layer_samples": 20, "lie": True,
            "batch": 16}  # fmt: skip
    said = _options(more)
    assert f"--{first.option} --lie --layer-samples 20 --batch-size 16 --seed 3" in said


def test_all_ways_of_shifting_have_one_word() -> None:
    assert _modes(("circular", "crop")) == "circular,crop"
    assert _modes(("circular", "crop", "zeros", "subpixel")) == "all"
