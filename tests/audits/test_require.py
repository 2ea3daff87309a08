import pytest

from neocog.audits.require import parse_bound
from neocog.errors import UsageError

RESULT = {
    "shift": {"circular": {"consistency": 0.98, "chance_agreement": None}},
    "list": [1, 2.5],
    "on": True,
}


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [
        ("shift.circular.consistency>=0.98", 0.98, True),
        ("shift.circular.consistency > 0.98", 0.98, False),
        ("shift.circular.consistency<=9.8e-1", 0.98, True),
        ("list.1 == 2.5", 2.5, True),
        ("list.0<0", 1.0, False),
    ],
)
def test_bounds(text: str, value: float, kept: bool) -> None:
    assert parse_bound(text).kept(RESULT) == (value, kept)


@pytest.mark.parametrize("text", ["", "accuracy", "a=>1", "a>=b", "a>=1.2.3", "__import__('os')>1"])
def test_written_in_another_way(text: str) -> None:
    with pytest.raises(UsageError, match="A bound is KEY OP NUMBER"):
        parse_bound(text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("shift.circle.consistency>1", "no figure `shift.circle`. Did you mean `circular`"),
        ("list.7>1", "an index into a list of 2"),
        ("list.x>1", "an index into a list of 2"),
        ("shift.circular.chance_agreement>1", "is not measured"),
        ("shift.circular>1", "is several"),
        ("on>0", "is several"),
        ("list.0.x>1", "one name too far"),
    ],
)
def test_figures_that_are_not_there(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        parse_bound(text).kept(RESULT)
