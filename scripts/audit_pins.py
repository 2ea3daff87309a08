"""Whether bounds and pins admit versions with known holes; nothing is asked of a network.

python scripts/audit_pins.py     what is wrong, a line each; exit status 1 if there is something
"""

from __future__ import annotations

import datetime
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "scripts" / "advisories.toml"

OLD = 120
"""Days after which the list has to be looked through again."""


def advisories(text: str) -> list[dict[str, Any]]:
    """The known holes, each with its package's usual name and versions."""
    found = tomllib.loads(text)["advisory"]
    for one in found:
        one["package"] = canonicalize_name(one["package"])
        one["fixed"] = Version(one["fixed"])
        one["since"] = Version(one.get("since", "0"))
    return found


def bounds(pyproject: str) -> dict[str, Version]:
    """Of each package that is named in pyproject.toml the lowest version that is admitted.

    One that is named several times has the highest of its bounds where it is always installed,
    else the lowest.
    """
    project = tomllib.loads(pyproject)["project"]
    lowest: dict[str, Version] = {}
    extras = [r for rs in project.get("optional-dependencies", {}).values() for r in rs]
    for text in [*extras, *project["dependencies"]]:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        from_ = [Version(s.version) for s in wanted.specifier if s.operator in (">=", "==", "~=")]
        version = max(from_, default=Version("0"))
        always = text in project["dependencies"]
        lowest[name] = version if always else min(version, lowest.get(name, version))
    return lowest


def pins(constraints: str) -> dict[str, Version]:
    """Package to version, of a file of constraints."""
    lines = re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", constraints)
    return {canonicalize_name(name): Version(version) for name, version in lines}


def faults(
    known: list[dict[str, Any]], lowest: dict[str, Version], pinned: dict[str, Version]
) -> list[str]:
    """What is wrong, a sentence each."""
    said = []
    for one in known:
        name, fixed = one["package"], one["fixed"]
        hole = f"{name} before {fixed}: {one['id']}, {one['about']}"
        if one["reached"] and lowest.get(name, Version("0")) < fixed:
            said.append(f'{hole}. Write "{name}>={fixed}" in pyproject.toml.')
        if name in pinned and one["since"] <= pinned[name] < fixed:
            said.append(f"{hole}. Pin a later version in constraints.txt.")
    return said


def age(text: str, today: datetime.date) -> int:
    """Days since the list was looked through."""
    day = tomllib.loads(text)["looked_through"]
    return (today - day).days


def main() -> int:
    """Say what is wrong."""
    text = LIST.read_text("utf-8")
    known = advisories(text)
    said = faults(
        known,
        bounds((ROOT / "pyproject.toml").read_text("utf-8")),
        pins((ROOT / "constraints.txt").read_text("utf-8")),
    )
    days = age(text, datetime.date.today())
    if days > OLD:
        said.append(f"The list is {days} days old. Look through it: {LIST.name} says how.")
    for line in said:
        print(line)
    print(f"{len(known)} known holes, {days} days ago; {len(said)} to be mended.", file=sys.stderr)
    return bool(said)


if __name__ == "__main__":
    sys.exit(main())
