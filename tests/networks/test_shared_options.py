"""Options that several architectures share."""

import pytest

from neocog.errors import UsageError
from neocog.networks.shared_options import check_reflection, head_grid, is_small


def test_the_small_stem_is_for_sides_below_96_pixels_unless_it_is_named() -> None:
    assert [is_small("auto", (s, 300)) for s in (95, 96)] == [True, False]
    assert is_small("small", (224, 224))
    assert not is_small("published", (32, 32))


@pytest.mark.parametrize(
    ("head", "grid"),
    [("auto", (3, 6)), ("fitted", (3, 6)), ("published", (6, 6)), ("mean", (1, 1))],
)
def test_linear_layers_see_a_grid_by_the_head(head: str, grid: tuple[int, int]) -> None:
    assert head_grid(head, (3, 9), 6) == grid


def test_reflection_is_refused_where_one_sample_is_left() -> None:
    check_reflection("reflect", (33, 64), 5)  # ends at 2×2
    check_reflection("zeros", (32, 32), 5)
    with pytest.raises(UsageError, match=r"images of 32×64 end at 1×2\. Use stem=small"):
        check_reflection("reflect", (32, 64), 5)
