import math

import pytest

from neocog.errors import UsageError
from neocog.web.query import choice, flag, number, whole, words


@pytest.mark.parametrize("value", [None, "1", True, math.nan, math.inf, 11, [], {}])
def test_what_is_no_number_in_bounds(value) -> None:
    with pytest.raises(UsageError, match="`x` is a number from 0 to 10"):
        number({"x": value}, "x", None, low=0, high=10)


@pytest.mark.parametrize("value", [None, "-1", "1.5", "²", 1.5, True, 11, 2**70, "9" * 30])
def test_what_is_no_whole_number_in_bounds(value) -> None:
    with pytest.raises(UsageError, match="`x` is an integer from 0 to 10"):
        whole({"x": value}, "x", None, low=0, high=10)


def test_defaults_and_queries() -> None:
    assert number({}, "x", 3.0, low=0, high=10) == 3.0
    assert whole({"x": "7"}, "x", None, low=0, high=10) == 7
    assert whole({"x": 7.0}, "x", None, low=0, high=10) == 7
    assert words({}, "x", "a") == "a"
    assert flag({}, "x", True)


def test_texts_and_choices() -> None:
    with pytest.raises(UsageError, match="`x` is a string"):
        words({"x": 3}, "x", None)
    with pytest.raises(UsageError, match="`x` is a string"):
        words({"x": "a" * 501}, "x", None)
    with pytest.raises(UsageError, match="Did you mean `wrong`"):
        choice({"x": "wrang"}, "x", "index", ("index", "wrong"))
    with pytest.raises(UsageError, match="`x` is true or false"):
        flag({"x": 1}, "x", False)
