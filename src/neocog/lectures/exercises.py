"""Exercises for a class: functions that a student writes, and checks that say what is wrong.

A check runs the function on inputs from a fixed seed, so that all students see the same, and
compares with PyTorch or with a number that was worked out by hand.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neocog.errors import UsageError, did_you_mean, printable
from neocog.fields import short_repr
from neocog.targets import target_file, write_bytes

__all__ = ["EXERCISES", "Checked", "Exercise", "checked_file", "write_exercises"]

ATOL = 1e-5
"""Absolute difference that single precision may make on numbers of the size of 1 to 100."""

Case = tuple[tuple[Any, ...], Any]
"""Arguments of a call, and what it must return."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One function to write.

    Args:
        chapter: of the lectures.
        signature: of the function, as Python writes it.
        task: what it returns.
        cases: the calls that are checked; made each time, with the same numbers.
    """

    chapter: str
    signature: str
    task: str
    cases: Callable[[], list[Case]]

    @property
    def name(self) -> str:
        """Of the function.

        Example:
            >>> EXERCISES[0].name
            'correlate'
        """
        return self.signature.partition("(")[0]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """An exercise with its outcome.

    Args:
        exercise: which.
        passed: whether every call returned what it must; None where nothing was written yet.
        message: what went wrong; empty where nothing did.
    """

    exercise: Exercise
    passed: bool | None
    message: str = ""


def write_exercises(path: str | os.PathLike[str]) -> Path:
    """Write a Python file with all functions to be filled in; an existing file is kept.

    Args:
        path: of the file.

    Raises:
        UsageError: there is such a file already.
        RunError: it cannot be written.
    """
    target = target_file(path, option="exercises")
    if target.exists():
        raise UsageError(
            f"Exercises are written to a new file; `{printable(target)}` exists. "
            "Name another, or check it: neocog lectures check FILE."
        )
    head = "Exercises on convolutional networks: fill in, then run `neocog lectures check` on it."
    parts = [f'"""{head}"""\n\nimport torch\n']
    for e in EXERCISES:
        parts.append(f'def {e.signature}:\n    """{e.chapter}: {e.task}"""\n    ...\n')
    write_bytes(target, "\n\n".join(parts).encode())
    return target


def checked_file(path: str | os.PathLike[str]) -> list[Checked]:
    """Run a student's file, and check each function in it.

    The file is executed as Python would. Functions that are missing or only hold `...` count as not
    written yet.

    Args:
        path: of a Python file.

    Raises:
        UsageError: there is no such file, it cannot be imported, or it has none of the functions.
    """
    module = _imported(Path(os.fspath(path)))
    known = [e.name for e in EXERCISES]
    if not any(callable(getattr(module, name, None)) for name in known):
        own = [n for n, f in vars(module).items() if inspect.isfunction(f)]
        near = did_you_mean(own[0], known) if own else f"The first is `{known[0]}`."
        raise UsageError(
            f"A file of exercises has functions such as `{known[0]}`; "
            f"`{printable(path)}` has none of them. {near}"
        )
    return [_checked(e, getattr(module, e.name, None)) for e in EXERCISES]


def _imported(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(
            f"`check` takes a Python file; there is no `{printable(path)}`. "
            "Write one with: neocog lectures --exercises FILE."
        )
    name = "neocog_exercises_of_a_class"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"`check` takes a Python file, *.py; got `{printable(path)}`.")
    module = importlib.util.module_from_spec(spec)
    before, searched = sys.dont_write_bytecode, list(sys.path)
    sys.dont_write_bytecode = True
    sys.modules[name] = module  # dataclasses look there
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as e:  # a file that ends the process has passed nothing
        raise UsageError(
            f"`{printable(path)}` must run without an error, and does not: "
            f"{type(e).__name__}: {printable(str(e))}. Correct it and check again."
        ) from e
    finally:
        sys.dont_write_bytecode = before
        sys.path[:] = searched
    return module


def _checked(exercise: Exercise, function: Any) -> Checked:
    if not callable(function):
        return Checked(exercise=exercise, passed=None)
    written = not _is_empty(function)
    for arguments, expected in exercise.cases():
        called = f"{exercise.name}({', '.join(_short(a) for a in arguments)})"
        try:
            with contextlib.redirect_stdout(sys.stderr):
                result = function(*arguments)
        except (Exception, SystemExit) as e:  # whatever a student's function raises is the message
            message = f"{called} raised {type(e).__name__}: {e}"
            return Checked(exercise=exercise, passed=False, message=message)
        if result is None and not written:
            return Checked(exercise=exercise, passed=None)
        if wrong := _difference(result, expected):
            return Checked(exercise=exercise, passed=False, message=f"{called} {wrong}")
    return Checked(exercise=exercise, passed=True)


def _is_empty(function: Any) -> bool:
    """Whether a function does nothing, as in the file that is handed out."""

    def bare() -> None: ...

    def described() -> None:
        """With a docstring."""

    code = getattr(function, "__code__", None)
    return code is not None and code.co_code in (bare.__code__.co_code, described.__code__.co_code)


def _difference(result: Any, expected: Any) -> str:
    """What is wrong with a result; empty where it is right."""
    want = torch.as_tensor(expected, dtype=torch.float64)
    try:
        have = torch.as_tensor(result, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return f"must be {_short(expected)}, got {_short(result)}"
    if have.shape != want.shape:
        return f"must have the shape {tuple(want.shape)}, got {tuple(have.shape)}"
    if not torch.allclose(have, want, atol=ATOL, rtol=1e-4):
        return f"must be {_short(expected)}, got {_short(result)}"
    return ""


def _short(value: Any) -> str:
    if isinstance(value, nn.Module):
        return type(value).__name__
    if isinstance(value, Tensor):
        if value.numel() > 9:
            return f"<tensor {'×'.join(map(str, value.shape))}>"
        value = [round(v, 4) for v in value.flatten().tolist()] if value.ndim else value.item()
    return short_repr(value)


# ---- the exercises


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _correlate() -> list[Case]:
    by_hand = (torch.arange(9.0).view(3, 3), torch.arange(4.0).view(2, 2))
    image, kernel = _random(7, 9), _random(3, 2, seed=1)
    return [
        (by_hand, [[19, 25], [37, 43]]),
        ((image, kernel), F.conv2d(image[None, None], kernel[None, None])[0, 0]),
    ]


def _output_size() -> list[Case]:
    return [((10, 3, 0, 1), 8), ((7, 3, 1, 2), 4), ((7, 3, 0, 2), 3), ((8, 3, 0, 2), 3)]


def _receptive_field() -> list[Case]:
    return [(([3, 3, 3], [1, 1, 1]), 7), (([3, 2, 3], [1, 2, 1]), 8), (([7, 3, 3], [2, 2, 1]), 19)]


def _max_pool() -> list[Case]:
    deck = torch.tensor([[6.0, 1, 2, 4], [1, 6, 7, 8], [3, 5, 2, 0], [1, 2, 3, 4]])
    x = _random(6, 9) - 1  # below zero: a pool that begins with 0 is wrong
    return [((deck, 2), [[6, 8], [5, 4]]), ((x, 3), F.max_pool2d(x[None, None], 3)[0, 0])]


def _batch_norm() -> list[Case]:
    x = 3 + 2 * _random(8, 3, 4, 4)
    return [((x,), F.batch_norm(x, None, None, training=True, eps=1e-5))]


def _parameters() -> list[Case]:
    return [((3, 1, 3), 28), ((1, 6, 5), 156), ((16, 120, 5), 48_120)]


class _Corner(nn.Module):
    """Class 1 where the first pixel is the brightest, else 0: flips are counted by hand."""

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (B, 2)."""
        corner, rest = x[:, 0, 0, 0], x.flatten(1).amax(1)
        return torch.stack([torch.full_like(corner, 0.5), (corner >= rest).float()], 1)


