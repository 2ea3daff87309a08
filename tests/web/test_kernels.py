"""Kernels of a layer, on the page."""

import numpy as np
import pytest
from tests.web.questions import graph, node

from neocog.web.session import Session


def test_G1_filters_of_a_layer(ask, session: Session) -> None:
    conv = node(graph(ask), "conv")
    got = ask(f"/api/kernels?node={conv['id']}").json()
    weight = session.networks[0].module.get_submodule(session.networks[0].full(conv["name"])).weight
    assert got["shape"] == list(weight.shape)
    assert np.allclose(got["kernels"][1]["planes"][0], weight[1, 0].detach().numpy(), atol=1e-6)
    assert got["hi"] == pytest.approx(float(weight.detach().abs().max()))
    assert len(got["gabor"]["explained"]) == len(weight)
    linear = node(graph(ask), "linear")
    refused = ask(f"/api/kernels?node={linear['id']}")
    assert refused.status_code == 404
