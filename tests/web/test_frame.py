import json

import numpy as np
import torch
from tests.web.frames import read

from neocog.web.frame import Frame, plain


def test_a_frame_says_where_its_maps_are() -> None:
    frame = Frame()
    header = {"image": frame.add(torch.rand(1, 2, 3)), "maps": [], "cam": None}
    torch.manual_seed(0)
    signed = torch.randn(4, 5)
    header["maps"] = [{"node": 3, **frame.add(signed)}, {"node": 4, **frame.add(torch.ones(2))}]
    found = read(frame.bytes(header))
    assert [m["node"] for m in found["maps"]] == [3, 4]
    first = found["maps"][0]
    assert first["lo"] == -first["hi"]
    step = (first["hi"] - first["lo"]) / 255
    assert np.abs(first["values"] - signed.numpy()).max() <= step / 2 + 1e-6
    assert found["maps"][1]["lo"] == 0


def test_the_scale_can_be_held_still() -> None:
    assert Frame().add(torch.tensor([0.5]), most=2.0)["hi"] == 2.0
    assert Frame().add(torch.tensor([0.5]), least=-3.0)["lo"] == -3.0


def test_numbers_that_json_has_not_are_null_and_maps_hold_none() -> None:
    assert json.dumps(plain({"a": [float("inf"), 1.5]}), allow_nan=False) == '{"a": [null, 1.5]}'
    said = Frame().add(torch.tensor([float("nan"), 1.0]))
    assert said["hi"] == 1.0
