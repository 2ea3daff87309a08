"""Fixtures for every test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from tests.shapes import check_shapes

check_shapes()  # before anything of neocog is imported

# The background job of a shell ignores Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from tests.command import call as call  # noqa: E402


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data sets beside the checkout, or skip."""
    place = Path(__file__).resolve().parents[2] / "shared"
    if not place.is_dir():
        pytest.skip("needs the folder of real data sets, ../shared, beside the checkout")
    return place


@pytest.fixture(autouse=True)
def _private_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _same_randomness() -> None:
    """Tests that draw from the global generator draw the same each time."""
    torch.manual_seed(0)
