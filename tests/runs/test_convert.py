"""Weights of a network that is built again with other options."""

import pytest
import torch
from tests.runs.untrained import trained

from neocog.errors import ModelError
from neocog.runs.convert import convert


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("learned_polyphase", "polyphase"),
        ("polyphase", "learned_polyphase"),
        ("learned_polyphase", "blur"),
    ],
)
def test_a_chooser_comes_and_goes_and_every_other_weight_stays(was: str, now: str) -> None:
    model = trained(was)
    before = model.module.network.state_dict()
    mended = convert(model, downsampling=now, padding="keep")
    after = mended.model.network.state_dict()
    shared = [k for k in before if ".choose." not in k]
    assert len(shared) > 5
    assert all(torch.equal(after[k], before[k]) for k in shared)
    assert {k for k in after if k not in shared} == {k for k in after if ".choose." in k}


def test_a_chooser_keeps_what_it_learned_where_its_sampling_stays() -> None:
    model = trained("learned_polyphase")
    before = model.module.network.state_dict()
    after = convert(
        model, downsampling="learned_polyphase", padding="circular"
    ).model.network.state_dict()
    assert any(".choose." in k for k in before)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_a_weight_without_a_place_is_said() -> None:
    model = trained("stride")
    model.module.network.register_buffer("odd", torch.zeros(1))
    with pytest.raises(ModelError, match=r"runs/small.*1 unexpected \(`odd`\)"):
        convert(model, downsampling="blur", padding="keep")
