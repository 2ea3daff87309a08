"""Make a trained network invariant to a group of poses, whatever it was trained on.

What does it is `neocog.layers.symmetrized`; here it is chosen, checked and described.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from neocog.errors import ModelError, UsageError, did_you_mean
from neocog.layers.symmetrized import BY, Symmetrized
from neocog.surgery.result import Replaced
from neocog.symmetry.poses import check_size, finite_group, poses_in_words
from neocog.types import ModelSpec

__all__ = ["Symmetry", "of_card", "symmetrize", "symmetry_of"]


@dataclass(frozen=True)
class Symmetry:
    """A group, and how a network is made invariant to it.

    Args:
        group: one of `symmetry.poses.GROUPS`.
        by: one of `layers.symmetrized.BY`.

    Raises:
        UsageError: there is no such group or way, or it does not work for the group.

    Example:
        >>> Symmetry("c4").passes, Symmetry("d4", "canonical").passes
        (4, 1)
    """

    group: str
    by: str = "averaging"

    def __post_init__(self) -> None:
        """Check both names."""
        known = finite_group(self.group)
        object.__setattr__(self, "group", known.name)
        if self.by not in BY:
            raise UsageError(
                f"`by` is how a network is made invariant, got `{self.by[:40]}`. "
                f"{did_you_mean(self.by, BY)}"
            )
        if self.by == "canonical" and not known.keeps_grid:
            exact = "d4" if known.mirror else "c4"
            raise UsageError(
                f"A canonical pose is chosen among poses that permute pixels, and {known.name} "
                f"interpolates. Take {exact}, or `averaging`."
            )

    @property
    def passes(self) -> int:
        """Passes of the network for one image."""
        return finite_group(self.group).order if self.by == "averaging" else 1

    def options(self) -> dict[str, str]:
        """As `fix` takes them."""
        return {"symmetry": self.group, "by": self.by}

    def replaced(self) -> Replaced:
        """The network as one replacement."""
        known = finite_group(self.group)
        now = (
            f"the mean over {self.passes} poses, weighted by evidence: {poses_in_words(known)}"
            if self.by == "averaging"
            else f"one pass, in the canonical pose among {poses_in_words(known)}"
        )
        return Replaced(
            name="symmetry", was="one pass, as the image comes", now=now, group="symmetry"
        )

    def remarks(self) -> tuple[str, ...]:
        """What is exact, and what it costs."""
        known = finite_group(self.group)
        words = poses_in_words(known)
        if self.by == "canonical":
            note = (
                "The pose with the largest third moment of a small filter's responses is chosen, "
                f"which is invariant to {words} and to circular shifts; the network runs once. Two "
                "poses of equal score are a tie, and either may be chosen where the image is not "
                "the same in both."
            )
            return (note,)
        cost = f"The network runs on {self.passes} poses of an image: {self.passes}× the MACs."
        if known.keeps_grid:
            return (f"{cost} {words[0].upper()}{words[1:]} permute pixels: invariance is exact.",)
        exact = (
            "quarter turns are exact, others are not" if known.rotations % 4 == 0 else "not exact"
        )
        return (cost, f"Rotations by other angles than 90° interpolate: {exact}; see their flips.")


def symmetrize(network: nn.Module, symmetry: Symmetry, spec: ModelSpec) -> Symmetrized:
    """A network that is invariant to a group; the given one is part of it.

    Args:
        network: (B, C, H, W) to outputs without space.
        symmetry: the group, and how.
        spec: the size of its images, and what its outputs are.

    Raises:
        UsageError: the images are not square where they must be.
        ModelError: the network is invariant by this means already.

    Example:
        >>> from neocog.types import InputSpec
        >>> signal = InputSpec(channels=1, size=(4, 4), mean=(0.0,), std=(1.0,))
        >>> spec = ModelSpec(task="classify", classes=("no", "yes"), input=signal)
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> symmetrize(net, Symmetry("c4"), spec).group.name
        'c4'
    """
    known = finite_group(symmetry.group)
    check_size(known, spec.input.size)
    if (held := symmetry_of(network)) is not None:
        raise ModelError(
            f"A network is made invariant once, and this one is by {held.by} over "
            f"{held.group.upper()} already. Take the network before that."
        )
    return BY[symmetry.by](network, known, logits=spec.output.kind == "logits")


def symmetry_of(network: nn.Module) -> Symmetry | None:
    """What `symmetrize` made of a network; None of any other."""
    if not isinstance(network, Symmetrized):
        return None
    return Symmetry(network.group.name, network.by)


def of_card(held: Any) -> Symmetry | None:
    """The symmetry that model.json states; None where it states none.

    Raises:
        ModelError: it is no symmetry.
    """
    if held is None:
        return None
    try:
        return Symmetry(str(held["group"]), str(held["by"]))
    except (UsageError, KeyError, TypeError) as e:
        raise ModelError(
            f"model.json states the symmetry of a network as a group and a way; got {held!r:.80}. "
            "Fix the model again."
        ) from e
