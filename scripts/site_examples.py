"""A griffe extension: `Example:` of our docstrings is the section that griffe calls `Examples:`."""

from __future__ import annotations

import re
from typing import Any

import griffe

SECTION = re.compile(r"^([ \t]*)Example:[ \t]*$", re.MULTILINE)


class Examples(griffe.Extension):
    """Renames the section before it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """A module, class or function was loaded."""
        if obj.docstring is not None:
            obj.docstring.value = SECTION.sub(r"\1Examples:", obj.docstring.value)
