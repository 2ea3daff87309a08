"""A real browser before a real server: Chromium, two short trainings, the explorer on them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.browser.helpers import until

from neocog.cli.main import main

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
SHORT = ["--seed", "3",
         "--set", "machine.precision=float32",
         "--set", "machine.memory_format=channels_last"]  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program of the system; without it a skip, under CI a failure."""
    found = next((p for n in NAMES if (p := shutil.which(n))), None)
    if found is None:
        reason = "needs Chromium: scripts/browser.sh installs it where it may"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser a module: its event loop is not left to other tests of this process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@dataclass
class Explorer:
    """A running explorer."""

    address: str
    process: subprocess.Popen[bytes]
    runs: list[Path]

    def get(self, path: str) -> Any:
        """An answer as JSON."""
        with urllib.request.urlopen(self.address + path, timeout=20) as answer:
            return json.load(answer)


@dataclass
class Watched:
    """What a page did that it must not do."""

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def train(folder: Path, *words: str) -> Path:
    """A run folder after one epoch on digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(folder.parent / "cache"))
        with pytest.raises(SystemExit) as left:
            main(["train", "digits", "--out", str(folder), *words, *SHORT])
    assert not left.value.code
    return folder


def explorer(*words: str | Path, runs: list[Path]) -> Explorer:
    """Start `neocog explore` and wait until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from neocog.cli.main import main; main()", "explore"]
    process = subprocess.Popen(
        [*command, *map(str, words), "--port", str(port), "--no-browser"],
        cwd=ROOT,
        env={**os.environ, "NEOCOG_CACHE": str(runs[0].parent / "cache"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made = Explorer(f"http://127.0.0.1:{port}", process, runs)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            made.get("/api/about")
        except OSError:
            time.sleep(0.05)
        else:
            return made
    process.kill()
    process.wait()
    raise AssertionError(f"neocog explore did not start: exit status {process.returncode}")


def stop(made: Explorer) -> None:
    """End it as Ctrl-C would, or by force."""
    made.process.terminate()
    try:
        made.process.wait(10)
    except subprocess.TimeoutExpired:
        made.process.kill()
        made.process.wait()


@pytest.fixture(scope="session")
def lenet(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LeNet-5 in its modern form: convolutions with bias, pooling, dense layers."""
    return train(
        tmp_path_factory.mktemp("lenet") / "lenet", "--model", "lenet5_modern", "--epochs", "3"
    )


@pytest.fixture(scope="session")
def residual(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow ResNet-20: batch norm, residual sums, groups."""
    words = ["--model", "resnet20", "--set", "model.width=4", "--epochs", "1"]
    return train(tmp_path_factory.mktemp("residual") / "residual", *words)


@pytest.fixture(scope="session")
def one(lenet: Path) -> Iterator[Explorer]:
    """The explorer on one model."""
    made = explorer(lenet, "digits", runs=[lenet])
    yield made
    stop(made)


@pytest.fixture(scope="session")
def two(lenet: Path, residual: Path) -> Iterator[Explorer]:
    """The explorer on two models of one data set, the residual network first."""
    made = explorer(residual, "digits", "--baseline", lenet, runs=[residual, lenet])
    yield made
    stop(made)


Open = Callable[..., "Page"]


@pytest.fixture
def watched() -> Watched:
    """Filled by `visit`."""
    return Watched()


@pytest.fixture
def visit(browser: Browser, watched: Watched) -> Iterator[Open]:
    """Open a page of an explorer; afterwards there was no error and no request elsewhere."""
    contexts = []

    def visit(made: Explorer, *, quiet: bool = True, **options: Any) -> Page:
        chosen = {"viewport": {"width": 1360, "height": 900}, **options}
        context = browser.new_context(accept_downloads=True, **chosen)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda e: watched.errors.append(f"{e}"))
        page.on(
            "console", lambda m: m.type in ("error", "warning") and watched.errors.append(m.text)
        )
        page.on(
            "request",
            lambda r: (
                None
                if r.url.startswith((made.address, "data:", "blob:"))
                else watched.elsewhere.append(r.url)
            ),
        )
        page.goto(made.address)
        if quiet:
            until(page, "() => document.querySelectorAll('.bars li, .bars .plain').length > 0")
            page.wait_for_selector(".card")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert watched.errors == []
    assert watched.elsewhere == []
