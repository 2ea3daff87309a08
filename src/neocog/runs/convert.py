"""Change how a trained network downsamples, and what it is invariant to: a copy, the same weights.

A network of ours is rebuilt with other options, so the result is an ordinary run; any other is
converted as a graph.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from neocog.errors import ModelError, UsageError, printable
from neocog.layers.polyphase import LearnedChoice
from neocog.layers.symmetrized import Symmetrized
from neocog.models.model import Model
from neocog.networks.catalog import NETWORKS, build, schema
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.recipe import (
    ModelConfig,
)
from neocog.store.exported import Exported
from neocog.store.tensors import load_state
from neocog.surgery.replace import replace as replace_samplers
from neocog.surgery.result import Replaced, Skipped
from neocog.surgery.symmetrize import Symmetry, symmetrize, symmetry_of
from neocog.training.loop import step_seed
from neocog.types import ModelSpec

__all__ = ["ConvertedModel", "convert", "example_of", "usual_downsampling"]


def usual_downsampling(padding: str) -> str:
    """What a fix swaps in by default: blurs, and polyphase where borders wrap around."""
    return "polyphase" if padding == "circular" else "blur"


@dataclass(frozen=True, kw_only=True)
class ConvertedModel:
    """A model with other downsampling or a new symmetry, not yet fine-tuned.

    Args:
        model: pixels in [0, 1] to logits.
        replaced: downsamplers that were replaced.
        skipped: those that were not, with reasons.
        remarks: remaining limitations.
        network: name and options of a built-in network; None for an external one.
        options: that were requested.
    """

    model: SpecifiedNetwork
    replaced: tuple[Replaced, ...]
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...]
    network: ModelConfig | None
    options: dict[str, Any]


def convert(
    trained: Model,
    *,
    downsampling: str = "",
    padding: str = "keep",
    symmetry: Symmetry | None = None,
    only: Collection[str] | None = None,
    classes: tuple[str, ...] | None = None,
    seed: int = 0,
) -> ConvertedModel:
    """Replace the downsamplers of a copy of a model, and make it invariant to a group.

    Args:
        trained: the model.
        downsampling: one of `layers.downsample.DOWNSAMPLINGS`; "" to leave the downsamplers.
        padding: "keep" or "circular".
        symmetry: what the model is made invariant to; None to leave that.
        only: groups to replace; all if left out.
        classes: class names, where the model has none.
        seed: of the weights of new layers.

    Raises:
        UsageError: the model cannot be converted, or is so already.
        ModelError: it cannot be changed in that way.
    """
    _must_be_open(trained)
    network, held = trained.module.network, symmetry_of(trained.module.network)
    spec = trained.spec
    if classes is not None:
        spec = replace(spec, classes=classes)
    if not downsampling:
        assert symmetry is not None
        return _invariant(trained, spec, symmetry)
    if isinstance(network, Symmetrized):  # its inside is converted, and it stays what it is
        network = network.inner
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(step_seed(seed, -1))
        done = replace_samplers(
            network, example_of(spec), downsampling=downsampling, padding=padding, only=only
        )
        ours = _ours(trained, downsampling, padding) if only is None else None
        if ours is None:
            changed, replaced, skipped = done.module, done.replaced, done.skipped
        else:
            changed = _rebuilt(network, ours, spec)
            now = f"{downsampling} (an option of the network)"
            replaced = tuple(replace(r, now=now) for r in done.replaced) or _option(trained, now)
            skipped = ()
    if not replaced and (padding == "keep" or ours is not None):
        why = "; ".join(f"`{w.name}`: {w.reason}" for w in skipped[:3])
        raise ModelError(
            f"A fix replaces downsamplers, and in `{printable(trained.path)}` nothing can "
            f"be replaced{f' ({why})' if why else ': it has none'}. Audit it to see why."
        )
    options: dict[str, Any] = {"downsampling": downsampling, "padding": padding}
    if only is not None:
        options["only"] = sorted(only)
    remarks = done.remarks
    if held is not None and symmetry is not None:
        symmetrize(trained.module.network, symmetry, spec)  # which refuses
    if kept := symmetry or held:
        changed = symmetrize(changed, kept, spec)
    if symmetry is not None:
        options |= symmetry.options()
        replaced, remarks = (*replaced, symmetry.replaced()), (*remarks, *symmetry.remarks())
    model = SpecifiedNetwork(changed, spec).eval()
    return ConvertedModel(
        model=model,
        replaced=replaced,
        skipped=skipped,
        remarks=remarks,
        network=ours,
        options=options,
    )


def _invariant(trained: Model, spec: ModelSpec, symmetry: Symmetry) -> ConvertedModel:
    """A copy of a model that is invariant, its downsamplers as they were."""
    network = copy.deepcopy(trained.module.network)
    changed = symmetrize(network, symmetry, spec)
    return ConvertedModel(
        model=SpecifiedNetwork(changed, spec).eval(),
        replaced=(symmetry.replaced(),),
        skipped=(),
        remarks=symmetry.remarks(),
        network=_built_in(trained),
        options=symmetry.options(),
    )


def _built_in(trained: Model) -> ModelConfig | None:
    """A network of ours as it is, to be rebuilt; None for any other."""
    card: dict[str, Any] = trained.card.get("network", {})
    if card.get("name", "") not in NETWORKS or (trained.path / "model.pt2").exists():
        return None
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in card["options"].items()}
    return ModelConfig(name=card["name"], init=str(trained.path), options=options)


def _must_be_open(trained: Model) -> None:
    """Refuse a model that cannot be traced with any batch size."""
    if trained.black_box:
        raise UsageError(
            f"A fix replaces layers of a network, and `{printable(trained.path)}` is a black "
            "box. Fix the network that it was exported from."
        )
    network = trained.module.network
    network = network.inner if isinstance(network, Symmetrized) else network
    if isinstance(network, Exported) and network.batch is not None:
        raise ModelError(
            f"A fix traces a network with any batch size, and `{printable(trained.path)}` "
            f"was exported with a fixed batch size of {network.batch}. Export it with a dynamic "
            "batch size, `dynamic_shapes=({0: torch.export.Dim('batch')},)`."
        )


def example_of(spec: ModelSpec) -> Tensor:
    """Two normalized samples of the input size."""
    signal = spec.input
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, signal.channels, *signal.size, generator=generator)


def _ours(trained: Model, downsampling: str, padding: str) -> ModelConfig | None:
    """The same network with other options, if it is built in."""
    built_in = _built_in(trained)
    if built_in is None:
        return None
    name, options = built_in.name, dict(built_in.options)
    known = {o.name for o in schema(name)}
    if not {"downsampling", "padding"} <= known:
        return None
    wanted = {"downsampling": downsampling}
    if padding != "keep":
        wanted["padding"] = padding
    if all(options.get(k) == v for k, v in wanted.items()):
        raise UsageError(
            f"The fix would change nothing, as `{printable(trained.path)}` has "
            f"{' and '.join(f'{k} {v}' for k, v in wanted.items())} already. Choose another."
        )
    return replace(built_in, options=options | wanted)


def _rebuilt(network: nn.Module, ours: ModelConfig, spec: ModelSpec) -> nn.Module:
    signal = spec.input
    new = build(
        ours.name,
        num_classes=len(spec.classes),
        in_channels=signal.channels,
        size=signal.image_size,
        options=ours.options,
    )
    # A chooser comes and goes with its sampling; every other weight has its place in both.
    mine, theirs = new.state_dict(), network.state_dict()
    held = {k: v for k, v in theirs.items() if k in mine or k not in _chooser(network)}
    fresh = {k: mine[k] for k in _chooser(new)}
    load_state(new, fresh | held, f"`{printable(ours.init)}`")
    return new


def _chooser(network: nn.Module) -> set[str]:
    """Names of the weights of learned phase selection."""
    parts = [(n, m) for n, m in network.named_modules() if isinstance(m, LearnedChoice)]
    return {f"{name}.{key}" for name, part in parts for key in part.state_dict()}


def _option(trained: Model, now: str) -> tuple[Replaced, ...]:
    """The whole network as one replacement, where its downsampling is an option."""
    was = trained.card["network"]["options"].get("downsampling", "stride")
    if was == "stride":
        return ()
    return (Replaced(name="downsampling", was=was, now=now, group="downsampling"),)
