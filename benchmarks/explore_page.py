"""How soon does the explorer show an image, and how fast does it follow a hand?

An external ResNet-20 on CIFAR-10, in Chromium without a window, on the processor alone: the
browser and the model share its cores. The first image is counted from the start of the
navigation, with a browser that was never there before (nothing is cached); the maps are counted
to the frame that has them. Then the image is moved as often as the page can show it, for some
seconds, with eight cards of maps in view: an update is a whole drawn step, prediction, maps
and the error of every layer included.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import DATA, ROOT, THREADS, Results, Row, neocog, spread, usual_options

SECONDS = 5
CIFAR = ["--size", "3,32,32", "--mean", ".485,.456,.406", "--std", ".229,.224,.225"]
MODEL = ["tests.strangers.resnet20:make", *CIFAR]
MARKED = """async () => {
  for (;;) {
    const found = performance.getEntriesByName('first-image');
    if (found.length) return found[0].startTime;
    await new Promise((done) => setTimeout(done, 5));
  }
}"""
FOLLOW = """async (seconds) => {
  const { state, set, on } = await import('/static/state.js');
  let drawn = 0;
  const server = [];
  on('frames', (now) => { drawn++; server.push(now.frames[0].ms); });
  const from = performance.now();
  for (let k = 1; performance.now() - from < 1000 * seconds; k++) {
    await new Promise(requestAnimationFrame);
    set({ motion: { ...state.motion, dx: k % 13, dy: k % 7 } });
  }
  const took = (performance.now() - from) / 1000;
  return { updates: drawn / took, server: server.sort((a, b) => a - b)[server.length >> 1] };
}"""


def measure(words: list[str], loads: int, cam: bool) -> dict[str, Any]:
    """Milliseconds to the first image and the first maps; updates per second."""
    from playwright.sync_api import sync_playwright

    browser_file = next(p for n in ("chromium", "chromium-browser") if (p := shutil.which(n)))
    first, maps = [], []
    with explorer(words) as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_file, args=["--no-sandbox"])
        for _ in range(loads):
            page = browser.new_context(viewport={"width": 1360, "height": 900}).new_page()
            page.goto(address)
            first.append(page.evaluate(MARKED))
            page.wait_for_selector(".card")
            page.evaluate("import('/static/live.js').then((live) => live.settled())")
            maps.append(page.evaluate("performance.now()"))
        if cam:
            page.keyboard.press("g")
        follow = [page.evaluate(FOLLOW, SECONDS) for _ in range(3)]
        browser.close()
    return {
        "first_image_ms": spread(first),
        "maps_ms": spread(maps),
        "updates_per_second": spread([f["updates"] for f in follow]),
        "server_ms": spread([f["server"] for f in follow]),
    }


@contextmanager
def explorer(words: list[str]) -> Iterator[str]:
    """A running explorer on images of CIFAR-10."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        data = _cifar(Path(folder))
        plain = {k: v for k, v in os.environ.items() if k not in THREADS}
        free.close()
        process = subprocess.Popen(
            [
                neocog(),
                "explore",
                words[0],
                str(data),
                *words[1:],
                "--port",
                str(port),
                "--no-browser",
            ],
            cwd=ROOT,
            env={**plain, "NEOCOG_CACHE": folder},
            stdout=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{address}/api/about").close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait()


def _cifar(folder: Path) -> Path:
    import numpy as np
    from PIL import Image

    with Image.open(DATA / "cifar10" / "test_00.webp") as image:
        tiles = np.asarray(image.convert("RGB")).reshape(20, 32, 50, 32, 3).swapaxes(1, 2)
    file = folder / "cifar.npz"
    labels = np.load(DATA / "cifar10" / "labels.npz")["test_labels"][:1000]
    np.savez(file, x_test=tiles.reshape(1000, 32, 32, 3), y_test=labels)
    return file


def main() -> None:
    options = usual_options(__doc__, trial="two loads, nothing kept")
    options.add_argument("--loads", type=int, default=5)
    given = options.parse_args()
    loads = 2 if given.trial else given.loads
    results = Results(
        "explore_page",
        "How soon does the explorer show an image, and how fast does it follow a hand?",
        {"loads": loads, "seconds": SECONDS, "rounds": 3},
        fresh=given.fresh,
        save=not given.trial,
    )
    weights = ROOT.parent / "shared" / "models" / "resnet20-cifar10" / "resnet20-12fca82f.th"
    words = [*MODEL, "--weights", str(weights)]
    plain = results.part("resnet20", lambda: measure(words, loads, cam=False))
    with_cam = results.part("resnet20_cam", lambda: measure(words, loads, cam=True))
    results.write([*rows("ResNet-20", plain), rows("ResNet-20 with Grad-CAM", with_cam)[1]])


def rows(name: str, part: dict[str, Any]) -> list[Row]:
    """What the table shows of one model."""
    first, rate = part["first_image_ms"]["median"], part["updates_per_second"]["median"]
    maps, server = part["maps_ms"]["median"], part["server_ms"]["median"]
    return [
        Row(
            what=f"explorer, {name}, 32 px: first image in a browser",
            reach="≤ 1.5 s",
            measured=f"{first / 1000:.2f} s; with all maps in view {maps / 1000:.2f} s",
            met=first <= 1500,
        ),
        Row(
            what=f"explorer, {name}, 32 px: updates per second while the image is moved",
            reach="≥ 20",
            measured=f"{rate:.0f}; {server:.0f} ms per step in the program",
            met=rate >= 20,
        ),
    ]


if __name__ == "__main__":
    main()
