"""Rows on disk: what goes in comes out, in any order of kinds, and memory does not grow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.data import spool
from neocog.data.spool import Spool

KINDS = {
    "bytes": lambda rng: rng.integers(0, 256, (2, 3), np.uint8),
    "deep": lambda rng: rng.integers(0, 65536, (2, 3), np.uint16),
    "floats": lambda rng: rng.random((2, 3), np.float32),
    "bytes as floats": lambda rng: (
        rng.integers(0, 256, (2, 3)).astype(np.float32) / np.float32(255)
    ),
}


def _white(x: np.ndarray) -> np.ndarray:
    return x if x.dtype == np.float32 else x.astype(np.float32) / np.iinfo(x.dtype).max


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=12), st.booleans())
def test_rows_of_any_kinds_come_back(kinds: list[str], on_disk: bool) -> None:
    rng = np.random.default_rng(0)
    rows = [KINDS[k](rng) for k in kinds]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "_IN_MEMORY", 8 if on_disk else 1 << 20)
        held = Spool()
        for row in rows:
            held.add(row)
        x = held.finish((2, 3))
    assert len(held) == len(x) == len(rows)
    assert x.flags.writeable
    for row, got in zip(rows, x, strict=True):
        # 16 bits hold a float to a part in 131,070; floats hold 16 bits to a part in 2²⁴
        np.testing.assert_allclose(_white(got), _white(row), atol=1e-7)


def test_floats_that_are_bytes_take_a_quarter_of_the_room_and_come_back_to_the_bit() -> None:
    held, bytes_ = Spool(), np.arange(256, dtype=np.uint8).reshape(16, 16)
    floats = bytes_.astype(np.float32) / np.float32(255)
    held.add(floats)
    x = held.finish((16, 16))
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(x[0].astype(np.float32) / np.float32(255), floats)


def test_a_wider_row_behind_a_file_widens_what_is_in_it(monkeypatch) -> None:
    monkeypatch.setattr(spool, "_IN_MEMORY", 1)
    held = Spool()
    held.add(np.full((4,), 255, np.uint8))
    held.add(np.full((4,), 0.3, np.float32))
    held.add(np.full((4,), 128, np.uint8))
    np.testing.assert_allclose(held.finish((4,))[:, 0], [1, 0.3, 128 / 255], rtol=1e-6)
