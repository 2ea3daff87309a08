"""`--series C,N`, the earlier name of `--size C,N`."""

import click
import pytest

from neocog.cli.series import sized


def test_the_size_of_a_series_goes_where_size_goes() -> None:
    opening = {"mean": (0.5,)}
    assert sized(opening, None) is opening
    assert sized(opening, (1, 64)) == {"mean": (0.5,), "size": (1, 64)}
    with pytest.raises(click.UsageError, match="mean the same"):
        sized({"size": (1, 64)}, (1, 64))


@pytest.mark.parametrize("value", ["1", "0,64", "1,64,3", "a,b", "1,-4"])
def test_what_is_no_size_of_a_series_is_one_sentence(call, value: str) -> None:
    said = call("audit", "x:y", "d", "--series", value)
    assert said.status == 2
    assert "the size of a series is C,N" in " ".join(said.err.split())
