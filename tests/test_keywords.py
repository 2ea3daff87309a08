"""A keyword that a function does not have is refused by the name of the one that was meant."""

from __future__ import annotations

import inspect

import pytest
from torch import nn

import neocog
from neocog.errors import NeocogError
from neocog.explainers.activation_maximization import maximize_activation
from neocog.keywords import UnknownKeyword, known_keywords
from neocog.networks.pretrained import load_pretrained

VERBS = [n for n in neocog.__all__ if n[0].islower()]


@pytest.mark.parametrize("name", VERBS)
def test_every_function_of_the_package_refuses_a_keyword_it_does_not_have(name: str) -> None:
    function = getattr(neocog, name)
    own = next(
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind is p.KEYWORD_ONLY and len(p.name) > 3
    )
    with pytest.raises(UnknownKeyword, match=rf"`{name}` has no argument `{own}x`.*`{own}`"):
        function(**{f"{own}x": 1})


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: neocog.build("dense", classes=10), "num_classes"),  # type: ignore[call-arg]
        (lambda: neocog.build("dense", channels=1), "in_channels"),  # type: ignore[call-arg]
        (lambda: neocog.audit("runs/a", "digits", radius=4), "max_shift"),  # type: ignore[call-arg]
        (lambda: neocog.audit("runs/a", "digits", samples=9), "n"),  # type: ignore[call-arg]
        (lambda: load_pretrained("efficientnet_lite1", channels=1), "in_channels"),  # type: ignore[call-arg]
        (lambda: maximize_activation(nn.ReLU(), "", 0, channels=1), "in_channels"),  # type: ignore[call-arg]
    ],
)
def test_a_name_of_another_library_or_of_before_is_understood(call, meant: str) -> None:
    with pytest.raises(NeocogError, match=f"Did you mean `{meant}`"):
        call()


def test_a_method_of_a_model_is_the_same_function() -> None:
    model = neocog.load(nn.Sequential(nn.Flatten(), nn.Linear(6, 2)), size=(2, 3))
    with pytest.raises(UnknownKeyword, match=r"`audit` has no argument `shifts`.*`shift`"):
        model.audit("digits", shifts="crop")  # type: ignore[call-arg]


def test_it_is_a_type_error_too_and_the_signature_stays() -> None:
    @known_keywords
    def build(name: str, *, width: int = 1) -> int:
        return width

    assert str(inspect.signature(build)) == "(name: 'str', *, width: 'int' = 1) -> 'int'"
    assert build("a", width=3) == 3
    with pytest.raises(TypeError):
        build("a", heigth=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"missing"):
        build(width=3)  # type: ignore[call-arg]
