"""Splits go by many names, and other words are classes."""

from __future__ import annotations

import pytest

from neocog.data.split_names import role_of


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "name",
    ["trains", "steam_train", "testament", "test tube", "devil", "valley", "values", "contest"],
)
def test_other_words_are_no_splits(name):
    assert role_of(name) == ""
