"""What is to be measured, checked."""

from __future__ import annotations

import pytest

from neocog.audits.config import AuditConfig
from neocog.errors import UsageError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shift": ("sideways",)}, "`sideways` is not a kind of shift"),
        ({"maps": ("crops",)}, "Did you mean `crop`"),
        ({"shift": ("crop",), "maps": ("zeros",)}, "`zeros` is none of crop. Name it in `shift`"),
        ({"n": 0}, "got n=0"),
        ({"budget": 0.0}, "number of seconds above 0, got 0"),
        ({"budget": float("inf")}, "number of seconds above 0, got inf"),
    ],
)
def test_wrong_choices_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        AuditConfig(**given)  # type: ignore[arg-type]
