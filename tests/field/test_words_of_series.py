"""What is said of a series never speaks of pixels, images or black borders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
from torch import nn

from neocog.audits.compare import compare
from neocog.audits.config import AuditConfig
from neocog.audits.shift import shift_consistency
from neocog.data.samples import Samples
from neocog.errors import UsageError
from neocog.models.exact import ExactModel
from neocog.verbs.audit import audit

OF_IMAGES = re.compile(r"pixel|image|image|black|photo|camera|quarter|degree|mirror|turned", re.I)


def _net(axes: int, width: int = 8) -> nn.Module:
    conv, pool, mean = (
        (nn.Conv1d, nn.MaxPool1d, nn.AdaptiveAvgPool1d)
        if axes == 1
        else (nn.Conv2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d)
    )
    return nn.Sequential(
        conv(1, width, 5, padding=2), nn.ReLU(), pool(2), conv(width, 8, 3, stride=2, padding=1),
        nn.ReLU(), mean(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


def _texts(value: Any) -> Iterator[str]:
    """All that a person would read."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for f in fields(value):
            yield from _texts(getattr(value, f.name))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _audited(axes: int) -> Any:
    torch.manual_seed(0)
    shape = (24, 1, *((48,) if axes == 1 else (24, 24)))
    data = torch.rand(shape), torch.arange(24) % 3
    asked = AuditConfig(full=True, map_samples=8, max_shift=2 if axes == 2 else None)
    return audit(_net(axes), data, asked, baseline=_net(axes, 6))


def test_an_audit_and_a_comparison_of_series():
    found = _audited(1)
    texts = [t for part in (found.brief(), found.sections()) for t in _texts(part)]
    assert len(texts) > 100
    assert [t for t in texts if OF_IMAGES.search(t)] == []
    said = " ".join(texts)
    assert "shifts that bring in zeros, up to 6 steps" in said
    assert "two windows of one longer series" in said
    assert "In input steps." in said


def test_an_audit_of_images_still_speaks_of_them():
    said = " ".join(t for part in _audited(2).sections() for t in _texts(part))
    assert "shifts that bring in black, up to 2 pixels" in said
    assert "steps" not in said


def test_errors_of_series():
    model, x = ExactModel(_net(1)), Samples.of(torch.rand(6, 1, 32))
    with pytest.raises(UsageError, match="a number of steps from 1"):
        shift_consistency(model, x, max_shift=40)
    one, two = (shift_consistency(model, x, max_shift=r) for r in (2, 3))
    with pytest.raises(UsageError, match=r"up to 2 steps and .* up to 3 steps"):
        compare(one, two)
