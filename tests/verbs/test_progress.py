from __future__ import annotations

import pytest

from neocog.audits.clock import Progress
from neocog.verbs import progress as module
from neocog.verbs.progress import FIRST, OFTEN, progress_line


def test_in_a_pipe_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    with progress_line("audit") as on_progress:
        for second in range(31):
            now = float(second)
            on_progress(Progress("crop shifts", second / 30, 30.0 - second))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "audit: crop shifts, 17 % done, about 25 s left"
    assert len(lines) == 1 + (30 - FIRST) // OFTEN


def test_what_is_done_in_a_moment_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_line("audit") as on_progress:
        for _ in range(100):
            on_progress("layers \x1b[31m")
    assert capsys.readouterr().err == ""


def test_a_function_is_called_instead_and_nothing_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST", 0.0)
    said: list[object] = []
    with progress_line("audit", said.append) as on_progress:
        on_progress("layers")
    with progress_line("audit", False) as on_progress:
        on_progress("layers")
    assert (said, capsys.readouterr().err) == (["layers"], "")
    with progress_line("audit") as on_progress:
        on_progress("layers")
    assert capsys.readouterr().err == "audit: layers\n"
