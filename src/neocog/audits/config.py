"""The options of an audit: each a choice, or None where the time budget decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from neocog.audits.moving import MODES
from neocog.errors import UsageError, did_you_mean

__all__ = ["DEFAULT_SHIFTS", "AuditConfig"]

DEFAULT_SHIFTS = ("circular", "crop")
"""Kinds of shift that are measured by default."""


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """What an audit measures, and how. None is planned so that the audit takes about a minute.

    Args:
        shift: kinds of shift, of `MODES`.
        max_shift: maximum shift along each axis, in pixels; an eighth of the size if left out.
        map_max_shift: maximum shift of the maps; 0 for none.
        map_samples: samples that the maps are measured on.
        maps: kinds of shift that are mapped; an empty tuple for none.
        all_shifts: the map of circular shifts covers all possible shifts.
        rotation: rotations and mirror images.
        scale: changes of scale.
        elastic: elastic deformations.
        layers: equivariance error of every layer.
        lie: the Lie derivative of every layer, beside its errors.
        layer_samples: samples that layers are measured on.
        n: samples.
        every_sample: all of them.
        full: measure everything that is None, whatever time it takes.
        budget: seconds for everything; 60 if left out, 30 for images up to 64×64.
        seed: of all random numbers.
        batch: batch size; chosen by the size of a sample if left out.

    Raises:
        UsageError: a way of shifting is unknown, or a number is out of range.
    """

    shift: tuple[str, ...] | None = None
    max_shift: int | None = None
    map_max_shift: int = 4
    map_samples: int | None = None
    maps: tuple[str, ...] | None = None
    all_shifts: bool = False
    rotation: bool | None = None
    scale: bool | None = None
    elastic: bool | None = None
    layers: bool | None = None
    lie: bool | None = None
    layer_samples: int | None = None
    n: int | None = None
    every_sample: bool = False
    full: bool = False
    budget: float | None = None
    seed: int = 0
    batch: int | None = None

    def __post_init__(self) -> None:
        """Check names and numbers."""
        for mode in (*(self.shift or ()), *(self.maps or ())):
            if mode not in MODES:
                raise UsageError(f"`{mode}` is not a kind of shift. {did_you_mean(mode, MODES)}")
        absent = [m for m in self.maps or () if m not in (self.shift or MODES)]
        if absent:
            raise UsageError(
                f"A map is of shifts that are measured; `{absent[0]}` is none of "
                f"{', '.join(self.shift or ())}. Name it in `shift` too."
            )
        if self.n is not None and self.n < 1:
            raise UsageError(
                f"A measurement needs at least one sample; got n={self.n}. Leave it out."
            )
        if self.budget is not None and not 0 < self.budget < float("inf"):
            raise UsageError(
                f"`budget` is a number of seconds above 0, got {self.budget:g}. Try 60."
            )

    @property
    def modes(self) -> tuple[str, ...]:
        """Kinds of shift that are measured."""
        if self.shift is not None:
            return self.shift
        if self.full:
            return MODES
        return tuple(m for m in MODES if m in {*DEFAULT_SHIFTS, *(self.maps or ())})

    @property
    def samples_given(self) -> bool:
        """Whether the number of samples is fixed, however long it takes."""
        return self.n is not None or self.every_sample

    def widened(self, keys: Iterable[tuple[str, ...]], extras: Iterable[str]) -> AuditConfig:
        """The same, with all that these figures need; what was switched off stays off.

        Args:
            keys: of figures in the result, as a bound names them.
            extras: keys of what is measured beside shifts and layers.

        Example:
            >>> keys = [("shift", "zeros", "flip_rate"), ("rotation", "n")]
            >>> AuditConfig().widened(keys, ["rotation"]).modes
            ('circular', 'crop', 'zeros')
            >>> AuditConfig().widened([("shift", "crop", "worst_case_accuracy")], []).maps
            ('crop',)
        """
        config, known = self, set(extras)
        for key in keys:
            first, *rest = key[1:] if key[0] in ("against", "baseline") and key[1:] else key
            if first in known and getattr(config, first, False) is None:
                config = replace(config, **cast("dict[str, Any]", {first: True}))
            elif first == "shift" and rest:
                config = config._with_shift(rest[0], rest[1:])
            elif first == "layers" and rest and "rotation" in rest[-1]:
                config = replace(
                    config, rotation=True if config.rotation is None else config.rotation
                )
            elif first == "layers" and rest and rest[-1].startswith("lie"):
                config = replace(config, lie=True if config.lie is None else config.lie)
            elif first == "compared" and rest and config.shift is None:
                config = replace(config, shift=MODES if rest[0] > "1" else config.modes)
        return config

    def _with_shift(self, mode: str, rest: list[str]) -> AuditConfig:
        config = self
        if config.shift is None and mode in MODES:
            config = replace(config, shift=tuple(m for m in MODES if m in {*config.modes, mode}))
        mapped = bool(rest) and rest[0] in ("map", "worst_case_accuracy")
        if mapped and mode in config.modes and mode not in (config.maps or ()):
            config = replace(config, maps=(*(config.maps or ()), mode))
        return config
