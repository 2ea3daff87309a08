"""Values from outside may be of any kind: each is checked, or refused in a sentence."""

from __future__ import annotations

import pytest

from neocog.errors import ModelError, NeocogError
from neocog.fields import Fields, short_repr

WRONG = [
    None,
    True,
    "text",
    "",
    [],
    [[]],
    {},
    {"a": 1},
    -1,
    10**400,
    10**5000,
    1e308,
    float("nan"),
    float("inf"),
    "9" * 5000,
    b"bytes",
    object(),
]


ASK = {
    "text": lambda f: f.text("k", among=["known"]),
    "flag": lambda f: f.flag("k"),
    "integer": lambda f: f.integer("k", low=1, high=100),
    "number": lambda f: f.number("k", low=0, high=1e300),
    "integers": lambda f: f.integers("k", count=2),
    "numbers": lambda f: f.numbers("k", count=2),
    "texts": lambda f: f.texts("k", count=2),
    "table": lambda f: f.table("k").text("known"),
}


@pytest.mark.parametrize("kind", ASK)
def test_a_value_of_another_kind_is_one_sentence(kind):
    for value in WRONG:
        if kind == "flag" and value is True:
            continue
        with pytest.raises(ModelError, match=r"`k.*` in `f` must be .* Take an undamaged") as e:
            ASK[kind](Fields({"k": value}, "`f`"))
        assert len(str(e.value)) < 300, value
        assert str(e.value).isprintable(), value
    with pytest.raises(ModelError, match="is missing"):
        ASK[kind](Fields({}, "`f`"))


def test_no_table_is_refused():
    for value in [v for v in WRONG if not isinstance(v, dict)] + [{1: 2}]:
        with pytest.raises(NeocogError, match="`f` must be a table of keys"):
            Fields(value, "`f`")


def test_what_fits_is_taken_as_it_is():
    f = Fields({"t": "x", "i": 3, "n": 2, "l": [1, 2.5], "s": ["a"], "d": {"k": [{}, {}]}}, "`f`")
    assert (f.text("t"), f.integer("i"), f.number("n")) == ("x", 3, 2.0)
    assert (f.numbers("l", count=2), f.texts("s")) == ((1.0, 2.5), ("a",))
    assert len(f.table("d").tables("k")) == 2
    assert (f.text("no", "z"), f.integers("no", ())) == ("z", ())
    with pytest.raises(ModelError, match=r"a key `seeed` that is not known\. Did you mean `seed`"):
        Fields({"seeed": 1}, "`f`").only(["seed", "size"])


def test_shown_never_fails():
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    for value in [*WRONG, deep, [deep], {"a": deep}, "\x1b[31m", ["\x1b[31m\n"], "\u202e"]:
        assert short_repr(value).isprintable()
        assert len(short_repr(value)) <= 60
