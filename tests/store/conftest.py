"""One exported program for all tests of this folder."""

from pathlib import Path

import pytest
import torch
from tests.store.made import network

from neocog.store.exported import save_exported


@pytest.fixture(scope="session")
def program_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network as a .pt2 file."""
    file = tmp_path_factory.mktemp("program") / "small.pt2"
    save_exported(network(), file, torch.rand(3, 1, 8, 8), texts={"note.txt": "hello"})
    return file
