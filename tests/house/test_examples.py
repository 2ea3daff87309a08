"""The scripts in examples/ and the Python blocks of pages that are not sessions run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = [
    page
    for page in (*sorted((ROOT / "docs/how-to").glob("*.md")), ROOT / "docs/reference/networks.md")
    if "```python\n" in page.read_text(encoding="utf-8").replace("```python\n>>>", "")
]  # others have commands alone, or sessions, which `test_docs` runs


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda f: f.stem)
def test_examples_run(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    accuracies = [float(a) for a in re.findall(r": ([\d.]+)%", done.stdout)]
    # Four epochs on 3,500 digits; a network that learned nothing would have 10 %.
    assert accuracies
    assert min(accuracies) > 85


@pytest.mark.parametrize("page", PAGES, ids=lambda f: f.stem)
def test_python_blocks_of_a_page_run(page: Path) -> None:
    import torch

    from neocog.networks.catalog import build

    blocks = re.findall(r"```python\n(?!>>>)(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    small = build("lenet5_modern", num_classes=10, in_channels=1, size=(28, 28))
    names: dict[str, object] = {"your_network": small}
    for block in blocks:
        # One pass instead of several: what a reader copies is run, but not for minutes.
        quick = re.sub(
            r"range\(3\)|steps=10 \* ",
            lambda m: {"range(3)": "range(1)"}.get(m[0], "steps="),
            block,
        )
        if page.stem == "your-own-loop":
            quick = quick.replace("resnet20", "lenet5_modern")
        exec(compile(quick, str(page), "exec"), names)
    if page.stem == "your-own-loop":
        assert isinstance(names["loss"], torch.Tensor)
