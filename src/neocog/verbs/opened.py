"""What a verb is given, as the one class of opened models, and data beside it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from torch import nn

from neocog.data.inputs import Inputs, as_samples, is_path
from neocog.data.open import open_data, parse_source
from neocog.data.samples import Samples
from neocog.data.series import series_at
from neocog.keywords import check_keywords
from neocog.models.declared import ModelOptions
from neocog.models.external import as_it_is
from neocog.models.model import AnyModel, Model
from neocog.models.scoring import space_axes
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.load import load

__all__ = ["opened", "with_model_options"]

Verb = TypeVar("Verb", bound=Callable[..., Any])


def with_model_options(verb: Verb) -> Verb:
    """A verb that takes `ModelOptions`, whose signature names each of them, as that of `load`.

    A keyword that is none of them is refused by name, whatever its value.
    """
    signature = inspect.signature(verb)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    known = inspect.signature(load).parameters
    named = [known[name] for name in ModelOptions.__annotations__]
    signature = signature.replace(parameters=[*own, *named])

    @functools.wraps(verb)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check_keywords(verb.__name__, kwargs, signature.parameters)
        return verb(*args, **kwargs)

    vars(checked)["__signature__"] = signature
    return cast(Verb, checked)


def opened(
    model: AnyModel,
    data: Any = None,
    options: ModelOptions | None = None,
    *,
    task: str | None = None,
    shape: Sequence[int] | None = None,
    n: int | None = None,
    seed: int = 0,
) -> tuple[Model, Any]:
    """A model as every verb takes it; a module of unknown size takes that of the data.

    Args:
        model: what `neocog.load` takes, or gives.
        data: a path, or what `neocog.data.inputs` takes; None for no data.
        options: of an external model; of a module at hand those it does not say itself.
        task: of a module, where it does not say it.
        shape: of a sample of a module, where the data does not say it.
        n: samples that are needed, where they come one by one.
        seed: of that draw.

    Returns:
        The model, and the data: read already where its size had to be known.

    Raises:
        NeocogError: the model or the data cannot be opened.
    """
    options = options or {}
    described = any(v is not None for name, v in options.items() if name != "allow_random")
    if described or not isinstance(model, nn.Module):
        opened_model = load(model, **options)
        return opened_model, opened_model.taken(data)
    if shape is None and data is not None and not isinstance(model, SpecifiedNetwork):
        data, shape = _sized(model, data, n, seed)
    random = options.get("allow_random", False)
    size = None if shape is None else tuple(int(n) for n in shape)
    opened_model = as_it_is(model, size, task=task or "classify", allow_random=random)
    return opened_model, opened_model.taken(data)


def _sized(module: nn.Module, data: Any, n: int | None, seed: int) -> tuple[Any, tuple[int, ...]]:
    """Data and the shape of its samples."""
    if is_path(data) and space_axes(module) != 1:
        samples = Samples.of(open_data(parse_source(data)[0]).whole)
    elif is_path(data):
        samples = data = series_at([data], ())
    else:
        held: Inputs = as_samples(data, axes=space_axes(module), n=n, seed=seed)
        samples, data = held.samples, held
    return data, (samples.channels, *samples.size)
