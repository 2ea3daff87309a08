"""Options of an external model are written down once, and a verb's signature says them all."""

from __future__ import annotations

import inspect

import pytest

import neocog
from neocog.keywords import UnknownKeyword
from neocog.models.declared import ModelOptions


def test_verbs_name_every_option_of_a_model_with_its_default() -> None:
    known = inspect.signature(neocog.load).parameters
    for verb in (neocog.evaluate, neocog.predict, neocog.export):
        given = inspect.signature(verb).parameters
        assert all(given[name] == known[name] for name in ModelOptions.__annotations__)
        assert not any(p.kind is p.VAR_KEYWORD for p in given.values())


@pytest.mark.parametrize(
    ("verb", "data"),
    [(neocog.evaluate, ("data",)), (neocog.predict, ("x.png",)), (neocog.export, ())],
)
def test_a_verb_refuses_an_unknown_keyword_whatever_its_value(verb, data):
    refused = rf"`{verb.__name__}` has no argument `wieghts`. Did you mean `weights`"
    with pytest.raises(UnknownKeyword, match=refused):
        verb("nets:make", *data, wieghts=None)
