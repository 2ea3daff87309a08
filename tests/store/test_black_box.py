import copy
import sys
from pathlib import Path

import pytest
import torch
from tests.store.made import write_onnx

from neocog.errors import ModelError
from neocog.store.black_box import load_onnx

pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
pytest.importorskip("onnx", reason="needs the extra `onnx`")

X = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
EXPECTED = X.flatten(1) @ (torch.arange(48).float() / 10).reshape(16, 3)


@pytest.mark.parametrize(("batch", "known"), [("N", None), (1, 1), (2, 2), (8, 8)])
def test_answers_are_those_of_the_file_for_any_number_of_samples(
    tmp_path: Path, batch: int | str, known: int | None
) -> None:
    box, texts = load_onnx(write_onnx(tmp_path / "x.onnx", batch=batch))
    assert (box.batch, box.shape, texts) == (known, (1, 4, 4), {})
    layout = X.contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.inference_mode():
        # Sums of 16 products below 5 in float32, added in another order.
        torch.testing.assert_close(box(X), EXPECTED, atol=1e-4, rtol=0)
    torch.testing.assert_close(box(layout), EXPECTED, atol=1e-4, rtol=0)
    assert not box(layout).requires_grad
    assert not list(box.parameters())
    torch.testing.assert_close(copy.deepcopy(box)(X), EXPECTED, atol=1e-4, rtol=0)


def test_a_size_that_the_file_leaves_open_is_not_known(tmp_path: Path) -> None:
    box, _ = load_onnx(write_onnx(tmp_path / "x.onnx", shape=(16, "H", "W")))
    assert box.shape is None


def test_input_of_another_shape_is_a_sentence(tmp_path: Path) -> None:
    box, _ = load_onnx(write_onnx(tmp_path / "x.onnx"))
    with pytest.raises(ModelError, match=r"on input of shape \(2, 1, 5, 4\) it fails") as e:
        box(torch.zeros(2, 1, 5, 4))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("content", [b"", b"nothing", bytes(100), None])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    file = write_onnx(tmp_path / "x.onnx")
    file.write_bytes(file.read_bytes()[:-50] if content is None else content)
    with pytest.raises(ModelError, match=r"must be one that ONNX Runtime reads; .* is not: ") as e:
        load_onnx(file)
    assert "\n" not in str(e.value)


def test_a_missing_file_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is none at"):
        load_onnx(tmp_path / "none.onnx")


def test_a_missing_runtime_is_said_to_be_so(tmp_path: Path, monkeypatch) -> None:
    file = write_onnx(tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"needs ONNX Runtime, .*pip install 'neocog\[onnx\]'"):
        load_onnx(file)


def test_a_file_that_takes_whole_numbers_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [helper.make_node("Identity", ["i"], ["o"])],
        "whole",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["N", 3])],
        [helper.make_tensor_value_info("o", TensorProto.INT64, ["N", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    save(model, tmp_path / "x.onnx")
    with pytest.raises(ModelError, match=r"one tensor of floats, .* takes `i` tensor\(int64\)"):
        load_onnx(tmp_path / "x.onnx")
