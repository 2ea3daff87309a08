"""What is shown of augmentations that keep labels: the first screen, tables, images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neocog.errors import printable
from neocog.exhibits import Bars, Cell, Curve, Gallery, Scalar, Section, Table
from neocog.first_screen import Command, FirstScreen, path_word
from neocog.symmetry.families import COLOR_FAMILIES, Family, OrientationFamily
from neocog.training.label_symmetries import Confusion, SymmetryExtent, erased, transformed

if TYPE_CHECKING:
    from torch import Tensor

    from neocog.verbs.label_symmetries_result import DataSymmetries

__all__ = ["first_screen", "sections"]


def first_screen(of: DataSymmetries) -> FirstScreen:
    """What is safe, what is not, and the command that uses it.

    Args:
        of: the result.
    """
    safe = _listed([_words(v.measured.name, v.safe) for v in of.verdicts if v.safe])
    held = _listed([_words(v.measured.name, v.held) for v in of.verdicts if v.held])
    if of.classes and not of.decided:
        headline = "Not decided: too few images per class, or classes that were not learned."
    elif of.classes:
        none = "No transformation is safe on this data."
        headline = f"Safe on this data: {safe}." if safe else none
    else:
        none = "The data contains none of the transformations that were tried."
        headline = f"The data itself contains: {held}." if held else none
    return FirstScreen(
        headline=headline,
        detail=_detail(of),
        badge="" if of.classes else "No labels",
        level="plain" if of.decided or not of.classes else "open",
        image=_images(of),
        figures=_figures(of),
        next=_next(of),
        note=_note(of),
    )


def _detail(of: DataSymmetries) -> str:
    """The worst confusion of the transformations that people use first."""
    parts = []
    for name in ("rotation", "horizontal flip", "vertical flip"):
        worst = of.by_name[name].measured.confusions[:1]
        if worst:
            parts.append(_sentence(of, name, worst[0]))
    return " ".join(parts[:2])


def _sentence(of: DataSymmetries, name: str, c: Confusion) -> str:
    one, other = (printable(of.classes[i]) for i in (c.label, c.recognized_as))
    return (
        f"{_done(name, c.amount).capitalize()}, {_percent(c.rate)} of class {one} are "
        f"recognized as {other}."
    )


def _figures(of: DataSymmetries) -> tuple[Scalar, ...]:
    rotation, flip = of.by_name["rotation"], of.by_name["horizontal flip"]
    shift = min((v for n, v in of.by_name.items() if "shift" in n), key=lambda v: v.safe)
    note = f"the data holds ±{rotation.measured.extent:.0f}°"
    some = [
        Scalar(title="rotation", value=rotation.safe, unit="°", note=note),
        Scalar(
            title="horizontal flip: mirror images in the data",
            value=min(1.0, flip.measured.extent),
            unit="%",
            interval=flip.measured.interval and _capped(flip.measured.interval),
            note="probability of a mirror image against that of the image",
        ),
        Scalar(title="shift", value=shift.safe, unit="%", note="of the side"),
        Scalar(title="scale", value=of.by_name["scale"].safe, unit="%"),
        Scalar(title="brightness", value=of.by_name["brightness"].safe, unit="%"),
    ]
    return tuple(some)


def _images(of: DataSymmetries) -> tuple[Gallery, ...]:
    gallery = _gallery(of, 6)
    return (gallery,) if gallery else ()


def _gallery(of: DataSymmetries, pairs: int) -> Gallery | None:
    """Images beside what a transformation makes of them, one a pair of classes."""
    chosen: dict[tuple[int, int], tuple[str, Confusion]] = {}
    several = [(v.measured.name, c) for v in of.verdicts for c in v.measured.confusions]
    for name, c in sorted(several, key=lambda item: (_rank(item[0]), -item[1].rate)):
        chosen.setdefault((c.label, c.recognized_as), (name, c))
    best = list(chosen.values())[:pairs]
    if not best:
        return None
    images, captions = [], []
    for name, c in best:
        x = of.test.images[c.example : c.example + 1]
        other = printable(of.classes[c.recognized_as])
        for part, text in (
            (x, f"{printable(of.classes[c.label])}"),
            (_changed(name, c.amount, x),
             f"{_done(name, c.amount)}\nrecognized as {other}"),
        ):  # fmt: skip
            pixels_ = part[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().byte().numpy()
            images.append(pixels_[:, :, 0] if pixels_.shape[2] == 1 else pixels_)
            captions.append(text)
    return Gallery(
        title="Recognized as another class",
        images=images,
        captions=captions,
        together=2,
        note="For each pair of classes the rotation or flip that confuses most, else another "
        "transformation; the example that is recognized with the most confidence.",
    )


def _next(of: DataSymmetries) -> tuple[Command, ...]:
    if not of.decided:
        return ()
    setting = ",".join(f"{k}={_plain(v)}" for k, v in of.augment.items()) or "none"
    words = ("neocog", "train", path_word(of.source), "--augment", setting)
    return (Command(text="Train with what is safe", words=words),)


def _note(of: DataSymmetries) -> str:
    how = (
        f"A small network learned from {of.test.n:,} images to tell what was applied, and "
        f"predicted it for {of.test.held_out:,} others"
    )
    if of.test.accuracy is None:
        return f"{how}. Without labels, confusions cannot be measured."
    judge = "" if of.decided else ", too little to judge labels by"
    few = of.not_judged
    names = _listed([printable(n) for n in few[:3]]) + (
        f" and {len(few) - 3} more" * (len(few) > 3)
    )
    rare = f" Too few images to judge: {names}." if few else ""
    return f"{how}; it recognizes {_percent(of.test.accuracy)} of them{judge}.{rare}"


def sections(of: DataSymmetries) -> list[Section]:
    """Everything, in reading order.

    Args:
        of: the result.
    """
    rotation = of.by_name["rotation"].measured
    rows: list[list[Cell]] = [
        [
            v.measured.name,
            (_words(v.measured.name, v.safe) if v.safe else "none") if of.decided else None,
            _extent(v.measured),
            _kept(v.measured) if of.decided else None,
        ]
        for v in of.verdicts
    ]
    what = Section(
        title="What is safe",
        exhibits=[
            Table(
                title="Transformations",
                columns=["transformation", "safe", "in the data", "no class is confused up to"],
                rows=rows,
                note="Safe is what the data itself holds, as far as no class is recognized as "
                "another one. In the data: amounts that are uniform to both sides with the "
                "same spread; 95 % bootstrap CI.",
            ),
            Curve(
                title="Rotations in the data",
                x=rotation.amounts,
                lines={"probability": rotation.curve},
                x_label="rotation (degrees)",
                y_label="against none",
                note=(
                    "Probability that the network gives to this much extra rotation, relative to "
                    "the rotation applied; 1 where it cannot tell."
                ),
            ),
            Bars(
                title="Mirror images in the data",
                names=["horizontal flip", "vertical flip"],
                series={
                    "probability": [
                        min(1.0, of.by_name[n].measured.extent)
                        for n in ("horizontal flip", "vertical flip")
                    ]
                },
                unit="%",
                high=1.0,
            ),
        ],
    )
    return [what, *_confused(of)]


def _confused(of: DataSymmetries) -> list[Section]:
    rows: list[list[Cell]] = [
        [
            _done(v.measured.name, c.amount),
            printable(of.classes[c.label]),
            printable(of.classes[c.recognized_as]),
            _percent(c.rate),
            f"{_percent(c.interval[0])} to {_percent(c.interval[1])}",
            c.n,
        ]
        for v in of.verdicts
        for c in v.measured.confusions[:12]
    ]
    if not rows:
        return []
    gallery = _gallery(of, 12)
    table = Table(
        title="Classes that are recognized as another class",
        columns=["transformed", "class", "recognized as", "images", "95 % CI", "of"],
        rows=rows,
        note=(
            "Minus those that were already confused before. The largest twelve for each "
            "transformation."
        ),
    )
    return [
        Section(
            title="Recognized as another class",
            exhibits=[*([gallery] if gallery else []), table],
        )
    ]


def _rank(name: str) -> int:
    """Rotations and flips change a label by themselves; what dims an image rather hides it."""
    names = ("rotation", "horizontal flip", "vertical flip"), ("brightness", "contrast")
    return 0 if name in names[0] else 2 if name in names[1] else 1


def _plain(value: float | bool) -> str:
    return "true" if value is True else f"{value:g}"


def _words(name: str, amount: float) -> str:
    if name.endswith("flip"):
        return name
    if name == "erasing":
        return f"erasing squares up to {_percent(amount)} of the side"
    return (
        f"{name} up to ±{amount:.0f}°"
        if name == "rotation"
        else f"{name} up to ±{_percent(amount)}"
    )


def _done(name: str, amount: float) -> str:
    """What was done to an image."""
    if name.endswith("flip"):
        return (
            "mirrored left to right" if name.startswith("horizontal") else "mirrored top to bottom"
        )
    if name == "erasing":
        return f"a square of {_percent(amount)} of the side erased"
    if name == "rotation":
        return f"rotated by {abs(amount):.0f}° {'counter' * (amount > 0)}clockwise"
    return f"{name} {'+' if amount > 0 else '−'}{_percent(abs(amount))}"


def _extent(m: SymmetryExtent) -> str:
    if m.interval is None:  # of erasing
        return "not looked for: it hides, and changes nothing"
    low, high = m.interval
    if m.is_flip:
        low, high = _capped(m.interval)
        return f"{_percent(min(1.0, m.extent))} ({_percent(low)} to {_percent(high)})"
    if m.extent < m.amounts[1]:
        return "too little to measure"
    least = "at least " if m.least else ""
    if m.name == "rotation":
        return f"{least}±{m.extent:.0f}° ({low:.0f} to {high:.0f}°)"
    return f"{least}±{_percent(m.extent)} ({_percent(low)} to {_percent(high)})"


def _kept(m: SymmetryExtent) -> str:
    if m.is_flip:
        return "none is confused" if m.kept else "one is confused"
    all_of_it = m.kept == m.amounts[-1]
    how = f"{m.kept:.0f}°" if m.name == "rotation" else _percent(m.kept)
    return f"{how}, as far as was looked" if all_of_it else how


def _percent(fraction: float) -> str:
    """In whole percent; below 10 % with one decimal."""
    return f"{100 * fraction:.{int(fraction < 0.0995)}f} %"


def _capped(interval: tuple[float, float]) -> tuple[float, float]:
    return min(1.0, interval[0]), min(1.0, interval[1])


def _listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + "".join(words[-1:])


def _changed(name: str, amount: float, x: Tensor) -> Tensor:
    """Images as a transformation makes them."""
    if name == "erasing":
        return erased(x, amount)
    family, element = _element(name, amount)
    return transformed(family, x, element)


def _element(name: str, amount: float) -> tuple[Family, int]:
    """Family and element of a transformation by its name."""
    if name in ("rotation", "horizontal flip", "vertical flip"):
        family = next(f for f in COLOR_FAMILIES if isinstance(f, OrientationFamily))
        row = round(amount / family.step) % family.angles
        return family, row + family.angles * name.endswith("flip")
    line = next(f for f in COLOR_FAMILIES if f.name == name)
    relative = min(line.relative, key=lambda r: abs(line.amount(r) - amount))
    return line, line.identity + relative
