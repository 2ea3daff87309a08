import json
from pathlib import Path


def test_table_and_sentences(call) -> None:
    said = call("summary", "resnet18", "--size", "3,224,224", "--classes", "1000")
    assert said.status == 0
    assert "11,689,512" in said.out
    assert "1,814,073,344" in said.out
    assert "stride 2 at size 224 cannot be 4-fold symmetric" in said.out
    assert "225×225" in said.out
    assert "layer4.1.conv2" in said.out
    assert said.err == ""


def test_json_is_one_object(call) -> None:
    said = call("summary", "lenet5", "--size", "1,32,32", "--json")
    assert said.status == 0
    found = json.loads(said.out)
    assert (found["params"], found["status"]) == (60_000, "complete")


def test_a_run_folder_knows_its_size(call, digits_run: Path) -> None:
    said = call("summary", digits_run, "--json")
    assert said.status == 0
    assert json.loads(said.out)["size"] == [1, 28, 28]
    larger = call("summary", digits_run, "--size", "1,32,32", "--json")
    assert larger.status in (0, 2)  # a dense head may not take it; then a sentence says so
    assert larger.status == 0 or "fails on one of 1×32×32" in larger.err


def test_a_series(call) -> None:
    said = call("summary", "torch.nn:Flatten", "--size", "2,9")
    assert said.status == 0
    assert "2×9" in said.out


def test_wrong_use_is_a_sentence(call) -> None:
    said = call("summary", "resnet51", "--size", "3,32,32")
    assert said.status == 2
    assert "Did you mean" in said.err
    said = call("summary", "resnet50", "--size", "large")
    assert said.status == 2
    assert "C,H,W" in said.err
    assert call("summary", "/nowhere").status == 2
