"""Results as JSON: values by their kind, keys by their names."""

import importlib
import inspect
import json
import pkgutil
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import neocog
from neocog.jsonable import Jsonable, jsonable, keys


class Color(Enum):
    RED = "red"


@dataclass(frozen=True)
class Plain:
    x: float
    where: Path


@dataclass(frozen=True)
class Result(Jsonable):
    JSON = keys("n", "x=inner.x", "none=missing.x", "*extras", "other?", "told=verdict")

    n: int
    inner: Plain
    missing: Plain | None = None
    other: float | None = None

    @property
    def extras(self) -> dict[str, np.ndarray]:
        return {"rows": np.array([1.0, np.inf])}

    def verdict(self) -> str:
        return "good"


@dataclass(frozen=True)
class Whole(Jsonable):
    JSON = keys("kind", "...", "b=a")

    a: int
    b: np.ndarray
    kind = "whole"


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (float("nan"), None),
        (np.float32(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (torch.tensor([0.5, float("-inf")]), [0.5, None]),
        (torch.tensor(3), 3),
        (Fraction(4, 2), 2),
        (Fraction(1, 4), 0.25),
        (True, True),
        (Color.RED, "red"),
        (Path("a/b"), "a/b"),
        ({"a": (1, None)}, {"a": [1, None]}),
        ({3}, [3]),
        (Plain(1.5, Path("a")), {"x": 1.5, "where": "a"}),
        ([Result(1, Plain(2.0, Path("a")))], [Result(1, Plain(2.0, Path("a"))).to_json()]),
    ],
)
def test_a_value_becomes_plain(value, want):
    assert jsonable(value) == want
    assert type(jsonable(value)) is type(want)


def test_keys_rename_reach_in_merge_and_leave_out():
    got = Result(1, Plain(2.0, Path("a"))).to_json()
    assert got == {"n": 1, "x": 2.0, "none": None, "rows": [1.0, None], "told": "good"}
    assert Result(1, Plain(2.0, Path("a")), other=0.0).to_json()["other"] == 0.0


def test_all_fields_with_one_of_another_value():
    assert Whole(1, np.zeros(2)).to_json() == {"kind": "whole", "a": 1, "b": 1}


def _results() -> list[type]:
    out = []
    for module in pkgutil.walk_packages(neocog.__path__, "neocog."):
        if not module.name.startswith("neocog.cli"):
            members = vars(importlib.import_module(module.name)).values()
            out += [c for c in members if inspect.isclass(c) and issubclass(c, Jsonable)]
    return sorted({c for c in out if is_dataclass(c)}, key=lambda c: c.__name__)


def test_every_key_of_every_result_leads_to_an_attribute():
    results = _results()
    assert len(results) > 30
    for result in results:
        known = {f.name for f in fields(result)} | set(dir(result)) | {"..."}
        for key, path in result.JSON.items():
            assert key == "..." or path.split(".")[0] in known, (result.__name__, key)


def test_nothing_but_this_module_writes_its_own():
    own = [
        p.name
        for p in Path(neocog.__file__).parent.rglob("*.py")
        if "def to_json" in p.read_text(encoding="utf-8")
    ]
    assert sorted(own) == ["jsonable.py", "table.py"]  # a protocol in the second
    json.dumps(Result(1, Plain(2.0, Path("a"))).to_json(), allow_nan=False)


class Own:
    def to_json(self) -> dict[str, int]:
        return {"own": 1}


@dataclass
class Holder:
    of: Own
    f: object


def test_a_to_json_of_its_own_is_taken_and_no_value_is_called() -> None:
    module = torch.nn.Linear(1, 1)
    assert jsonable(Holder(Own(), 2)) == {"of": {"own": 1}, "f": 2}
    assert jsonable(Holder(Own(), module))["f"] is module
