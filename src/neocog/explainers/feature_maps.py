"""The feature maps of each layer for one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from neocog.data.samples import in_range
from neocog.errors import ModelError, ShapeMismatch, printable
from neocog.exhibits import Exhibit, Gallery, Map, Section
from neocog.explainers.units import finite, headed, layouts_for, named
from neocog.graph.activations import find_layer, handed, recording
from neocog.graph.preserve import preserved
from neocog.jsonable import Jsonable, keys
from neocog.keywords import known_keywords
from neocog.render.pixels import amounts, as_image, signed

__all__ = ["FeatureMaps", "feature_maps", "sections"]

_ROWS = 64
"""Channels of a series' map that are shown."""


@dataclass(frozen=True, kw_only=True)
class FeatureMaps(Jsonable):
    """The output of one layer for one sample.

    Args:
        layer: its name.
        kind: its class.
        maps: (C, *space).
        image: the sample, (C, *size), in [0, 1].
    """

    JSON = keys("layer", "kind", "shape=maps.shape", "mean", "largest")

    layer: str
    kind: str
    maps: np.ndarray = field(repr=False)
    image: np.ndarray = field(repr=False)

    def images(self, most: int = 64) -> list[np.ndarray]:
        """An image for each channel, scaled by its own maximum magnitude.

        Maps without negative values run from dark to bright, others from blue over white to orange,
        so that the center of the scale is zero.

        Args:
            most: channels that are shown.
        """
        plain = self.maps[:most]
        if float(self.maps.min()) >= 0:
            return [amounts(m, least=0.0) for m in plain]
        return [signed(m) for m in plain]

    def sections(self, most: int = 64) -> list[Section]:
        """For a report.

        Args:
            most: channels that are shown.
        """
        count = len(self.maps)
        space = "×".join(map(str, self.maps.shape[1:]))
        if self.maps.ndim == 2:
            exhibit: Exhibit = Map(
                title="A row per channel",
                values=self.maps[:_ROWS],
                row_label="channel",
                column_label="sample",
                diverging=bool((self.maps < 0).any()),
            )
        else:
            top = np.abs(self.maps).reshape(count, -1).max(1)
            exhibit = Gallery(
                title="Maps",
                images=self.images(most),
                captions=[f"{i}: {t:.2g}" for i, t in enumerate(top[:most].tolist())],
                note="The caption is the channel and its max |value|, by which it is scaled. "
                + (
                    "Blue is negative, orange is positive."
                    if (self.maps < 0).any()
                    else "Dark is zero, bright is the maximum."
                ),
            )
        silent = int((np.abs(self.maps).reshape(count, -1).max(1) == 0).sum())
        text = f"{count} channels of {space}."
        text += (
            f" {silent} of them {'is' if silent == 1 else 'are'} zero everywhere." if silent else ""
        )
        text += f" The first {most} are shown." if count > most and self.maps.ndim > 2 else ""
        title = f"{headed(self.layer)}: {self.kind}"
        return [Section(title=title, exhibits=(exhibit,), text=text)]

    @property
    def mean(self) -> np.ndarray:
        """Maximum magnitude of each map, (C,)."""
        return np.asarray(self.maps.reshape(len(self.maps), -1).mean(1))

    @property
    def largest(self) -> np.ndarray:
        """Minimum of each map, (C,)."""
        return np.asarray(self.maps.reshape(len(self.maps), -1).max(1))


@known_keywords
def feature_maps(
    model: nn.Module,
    x: Float[Tensor, "1 C *size"] | Float[Tensor, C * size],
    *,
    layers: Sequence[str] | None = None,
) -> tuple[FeatureMaps, ...]:
    """The feature maps of layers for one sample, in the order of execution.

    Args:
        model: from values in [0, 1] to outputs; left as it is.
        x: one image (C, H, W), a batch of one image, or one series (C, N).
        layers: submodules; all without submodules that return a map if left out.

    Raises:
        DataError: values are integers that are not in [0, 1].
        ShapeMismatch: x is not a single image or series, or a named layer returns no map.
        ModelError: there is no such layer, or it does not run, or none returns a map.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> [(f.layer, f.maps.shape) for f in feature_maps(net, torch.rand(1, 8, 8))]
        [('0', (4, 6, 6)), ('1', (4, 6, 6))]
    """
    batch = _one(x)
    names = list(layers) if layers is not None else _leaves(model)
    given = handed(model, in_range(batch))
    with preserved(model), torch.no_grad():
        layouts = layouts_for(model, model, given)
        with recording(model, names) as outs:
            model(given)
    missing = [name for name in layers or () if name not in outs]
    if missing:
        raise ModelError(
            f"A layer must run to be inspected; {named(missing[0])} does not. Name another."
        )
    image = batch[0].float().cpu().numpy()
    maps = []
    for name, whole in outs.items():
        out = layouts[name].maps(whole) if name in layouts else whole
        if out.ndim not in (3, 4) or out.shape[0] != 1:
            if layers is not None:
                raise _no_map(name, batch, out)
            continue
        maps.append(
            FeatureMaps(
                layer=name,
                kind=type(find_layer(model, name)).__name__,
                maps=finite(out[0], name).float().cpu().numpy(),
                image=image,
            )
        )
    if not maps:
        raise ModelError(
            "Feature maps need layers whose output has rows and columns; "
            f"`{printable(type(model).__name__)}` has none. Name a convolutional network."
        )
    return tuple(maps)


def sections(maps: Sequence[FeatureMaps], *, most: int = 64, name: str = "") -> list[Section]:
    """The image and all layers, for a report.

    Args:
        maps: of the layers, of one image.
        most: channels of a layer that are shown.
        name: of the image, where there are several.
    """
    layers = [section for f in maps for section in f.sections(most)]
    if name:
        layers = [replace(s, title=f"{s.title}, of {printable(name)}") for s in layers]
    if not maps or maps[0].image.ndim != 3:
        return layers
    image = as_image(maps[0].image)
    size = "×".join(map(str, maps[0].image.shape[1:]))
    gallery = Gallery(
        title="Network input",
        images=[image],
        captions=[f"{size} pixels"],
        pixelated=False,
    )
    return [Section(title=printable(name) or "The image", exhibits=(gallery,)), *layers]


def _one(x: Tensor) -> Tensor:
    """A batch of one; three axes are an image, two a series."""
    if x.ndim == 4 and x.shape[0] == 1:
        return x
    if x.ndim in (2, 3):
        return x[None]
    raise ShapeMismatch(
        "Feature maps need a single sample, (C, H, W) or (1, C, H, W), or a series (C, N); got "
        f"{tuple(x.shape)}. Pass one sample of the batch.",
        expected=(3,),
        actual=tuple(x.shape),
    )


def _no_map(layer: str, batch: Tensor, out: Tensor) -> ShapeMismatch:
    return ShapeMismatch(
        "A feature map has channels and spatial axes, (B, C, h, w) or (B, C, n); "
        f"{named(layer)} outputs {tuple(out.shape)}. Name an earlier layer.",
        expected=(batch.ndim,),
        actual=tuple(out.shape),
    )


def _leaves(model: nn.Module) -> list[str]:
    return [
        name
        for name, m in model.named_modules()
        if name and not list(m.children()) and not isinstance(m, torch.jit.ScriptModule)
    ]
