"""What to say of images that are in no class folder, where a training needs their labels."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Sequence

from neocog.errors import printable

__all__ = ["unlabeled"]

_LABEL = re.compile(r"(?P<label>[^\W\d_]{2,}(?:[ _-][^\W\d_]+)*)[\s_.()-]*\d")
"""Words before a number, as in cat_001.jpg or hot-dog (12).png."""

_LOOKED_AT = 20_000
_NAMED = 4


def unlabeled(source: str, names: Sequence[str], *, arrays: bool = False) -> str:
    """Which layouts hold labels; and how to sort images that are named after their class.

    Args:
        source: of the data.
        names: of its files.
        arrays: they are rows of an array.

    Example:
        >>> unlabeled("pets", ["cat_1.jpg", "dog_1.jpg", "cat_2.jpg", "dog_2.jpg"])[-76:]
        'that name, `mkdir cat && mv cat_*.jpg cat/`; labels are not read from names.'
    """
    if arrays:
        return (
            f"A training needs labels, and the {len(names):,} images of `{printable(source)}` have "
            "no array of labels. Save one beside them, as images and labels or x and y, or name "
            "both, as FILE:IMAGES,LABELS."
        )
    layouts = (
        f"A training needs labels, and the {len(names):,} images of `{printable(source)}` are in "
        "no class folder. Supported layouts are CLASS/image, {train,val,test}/CLASS/image, "
        "CLASS/{train,test}/image, idx and CIFAR binary files, and .npz, .npy and HDF5 with labels."
    )
    counts, first = Counter[str](), dict[str, str]()
    for name in names[:_LOOKED_AT]:
        file = os.path.basename(name)  # noqa: PTH119 (a name may be no text)
        if match := _LABEL.match(file):
            counts[match["label"]] += 1
            first.setdefault(match["label"], file)
    kinds = sorted((k for k, n in counts.items() if n > 1), key=lambda k: (-counts[k], k))
    looked = min(len(names), _LOOKED_AT)
    if len(kinds) < 2 or sum(counts[k] for k in kinds) < 0.9 * looked:
        return f"{layouts} Sort the images into a folder for each class."
    prefixes = ", ".join(f"`{printable(k)}` ({counts[k]:,})" for k in kinds[:_NAMED])
    more = ", …" if kinds[_NAMED:] else ""
    one, file = kinds[0], first[kinds[0]]
    rest = file[len(one) : len(one) + 1]
    pattern = f"{shlex.quote(one + ('' if rest.isdigit() else rest))}*{os.path.splitext(file)[1]}"  # noqa: PTH122
    folder = shlex.quote(one)
    return (
        f"{layouts} The file names begin with {prefixes}{more}: move the images of each into a "
        f"folder of that name, `mkdir {printable(folder)} && mv {printable(pattern)} "
        f"{printable(folder)}/`; labels are not read from names."
    )
