"""How data is to be opened."""

from __future__ import annotations

import pytest

from neocog.data.open import open_data
from neocog.errors import UsageError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 3)}, r"`size` is \(height, width\) in pixels"),
        ({"channels": 4}, r"`channels` is 1 .* got 4"),
        ({"resize_mode": "strech"}, "Did you mean `stretch`"),
        ({"seed": -1}, "`seed` is an integer from zero; got -1"),
    ],
)
def test_wishes_that_cannot_be_met(options, message):
    with pytest.raises(UsageError, match=message):
        open_data("digits", **options)
