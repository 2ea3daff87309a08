"""Operations by what they do to a map: pad it, slide windows over it, put it together anew."""

from __future__ import annotations

__all__ = ["ALIKE", "OWN_PADS", "PADS", "REASSEMBLED", "SLIDES", "WRITES"]

PADS = {
    "constant_pad_nd": "zero",
    "reflection_pad1d": "reflected",
    "reflection_pad2d": "reflected",
    "replication_pad1d": "replicated",
    "replication_pad2d": "replicated",
    "_pad_circular": None,
}
"""What is beyond the border; None where it is the other side of the map."""

OWN_PADS = {"convolution": "zero", "im2col": "zero", "avg_pool1d": "zero", "avg_pool2d": "zero"}
"""The same for what pads by itself; the largest of a window leaves it out."""

NEAREST = ("upsample_nearest", "_upsample_nearest_exact")
SLIDES = frozenset(
    {
        "convolution",
        "im2col",
        "unfold",
        "roll",
        "slice",
        "pixel_shuffle",
        *(f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2)),
        "max_pool2d_with_indices",
        "_adaptive_avg_pool2d",
        "adaptive_max_pool2d",
        *(f"{kind}{n}d" for kind in NEAREST for n in (1, 2)),
        "upsample_linear1d",
        "upsample_bilinear2d",
        "upsample_bicubic2d",
        "_upsample_bilinear2d_aa",
        "_upsample_bicubic2d_aa",
    }
)
WRITES = ("copy", "slice_scatter", "select_scatter", "index_put")
REASSEMBLED = ("cat", "index", "index_select")
ALIKE = frozenset(("relu", "clone", "native_batch_norm", "_native_batch_norm_legit_no_training"))
