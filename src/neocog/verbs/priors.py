"""What each prior is worth on a data set: locality, weight sharing, and others."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence

import torch

from neocog.audits.clock import counted
from neocog.data.open import Source, open_data, parse_source
from neocog.errors import UsageError
from neocog.keywords import known_keywords
from neocog.networks.model import SpecifiedNetwork
from neocog.networks.pretrained import installed, load_pretrained
from neocog.runs.features import backbone_of, kept_features
from neocog.runs.native import backbone_size, shapes_of
from neocog.runs.network_choice import (
    MeasuredPrior,
    keep_priors,
    labeled_images,
    split_names,
)
from neocog.training.priors import (
    CONTRASTS,
    PRETRAINED,
    LabeledImages,
    Training,
    Trainings,
    gradient_norms,
    measure,
)
from neocog.verbs.priors_result import Priors, PriorWorth, curves_of, worth_of
from neocog.verbs.progress import Progress, progress_line

__all__ = ["priors"]

LARGEST, SIZES = 1_000, 3
"""Samples that the figures are of, at most, and points of a learning curve, each half of the
next."""

SECONDS = 50.0
"""For all trainings, where nothing is said of seeds and sizes."""

SEEDS, MANY_SEEDS = 3, 5
"""Draws, and draws where there is time."""

A_CLASS = 2
"""Samples of each class in the smallest draw, on average."""

FEATURES = 600
"""Samples up to which features of a pretrained network are computed within a minute."""

PHOTOGRAPH = 64
"""Shorter side, in pixels, from which on images are worth showing to a pretrained network."""

SHALLOW = ("dense", "local", "convolutional", "anti-aliased")
DEEP = ("deep", "deep, batch norm", "deep, residual", "deep, residual, batch norm")


@known_keywords
def priors(
    source: str | os.PathLike[str],
    *,
    sizes: Sequence[int] | None = None,
    seeds: int | None = None,
    full: bool = False,
    strict: bool = False,
    progress: Progress = True,
) -> Priors:
    """What weight sharing, locality and other priors are worth on this data.

    By default it takes about a minute, and says what it left out. With `sizes`, `seeds` or `full`
    nothing depends on the clock.

    Args:
        source: `digits`, a folder or a file, labeled. Samples are drawn from its training and
            validation images; of `DATA:train`, from that split.
        sizes: numbers of images to train on; the figures are of the largest.
        seeds: draws.
        full: every twin at every size, on shuffled pixels too, with five seeds, whatever time it
            takes.
        strict: stop at the first file that cannot be used.
        progress: shown on standard error, as by the command; False for none, or a function that is
            called with how far it has come.

    Raises:
        DataError: there are fewer than 60 images, or no two classes.
        UsageError: a size is larger than what there is to train on, or there is no seed.

    Example:
        >>> from neocog.verbs.priors import priors
        >>> priors("digits").worth[0].unshuffled.difference  # doctest: +SKIP
        0.061
    """
    began = time.monotonic()
    if seeds is not None and seeds < 1:
        raise UsageError(f"A figure needs one seed at least, got {seeds}. Give 3 for an interval.")
    where, part = parse_source(source)
    with progress_line("priors", progress) as on_progress:
        opened = open_data(
            where,
            strict=strict,
            part=part,
            progress=counted(on_progress, "reading images"),
        )
        samples = labeled_images(opened, part)
        trained_on = _sizes(samples, sizes)
        pretrained = _photographs(where, samples)
        if pretrained and (full or len(samples.y) <= FEATURES):
            samples = _with_features(opened, part, samples, strict=strict)
        plan = _plan(samples, trained_on, seeds=seeds, full=full)
        bounded = sizes is None and seeds is None and not full
        done = measure(
            samples,
            plan,
            seconds=max(1.0, SECONDS - (time.monotonic() - began)) if bounded else math.inf,
            least=2,  # the twins of the first prior: an answer is given on a busy machine too
            callback=counted(on_progress, "training twins"),
        )
        gradients = gradient_norms(samples, seeds=seeds or SEEDS)
    n = trained_on[-1]
    worth = worth_of(done, n, held_out=samples.held_out)
    if part is None:
        keep_priors(opened.fingerprint, _kept(worth))
    twins = dict.fromkeys(t.twin for t in plan)
    skipped = ("pretrained weights",) if pretrained and samples.features is None else ()
    return Priors(
        source=str(source),
        n=n,
        held_out=samples.held_out,
        classes=opened.classes,
        size=(samples.x.shape[1], samples.x.shape[2], samples.x.shape[3]),
        params={name: done.params[name] for name in twins if name in done.params},
        worth=worth,
        curves=curves_of(done),
        gradients=gradients,
        left_out=(*_left_out(plan, done), *skipped),
        warnings=opened.sheet.warnings,
    )


def _kept(worth: Sequence[PriorWorth]) -> dict[str, MeasuredPrior]:
    """What `train --model auto` goes by, for the next training on this data."""
    return {
        w.contrast.prior: MeasuredPrior(
            difference=w.unshuffled.difference,
            low=w.unshuffled.interval[0],
            high=w.unshuffled.interval[1],
            n=w.n,
        )
        for w in worth
        if w.unshuffled.interval is not None
    }


def _sizes(samples: LabeledImages, sizes: Sequence[int] | None) -> list[int]:
    """Numbers of samples that are trained on, rising."""
    if sizes is None:
        largest = min(LARGEST, samples.most)
        halved = [round(largest / 2**i) for i in reversed(range(SIZES))]
        return [n for n in halved if n >= A_CLASS * samples.num_classes] or [largest]
    if not sizes or min(sizes) < 2 or max(sizes) > samples.most:
        raise UsageError(
            f"Sizes are numbers of images to train on, from 2 to {samples.most:,} (a quarter of "
            f"{len(samples.y):,} is held out); got {', '.join(map(str, sizes)) or 'none'}."
        )
    return sorted(set(sizes))


def _plan(
    samples: LabeledImages, sizes: list[int], *, seeds: int | None, full: bool
) -> list[Training]:
    """Every training, the most important ones first."""
    n, most = sizes[-1], samples.most
    larger = sorted({m for m in (2 * n, 4 * n, most) if n < m <= min(4 * n, most)})
    draws = range(seeds or (MANY_SEEDS if full else SEEDS))
    first = [(name, n, False) for name in (CONTRASTS[0].without, CONTRASTS[0].with_)]
    head = [(name, n, shuffled) for name in SHALLOW for shuffled in (False, True)]
    head = list(dict.fromkeys([*first, *head]))
    smaller = list(reversed(sizes[:-1]))
    curves = [("dense", m, False) for m in (*larger, *smaller)]  # cheap, and labels are read off it
    curves += [("convolutional", m, False) for m in smaller]
    rest = [("local", m, False) for m in (*smaller, *larger)]
    deep = [(name, n, False) for name in DEEP]
    groups = [head, curves, deep, rest, [(SHALLOW[3], m, False) for m in smaller]]
    if full:
        every = [*sizes, *larger]
        groups.append([(k, m, s) for k in SHALLOW for m in every for s in (False, True)])
        groups.append([(name, n, True) for name in DEEP])
    if samples.features is not None:
        groups.append([(PRETRAINED, m, False) for m in sizes])
    plan = [Training(*what, seed) for g in groups for seed in draws for what in g]
    if seeds is None and not full:
        plan += [Training(*what, seed) for seed in range(SEEDS, MANY_SEEDS) for what in head]
    return list(dict.fromkeys(plan))


def _left_out(plan: Sequence[Training], done: Trainings) -> tuple[str, ...]:
    """What there was no time for, in words."""
    missing = [t for t in plan if t not in done.accuracy]
    if not missing:
        return ()
    tried = {(t.twin, t.n, t.shuffled) for t in done.accuracy}
    whole = [t for t in missing if (t.twin, t.n, t.shuffled) not in tried]
    out = []
    for twin, shuffled in sorted({(t.twin, t.shuffled) for t in whole}):
        sizes = sorted({t.n for t in whole if (t.twin, t.shuffled) == (twin, shuffled)})
        images = "shuffled images" if shuffled else "images"
        out.append(f"{twin} on {', '.join(f'{n:,}' for n in sizes)} {images}")
    if seeds := len(missing) - len(whole):
        one = "1 repetition with another seed"
        out.append(one if seeds == 1 else f"{seeds} repetitions with other seeds")
    return tuple(out)


def _photographs(where: str, samples: LabeledImages) -> bool:
    """Whether pretrained weights are here, and the images are color photographs."""
    if samples.x.shape[1] != 3 or not installed():
        return False
    return shapes_of(where).side >= PHOTOGRAPH


def _with_features(
    opened: Source, part: str | None, samples: LabeledImages, *, strict: bool
) -> LabeledImages:
    """With the features of a pretrained network, of the images at the size that suits it."""
    known = next((w for w in installed() if w.name == "efficientnet_lite1"), installed()[0])
    size = backbone_size(known.input, shapes_of(opened.path))
    again = open_data(opened.path, size=size, channels=3, strict=strict, part=part)
    loaded = load_pretrained(known.name, size=size)
    backbone = backbone_of(SpecifiedNetwork(loaded.network, loaded.spec), known.name)
    parts, start = [], 0
    for name in split_names(again, part):
        split = again.split(name)
        own = samples.rows[(samples.rows >= start) & (samples.rows < start + len(split))] - start
        data = f"{again.fingerprint} {name} priors"
        parts.append(kept_features(backbone, split, own, data=data))
        start += len(split)
    return samples.with_features(torch.cat(parts))