def _flip_rate() -> list[Case]:
    x = torch.zeros(4, 1, 3, 3)
    x[0, 0, 0, 0] = x[1, 0, 2, 2] = x[2, 0, 1, 1] = x[3, 0, 2, 0] = 1.0
    # One step down and right: image 0 leaves the corner, images 1 and 2 come in; up and left,
    # none would come in.
    x[2] = x[1]
    return [((_Corner(), x, 1), 0.75), ((_Corner(), x, 3), 0.0), ((_Corner(), x, 2), 0.25)]


def _shuffled() -> list[Case]:
    x, order = _random(2, 1, 2, 3), torch.tensor([5, 3, 1, 0, 2, 4])
    return [((x, order), x.flatten(1)[:, order].view(2, 1, 2, 3))]


def _grad_cam() -> list[Case]:
    maps = torch.tensor([[[1.0, 0], [0, 2]], [[0, 3.0], [1, 0]]])
    gradients = torch.tensor([[[1.0, 1], [1, 1]], [[-1.0, -1], [-1, -1]]])
    more, slopes = _random(5, 4, 4), _random(5, 4, 4, seed=1) - 0.5
    return [
        ((maps, gradients), [[1, 0], [0, 2]]),
        ((more, slopes), (slopes.mean((1, 2))[:, None, None] * more).sum(0).relu()),
    ]


def _shell() -> list[Case]:
    return [((2,), 1 - 2 ** (-1 / 2)), ((3,), 1 - 2 ** (-1 / 3)), ((350,), 1 - 2 ** (-1 / 350))]


EXERCISES = (
    Exercise(chapter="A", signature="correlate(image, kernel)", cases=_correlate,
        task="The cross-correlation of two matrices, without padding."),
    Exercise(chapter="B", signature="output_size(w, k, p, s)", cases=_output_size,
        task="Output samples of w samples, kernel size k, padding p on each side, stride s."),
    Exercise(chapter="B", signature="receptive_field(kernel_sizes, strides)",
        cases=_receptive_field,
        task="Pixels that one output of a stack of layers sees along an axis."),
    Exercise(chapter="C", signature="max_pool(x, size)", cases=_max_pool,
        task="The largest value of each size × size window of a matrix; stride = size."),
    Exercise(chapter="C", signature="batch_norm(x)", cases=_batch_norm,
        task="A batch (B, C, H, W) with mean 0 and variance 1 in each channel; eps = 1e-5."),
    Exercise(chapter="D", signature="parameters(in_channels, out_channels, kernel_size)",
        cases=_parameters, task="Weights and biases of a convolution with square kernels."),
    Exercise(chapter="E", signature="flip_rate(model, x, shift)", cases=_flip_rate,
        task="The fraction of images (B, C, H, W) whose predicted class changes when they are\n"
        "    shifted in a circle by `shift` pixels down and right."),
    Exercise(chapter="F", signature="shuffled(x, order)", cases=_shuffled,
        task="Images (B, 1, H, W) with pixels in another order: pixel i of the result is pixel\n"
        "    order[i] of the image, row by row."),
    Exercise(chapter="G", signature="grad_cam(maps, gradients)", cases=_grad_cam,
        task="The Grad-CAM map (H, W) of feature maps (C, H, W) and the gradients of the class\n"
        "    score with respect to them: maps weighted by their mean gradient, summed, ReLU."),
    Exercise(chapter="H", signature="shell(n)", cases=_shell,
        task="The fraction of the radius of an n-ball, from its surface, that holds half of its\n"
        "    volume."),
)  # fmt: skip
"""In the order of the chapters."""
