"""Networks of the Hub, from a folder and from a server of this test."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import neocog
from neocog.errors import ModelError, UsageError
from neocog.models.hub import _SameSecurity, hub_model, is_hub
from neocog.networks.catalog import build

CONFIG = {
    "architecture": "mobilenetv2_100",
    "num_classes": 3,
    "label_names": ["ant", "bee", "crane"],
    "pretrained_cfg": {
        "input_size": [3, 96, 96],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bicubic",
    },
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server of the Hub has: ORG/NAME/resolve/main/FILE."""
    root = tmp_path_factory.mktemp("site")
    folder = root / "timm" / "small" / "resolve" / "main"
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    options = {"stem": "published"}
    net = build("mobilenet_v2", num_classes=3, in_channels=3, size=(96, 96), options=options)
    save_file(net.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return root


@pytest.fixture
def hub(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    yield "hf://timm/small"
    server.shutdown()
    server.server_close()


def test_it_is_fetched_once_and_opened_with_what_it_says(
    hub: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.warns(UserWarning, match=r"are those of the Hub \(timm:mobilenetv2_100\)"):
        model = neocog.load(hub)
    assert model.spec.classes == ("ant", "bee", "crane")
    assert (model.spec.input.size, model.spec.input.std) == ((96, 96), (0.25,) * 3)
    assert model.spec.input.resize_mode == "crop-bicubic"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    again = hub_model(hub)
    folder = site / "timm" / "small" / "resolve" / "main"
    assert again.weights.read_bytes() == (folder / "model.safetensors").read_bytes()
    assert is_hub(str(folder))
    with pytest.warns(UserWarning, match="are those of the Hub"):
        local = neocog.load(folder)
    with torch.no_grad():
        x = torch.rand(1, 3, 96, 96)
        assert torch.equal(local.module(x), model.module(x))


def test_what_cannot_be_fetched_is_said_in_one_sentence(hub: str) -> None:
    with pytest.raises(ModelError, match=r"`hf://timm/other` is fetched .* config\.json: HTTP 404"):
        hub_model("hf://timm/other")


@pytest.mark.parametrize("text", ["hf://timm", "hf://a/b/c", "hf://a/..", "hf://a/b@x/y"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="written hf://ORG/NAME"):
        hub_model(text)


def test_nothing_is_fetched_without_encryption(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"downloaded over HTTPS; HF_ENDPOINT is `http://mirror"):
        hub_model("hf://timm/small")
    safe = urllib.request.Request("https://a/b")
    with pytest.raises(urllib.error.URLError, match="from https to http"):
        _SameSecurity().redirect_request(safe, None, 302, "", {}, "http://a/b")
    local = urllib.request.Request("http://127.0.0.1:9/a")
    for url in ("http://mirror.example/a", "ftp://127.0.0.1/a", "http://127.0.0.1.example/a"):
        with pytest.raises(urllib.error.URLError, match="from http to"):
            _SameSecurity().redirect_request(local, None, 302, "", {}, url)
    for url in ("https://mirror.example/a", "http://localhost:9/b"):
        assert _SameSecurity().redirect_request(local, None, 302, "", {}, url).full_url == url


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"model_type": "resnet"}, r"names its architecture .* `model_type` is 'resnet'"),
        ({**CONFIG, "architecture": "../x"}, "names its architecture"),
        ({**CONFIG, "num_classes": 0}, "states 0"),
        (CONFIG, r"has no such file"),
    ],
)
def test_a_description_of_another_form_is_refused(
    tmp_path: Path, config: dict[str, object], error: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    if "no such file" not in error:
        (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=error):
        hub_model(str(tmp_path))


def test_weights_of_another_architecture_are_refused(site: Path, tmp_path: Path) -> None:
    folder = site / "timm" / "small" / "resolve" / "main"
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "architecture": "resnet18"}))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"match the network at least partly|are missing"):
        neocog.load(tmp_path)
