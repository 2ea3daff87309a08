"""Networks of the Hugging Face Hub in timm's form: `hf://ORG/NAME`, or a folder that holds one.

Two files are read, a description of the network and its weights, and nothing is run:

    config.json          the architecture by timm's name, size, mean and standard deviation
    model.safetensors    the weights

They are fetched by HTTPS once and kept in the cache. `HF_ENDPOINT` names a mirror, as for other
programs that ask the Hub.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from torch import nn

from neocog.data.cache import default_folder
from neocog.errors import ModelError, UsageError, printable
from neocog.fields import short_repr
from neocog.files import read_json
from neocog.networks.catalog import build
from neocog.networks.naming import equivalent, renamed
from neocog.store.libraries import resize_mode_of
from neocog.store.partial import load_partial
from neocog.store.tensors import read_tensors
from neocog.types import InputSpec

__all__ = ["HUB", "HubModel", "hub_model", "hub_network", "is_hub"]

HUB = "hf://"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
LIMITS = {CONFIG: 2**20, WEIGHTS: 8 * 2**30}
"""Bytes of each file, at most."""
PATIENCE = 30.0
"""Seconds that the Hub may be silent."""


@dataclass(frozen=True, kw_only=True)
class HubModel:
    """A Hub network, on disk.

    Args:
        title: what was named.
        source: `timm:NAME`, its architecture.
        weights: the file.
        outputs: of the network.
        classes: their names, where the description has them.
        input: its input, where the description has it.
    """

    title: str
    source: str
    weights: Path
    outputs: int
    classes: tuple[str, ...]
    input: InputSpec | None


def is_hub(text: str) -> bool:
    """Whether a text names a network of the Hub, or a folder that holds one."""
    if text.startswith(HUB):
        return True
    with contextlib.suppress(OSError, ValueError):
        folder = Path(text)
        return (folder / CONFIG).is_file() and not (folder / "recipe.toml").is_file()
    return False


def hub_model(text: str) -> HubModel:
    """A Hub network, fetched where it is not in the cache.

    Args:
        text: `hf://ORG/NAME`, with `@REVISION` if it is not the newest, or a folder.

    Raises:
        UsageError: it is not written so.
        ModelError: it cannot be fetched or read, or is of another form.
    """
    folder = _fetched(text) if text.startswith(HUB) else Path(text)
    config = read_json(
        folder / CONFIG, limit=LIMITS[CONFIG], what="A description of a network", error=ModelError
    )
    name = f"`{printable(text)}`"
    architecture = config.get("architecture") if isinstance(config, Mapping) else None
    if not isinstance(architecture, str) or not re.fullmatch(r"[\w.-]{1,100}", architecture):
        kind = config.get("model_type", "none") if isinstance(config, Mapping) else "none"
        raise ModelError(
            "A Hub network names its architecture as timm does (`architecture` in "
            f"config.json); {name} does not (its `model_type` is {short_repr(kind)}). Take one "
            "whose page says timm, or write a factory: module:function."
        )
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"A Hub network has its weights in {WEIGHTS}; {name} has no such file. Take a "
            "revision that has one."
        )
    stated = config.get("pretrained_cfg")
    stated = {**config, **stated} if isinstance(stated, Mapping) else dict(config)
    outputs = stated.get("num_classes", config.get("num_classes"))
    if type(outputs) is not int or not 2 <= outputs <= 10**6:
        raise ModelError(
            f"A classifier states its number of classes, 2 or more; {name} states "
            f"{short_repr(outputs)}. Take a network with a head."
        )
    names = stated.get("label_names")
    known = isinstance(names, list) and len(set(map(str, names))) == len(names) == outputs
    return HubModel(
        title=text,
        source=f"timm:{architecture}",
        weights=folder / WEIGHTS,
        outputs=outputs,
        classes=tuple(map(str, names)) if known and names else (),
        input=_input(stated),
    )


def hub_network(known: HubModel) -> nn.Module:
    """The network of the Hub with its weights: one of ours where that is the same, else timm's.

    Raises:
        ModelError: timm is needed and missing, or the weights are not those of the architecture.
    """
    signal, ours = known.input, equivalent(known.source)
    channels = signal.channels if signal is not None else 3
    if ours is not None:
        name, options = ours
        size = signal.image_size if signal is not None else (224, 224)
        network = build(
            name, num_classes=known.outputs, in_channels=channels, size=size, options=options
        )
    else:
        name = known.source
        network = build(name, num_classes=known.outputs, in_channels=channels, size=(224, 224))
    tensors, _ = read_tensors(known.weights)
    loaded = load_partial(network, renamed(name, network, tensors), f"`{printable(known.title)}`")
    if loaded.fresh:
        raise ModelError(
            f"A Hub network has all its weights; of `{printable(known.title)}` "
            f"{len(loaded.fresh)} tensors are missing. {loaded.notes[-1]} Take another revision."
        )
    return network.eval()


def _input(stated: Mapping[str, Any]) -> InputSpec | None:
    """The input spec of a description; None where there is none, or it is invalid."""
    try:
        channels, height, width = map(int, stated["input_size"])
        signal = InputSpec(
            channels=channels,
            size=(height, width),
            mean=tuple(map(float, stated["mean"])),
            std=tuple(map(float, stated["std"])),
            resize_mode=resize_mode_of(stated.get("interpolation")),
        )
    except (KeyError, TypeError, ValueError):
        return None
    fits = len(signal.mean) == len(signal.std) == channels and signal.misfit() is None
    return signal if fits and min(height, width) > 0 else None


def _fetched(text: str) -> Path:
    match = re.fullmatch(r"hf://([\w.-]+)/([\w.-]+?)(?:@([\w.-]+))?", text)
    if match is None or any(part in (".", "..") for part in match.groups() if part):
        raise UsageError(
            f"A Hub network is written hf://ORG/NAME, got `{printable(text)}`. Write "
            "hf://timm/resnet18.a1_in1k, say."
        )
    owner, name, revision = match[1], match[2], match[3] or "main"
    folder = default_folder() / "hub" / owner / name / revision
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            url = f"{_endpoint()}/{owner}/{name}/resolve/{revision}/{file}"
            _fetch(url, folder / file, text)
    return folder


def _endpoint() -> str:
    base = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if _is_safe(base):
        return base
    raise UsageError(
        f"Weights are downloaded over HTTPS; HF_ENDPOINT is `{printable(base[:100])}`. Give an "
        "address that begins with https://."
    )


def _is_safe(url: str) -> bool:
    """Whether what is fetched from there is encrypted, or stays on this machine."""
    parts = urllib.parse.urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme == "https" or (parts.scheme == "http" and local)


class _SameSecurity(urllib.request.HTTPRedirectHandler):
    """Follows the Hub to where it keeps its files, by https, or by http on this machine."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        was, scheme = (urllib.parse.urlsplit(u).scheme for u in (req.full_url, newurl))
        if not _is_safe(newurl) or (was == "https" != scheme):
            raise urllib.error.URLError(f"it redirects from {was} to {scheme}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, to: Path, text: str) -> None:
    """One file, whole or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            _download(url, out, LIMITS[to.name])
        Path(part).replace(to)
    except (OSError, HTTPException, ValueError) as e:
        reason = f"HTTP {e.code}" if isinstance(e, urllib.error.HTTPError) else str(e)
        raise ModelError(
            f"`{printable(text)}` is fetched from {printable(url.partition('/resolve/')[0])}, "
            f"which failed for {to.name}: {printable(reason[:200])}. Check the name and the "
            "network, or give a folder with both files."
        ) from e
    finally:
        Path(part).unlink(missing_ok=True)


def _download(url: str, out: Any, limit: int) -> None:
    opener = urllib.request.build_opener(_SameSecurity())
    request = urllib.request.Request(url, headers={"User-Agent": "neocog"})
    with opener.open(request, timeout=PATIENCE) as response:
        stated = response.headers.get("Content-Length")
        done = 0
        while part := response.read(1 << 20):
            done += len(part)
            if done > limit:
                raise ValueError(f"it is larger than {limit:,} bytes")
            out.write(part)
        if stated is not None and int(stated) != done:
            raise ValueError(f"got {done:,} of {int(stated):,} bytes")
