"""What the figures were called when they were recorded, and what they are called now.

The files in `figures/` keep the words of the day they were recorded on; their numbers are compared
path by path, so each word that changes since has a line here, and nowhere else. A path is the keys
and positions from the top of a result, as `shift/circular/consistency_ci/0`; `*` stands for one of
them, `**` for any number. A pattern without a slash stands for a key anywhere.
"""

from __future__ import annotations

__all__ = ["CHANGED", "CLOCK", "KEYS", "WORDS"]

KEYS: dict[str, str] = {
    "radius": "max_shift",
    "map_radius": "map_max_shift",
    "every_shift": "all_shifts",
    "deformation": "elastic",
    "against": "baseline",
    "flip": "flip_rate",
    "both_right": "both_correct",
    "not_looked_behind": "not_analyzed",
    "geometry/kernel": "kernel_size",
    "accuracy_moved": "accuracy_shifted",
    "**/shift/*/floor": "chance_agreement",
    "**/shift/zero": "zeros",
    "**/compared/zero": "zeros",
    "own_shift_error": "local_shift_error",
    "own_shift_error_border_share": "local_shift_error_border_share",
    "own_rotation_error": "local_rotation_error",
    "one_right": "one_correct",
    "**/rows/*/right": "correct",
    "gabor/share_above": "fraction_above",
    "samples_turned_scaled_bent": "samples_rotated_scaled_deformed",
    "result/left": "skipped",
    "result/advice": "rank_layers",
    "result/finetune/steady": "consistency_weight",
    "pictures": "images",
    "randomisation": "randomization",
    "gabor/centre": "center",
}
"""Path of a key as recorded, to its name now. A name with slashes puts it deeper, an empty one
leaves that level out."""

WORDS: dict[str, str] = {
    "zero": "zeros",
    "sampling": "downsampling",
    "maximise": "activation-maximization",
    "patches": "top-activations",
    "template": "template-matching",
    "filter": "classic-filters",
    "normalised": "normalized",
    "picture": "image",
}
"""Single words among the values: names of kinds, methods, layers."""

_MEASURED = "what was measured stands there, not what was asked for"

CHANGED: dict[str, str] = {
    f"**/protocol/{name}": _MEASURED
    for name in (
        "n", "map_samples", "rotation", "scale", "deformation", "samples_turned_scaled_bent",
        "samples_for_layers", "shift/3",
    )
} | {
    "checks/*": "a list of four checks with their figures; deletion and insertion are decided by "
    "effect and interval, not by rank",
    "notes": "a model of series, opened as one of images is, says that no weights were given",
}  # fmt: skip
"""Path as recorded, to the reason why its figure is another one now, or is gone. Nothing is
compared there; each line is a change that was meant, and stands in the change log."""

CLOCK = (
    "seconds", "images_per_second", "seconds_per_image", "total_seconds", "ms",
    "threads", "torch", "fingerprint", "**/cost/ms", "notes",
)  # fmt: skip
"""What a clock, a machine or a writer decides. Only that it is there is recorded."""
