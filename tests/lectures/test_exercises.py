"""Exercises of a class: right answers pass, usual mistakes are shown with the call."""

import re
from pathlib import Path

import pytest

from neocog.errors import UsageError
from neocog.lectures.exercises import EXERCISES, checked_file, write_exercises

SOLUTIONS = """
import torch
import torch.nn.functional as F

def correlate(image, kernel):
    h, w = kernel.shape
    rows, columns = image.shape[0] - h + 1, image.shape[1] - w + 1
    return [[(image[r:r + h, c:c + w] * kernel).sum() for c in range(columns)] for r in range(rows)]

def output_size(w, k, p, s):
    return (w - k + 2 * p) // s + 1

def receptive_field(kernel_sizes, strides):
    field, jump = 1, 1
    for k, s in zip(kernel_sizes, strides):
        field, jump = field + (k - 1) * jump, jump * s
    return field

def max_pool(x, size):
    return x.unfold(0, size, size).unfold(1, size, size).amax((2, 3))

def batch_norm(x):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
    return (x - mean) / (var + 1e-5).sqrt()

def parameters(in_channels, out_channels, kernel_size):
    return out_channels * (in_channels * kernel_size ** 2 + 1)

def flip_rate(model, x, shift):
    moved = x.roll((shift, shift), (2, 3))
    return (model(x).argmax(1) != model(moved).argmax(1)).float().mean()

def shuffled(x, order):
    return x.flatten(1)[:, order].view_as(x)

def grad_cam(maps, gradients):
    return (gradients.mean((1, 2))[:, None, None] * maps).sum(0).clamp(min=0)

def shell(n):
    return 1 - 2 ** (-1 / n)
"""

MISTAKES = {
    "correlate": "return torch.conv2d(image[None, None], kernel.T.flip(0)[None, None])[0, 0]",
    "output_size": "return -(-(w - k + 2 * p) // s) + 1",
    "receptive_field": "return 1 + sum(k - 1 for k in kernel_sizes)",
    "max_pool": "return x.unfold(0, size, size).unfold(1, size, size).mean((2, 3))",
    "batch_norm": "return (x - x.mean()) / x.std()",
    "parameters": "return out_channels * in_channels * kernel_size ** 2",
    "flip_rate": "return (model(x) != model(x.roll(shift, 3))).float().mean()",
    "shuffled": "return x[:, :, torch.argsort(order)[: x.shape[2]] % x.shape[2]]",
    "grad_cam": "return (gradients * maps).sum(0)",
    "shell": "return 0.7 / n",
}  # fmt: skip


def file(root: Path, text: str) -> Path:
    path = root / "mine.py"
    path.write_text(text)
    return path


def test_a_shift_up_and_left_is_wrong(tmp_path: Path) -> None:
    other = SOLUTIONS.replace("x.roll((shift, shift)", "x.roll((-shift, -shift)")
    wrong = [c.exercise.name for c in checked_file(file(tmp_path, other)) if not c.passed]
    assert wrong == ["flip_rate"]


def test_a_file_is_run_as_python_runs_it(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "helper.py").write_text("def volume(n):\n    return 2 ** (-1 / n)\n")
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "import helper\nprint('hello')\n@dataclass\nclass A:\n    x: int\n"
        "def shell(n):\n    print(n)\n    return 1 - helper.volume(n)\n"
    )
    found = checked_file(file(tmp_path, text))
    assert found[-1].passed
    assert capsys.readouterr().out == ""


def test_solutions_pass(tmp_path: Path) -> None:
    found = checked_file(file(tmp_path, SOLUTIONS))
    assert [(c.exercise.name, c.passed, c.message) for c in found] == [
        (e.name, True, "") for e in EXERCISES
    ]
    assert not list(tmp_path.glob("__pycache__"))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_usual_mistake_is_shown_with_its_call(tmp_path: Path, name: str) -> None:
    signature = next(e.signature for e in EXERCISES if e.name == name)
    text = f"import torch\ndef {signature}:\n    {MISTAKES[name]}\n"
    found = {c.exercise.name: c for c in checked_file(file(tmp_path, text))}
    assert found[name].passed is False
    assert found[name].message.startswith(f"{name}(")
    assert "must " in found[name].message
    assert all(c.passed is None for other, c in found.items() if other != name)


def test_every_exercise_has_a_mistake_and_every_chapter_an_exercise() -> None:
    assert {e.name for e in EXERCISES} == set(MISTAKES)
    assert {e.chapter for e in EXERCISES} == set("ABCDEFGH")


def test_what_was_written_is_not_written_yet(tmp_path: Path) -> None:
    path = write_exercises(tmp_path / "e.py")
    assert all(c.passed is None for c in checked_file(path))
    with pytest.raises(UsageError, match=r"e\.py` exists"):
        write_exercises(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def corelate(a, b): ...", "has none of them. Did you mean `correlate`"),
        ("import nothing_of_that_name", "must run without an error, and does not: ModuleNotFound"),
        ("x = 1", "The first is `correlate`"),
        ("raise SystemExit(0)", "must run without an error, and does not: SystemExit"),
    ],
)
def test_a_file_that_cannot_be_checked_is_explained(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checked_file(file(tmp_path, text))
    with pytest.raises(UsageError, match="there is no"):
        checked_file(tmp_path / "missing.py")


@pytest.mark.parametrize(
    ("body", "words"),
    [("x = n", "must be 0.29.*, got nothing"), ("return 1 / 0", "raised ZeroDivisionError"),
     ("raise SystemExit(0)", "SystemExit"),
     ("return 'half'", "got 'half'"),
     ("return [1, 2]", r"must have the shape \(\), got \(2,\)")],
)  # fmt: skip
def test_what_a_function_does_wrong_is_the_message(tmp_path: Path, body: str, words: str) -> None:
    found = checked_file(file(tmp_path, f"def shell(n):\n    {body}\n"))[-1]
    assert found.passed is False

    assert re.search(words, found.message), found.message
