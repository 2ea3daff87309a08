"""Maps and their sanity checks, as exhibits and as a first screen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from neocog.errors import printable
from neocog.exhibits import Cell, Checks, Curve, Exhibit, Gallery, Map, Section, Table
from neocog.explainers.grad_cam import METHODS, Cam
from neocog.explainers.layout import size_text
from neocog.explainers.maps.overlay import bare, laid_over, over_series, sides
from neocog.explainers.trust.randomize import mean_of, numbers
from neocog.explainers.trust.trust import Trust
from neocog.render.pixels import as_image, enlarged

__all__ = ["cam_gallery", "cam_sections", "class_of", "trust_sections"]

EACH = "Each map has its own range, given in its caption."

NUMBERED = 4
"""Maps whose numbers are shown."""


def cam_sections(
    cam: Cam, x: Tensor, *, names: Sequence[str] = (), classes: Sequence[str] = (), layer: str = ""
) -> list[Section]:
    """Each image with its map.

    Args:
        cam: the maps.
        x: their images, (B, C, H, W) or (B, C, N), in [0, 1].
        names: of the images.
        classes: names of the classes.
        layer: the layer as the user knows it; its own name if left out.
    """
    rule = METHODS[cam.method]
    colors = (
        "Bright is where the channels are active together, dark where they are not."
        if rule.class_free
        else (
            "Bright is evidence for the class; values below zero are evidence against it, which "
            "the published Grad-CAM clips. Each map has its own scale, in the unit of the output."
        )
    )
    text = (
        f"{rule.question} ({rule.source}.)\n\n"
        f"Layer {printable(layer or cam.layer)}: {cam.layer_reason}. {_where(cam)}\n\n{colors}"
    )
    exhibits = [cam_gallery(cam, x, i, names=names, classes=classes) for i in range(len(x))]
    indices = range(min(NUMBERED, len(cam.maps)))
    values: list[Exhibit]
    if len(cam.grid) == 2:
        values = [
            Map(
                title=_title(cam, i, names, classes),
                values=cam.maps[i].cpu().numpy(),
                row_label="rows of the layer",
                column_label="columns of the layer",
                diverging=True,
                note="Signed, in the unit of the output.",
            )
            for i in indices
        ]
    else:
        values = [_series(cam, x, i, names, classes) for i in indices]
    return [
        Section(title="Attribution map", exhibits=exhibits, text=text),
        Section(title="Values of the maps", exhibits=values),
    ]


def trust_sections(trust: Trust, cam: Cam, x: Tensor) -> list[Section]:
    """The outcome first, then the evidence.

    Args:
        trust: the sanity checks.
        cam: the maps.
        x: their images.
    """
    short = Section(
        title="Sanity checks",
        exhibits=(Checks(title="outcome", checks=trust.checks), _table(trust)),
        text=trust.verdict(),
    )
    return [
        short,
        Section(
            title="Deletion and insertion",
            exhibits=_curves(trust),
            text=(
                "Pixels are replaced in the order of the map, highest values first. The baseline "
                "is noise on the layer's grid, with the map's amplitude spectrum and random "
                "phases. The check passes if the interval of the gain over noise lies above zero."
            ),
        ),
        Section(
            title="Model parameter randomization",
            exhibits=_random(trust, cam, x),
            text=(
                "Layers are randomized from the last one on. A map of what the network has learned "
                "must change; a map that stays the same shows only the image."
            ),
        ),
        Section(
            title="Shift equivariance of the map",
            exhibits=_motion(trust, cam, x),
            text=(
                "The map of the shifted image beside the shifted original map. A map that says "
                "where the object is must move with the object."
            ),
        ),
    ]


def _where(cam: Cam) -> str:
    """Where the cells lie, in words."""
    whole, one = ("image", "pixel") if len(cam.grid) == 2 else ("series", "sample")
    if cam.cells is None:
        return (
            f"Where its cells lie in the {whole} is unknown: the map is stretched evenly over it."
        )
    first, step = (
        " × ".join(f"{v:.4g}" for v in (numbers if len(set(numbers)) > 1 else numbers[:1]))
        for numbers in (cam.cells.first, cam.cells.step)
    )
    return (
        f"Each cell is drawn at the center of its receptive field: the first at {one} {first}, the "
        f"next ones {step} apart. Beyond the outermost centers the overlay repeats their values."
    )


def class_of(target: int | None, classes: Sequence[str]) -> str:
    """A class as the user knows it."""
    if target is None:
        return ""
    return printable(classes[target]) if target < len(classes) else str(target)


def _title(cam: Cam, i: int, names: Sequence[str], classes: Sequence[str]) -> str:
    name = printable(names[i]) if i < len(names) else f"image {i}"
    name_of_class = class_of(cam.targets[i], classes)
    return f"{name}, {name_of_class}" if name_of_class else name


def _class_line(cam: Cam, i: int, classes: Sequence[str]) -> str:
    """The class that a map is of, and how probable the model finds it."""
    target = cam.targets[i]
    if target is None:
        return ""
    p = cam.probability(i)
    return f"for {class_of(target, classes)}" + ("" if p is None else f", p = {p:.3f}")


def cam_gallery(
    cam: Cam,
    x: Tensor,
    i: int,
    *,
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
    large: bool = False,
) -> Gallery:
    """One image: the original, its overlay, and the map alone.

    Args:
        cam: the maps.
        x: all images, (B, C, H, W) or (B, C, N), in [0, 1].
        i: which one.
        names: of the images.
        classes: names of the classes.
        large: image and overlay alone, as large as there is room.
    """
    one, map_ = x[i], cam.maps[i]
    over = f"overlay\n{_class_line(cam, i, classes)}".rstrip()
    if one.ndim == 2:
        images, captions = [over_series(one, map_, cells=cam.cells)], [over]
    else:
        images = [
            enlarged(as_image(one), sides(tuple(one.shape[1:]))),
            laid_over(one, map_, cells=cam.cells),
        ]
        captions = ["image", over]
        if not large:
            images.append(bare(map_, (one.shape[1], one.shape[2]), cells=cam.cells))
            captions.append(f"map\n{size_text(cam.grid)} cells")
    return Gallery(
        title=printable(names[i]) if i < len(names) else f"image {i}",
        images=images,
        captions=captions,
        pixelated=False,
        together=len(images),
        large=large,
    )


def _series(cam: Cam, x: Tensor, i: int, names: Sequence[str], classes: Sequence[str]) -> Curve:
    fine = cam.enlarged()[i].cpu().numpy()
    lines = {"map": fine.tolist()}
    return Curve(
        title=f"{_title(cam, i, names, classes)}: the values of the map",
        x=list(range(len(fine))),
        lines=lines,
        x_label="sample of the series",
        y_label="map, in the unit of the output",
    )


def _table(trust: Trust) -> Table:
    d, r, m = trust.deletion, trust.randomized, trust.motion
    rows: list[list[Cell]] = [
        [
            "area under the curve, deletion",
            _three(d.areas("deletion")),
            _three(d.areas("random_deletion")),
            "noise; smaller is better",
        ],
        [
            "area under the curve, insertion",
            _three(d.areas("insertion")),
            _three(d.areas("random_insertion")),
            "noise; larger is better",
        ],
        [
            "|rank correlation| with all layers randomized",
            _three(r.changed),
            0.0,
            "0: a completely different map",
        ],
        ["fraction of the shifts that the map followed", _three(m.follows), 1.0, "all of them"],
        [
            "difference from the shifted map",
            _three(m.error),
            _three(m.floor),
            "the layer's grid alone",
        ],
    ]
    if m.turn_error is not None:
        rows.append(
            ["difference from the rotated map", _three(m.turn_error), 0.0, "exact quarter turns"]
        )
    return Table(title="figures", columns=("", "map", "beside", "which is"), rows=rows)


def _three(values: np.ndarray | float) -> float | None:
    """Their mean, to three decimals; None where it is not finite."""
    mean = float(np.mean(values))
    return None if np.isnan(mean) else round(mean, 3) + 0.0


_GONE = {
    "blur": "Deleted pixels are replaced by the blurred image.",
    "mean": "Deleted pixels are replaced by the image's mean.",
}


def _curves(trust: Trust) -> list[Exhibit]:
    d = trust.deletion
    exhibits: list[Exhibit] = []
    for name, way in (("deletion", "deleted"), ("insertion", "inserted")):
        lines = {
            "map": getattr(d, name).mean(0).tolist(),
            "noise": getattr(d, f"random_{name}").mean((0, 1)).tolist(),
        }
        exhibits.append(
            Curve(
                title=name,
                x=(100 * d.fractions).tolist(),
                lines=lines,
                x_label=f"% of the pixels {way}",
                y_label="probability" if d.probability else "output",
                note=f"Mean of {len(d.deletion)}; {len(d.random_deletion)} maps of noise. "
                + _GONE[d.baseline],
            )
        )
    return exhibits


def _random(trust: Trust, cam: Cam, x: Tensor) -> list[Exhibit]:
    r = trust.randomized
    curve = Curve(
        title="similarity to the map of the trained network",
        x=[0, *r.counts],
        lines={
            "order": [1.0, *numbers(mean_of(r.rank, 0))],
            "structure": [1.0, *numbers(mean_of(r.ssim, 0))],
        },
        x_label="randomized layers, counted from the last",
        y_label="likeness",
        note=(
            "1 is the same map or its negative. Absolute values of the rank correlation (order) "
            "and of the structural similarity, SSIM (structure)."
        ),
    )
    if x.ndim != 4:
        return [curve]
    maps = [cam.maps[0].cpu(), *(torch.from_numpy(m) for m in r.maps)]
    captions = [f"trained\n{_most(maps[0])}"] + [
        f"{n} random\ndown to {printable(layer)}\n{_most(m)}"
        for n, layer, m in zip(r.counts, r.layers, maps[1:], strict=True)
    ]
    gallery = Gallery(
        title="the map of the first image, layer by layer",
        images=[laid_over(x[0], m, cells=cam.cells, keyed=False) for m in maps],
        captions=captions,
        pixelated=False,
        note=EACH,
    )
    return [curve, gallery]


def _most(map_: Tensor) -> str:
    """The range of a map, for its caption."""
    return f"{float(map_.min()):.2g} to {float(map_.max()):.2g}"


def _motion(trust: Trust, cam: Cam, x: Tensor) -> list[Exhibit]:
    m = trust.motion
    curve = Curve(
        title="difference from the shifted map",
        x=list(m.distances),
        lines={"map": m.error.tolist(), "grid alone": m.floor.tolist()},
        x_label="pixels, circular",
        y_label="‖M(T x) - T M(x)‖ / ‖M(x) - mean‖",
        note=(
            "Mean over images and directions. Grid alone: the original map, shifted on the layer's "
            "grid with linear interpolation, then enlarged."
        ),
    )
    if x.ndim != 4:
        return [curve]
    still = cam.enlarged()[0].cpu()
    shift, remade = m.example
    way = f"{shift[0]} pixels down" if shift[0] else f"{shift[1]} pixels to the right"
    moved = x[0].roll(shift, (1, 2))
    rows = [
        ("as it stands", x[0], still),
        (f"original map, shifted\n{way}", moved, still.roll(shift, (0, 1))),
        (f"map of the shifted image\n{way}", moved, _plain(remade)),
    ]
    if m.turned is not None:
        turn = x[0].rot90(1, (1, 2))
        rows += [
            ("original map, rotated\n90°", turn, still.rot90(1, (0, 1))),
            ("map of the rotated image\n90°", turn, _plain(m.turned)),
        ]
    gallery = Gallery(
        title="the first image, shifted",
        images=[laid_over(image, map_, keyed=False) for _, image, map_ in rows],
        captions=[f"{caption}\n{_most(map_)}" for caption, _, map_ in rows],
        pixelated=False,
        note=EACH,
    )
    return [curve, gallery]


def _plain(map_: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(map_))
