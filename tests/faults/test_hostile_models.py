"""Models from elsewhere whose files were tampered with, cut, mixed up or are enormous."""

import json
import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from tests.store.made import Edit, network, program, tampered, weights, write_onnx

from neocog.cli.main import main
from neocog.errors import NeocogError
from neocog.store.exported import load_exported, save_exported
from neocog.store.weights import load_weights

ROOT = Path(__file__).resolve().parents[2]
TOLD = ["--mean", "0.5", "--std", "0.5"]
RECORDS = (
    "models/model.json",
    "data/weights/model_weights_config.json",
    "data/sample_inputs/model.pt",
    "data/weights/weight_0",
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported program."""
    file = tmp_path_factory.mktemp("program") / "good.pt2"
    save_exported(network(), file, torch.rand(3, 1, 28, 28))
    return file


class _Trap:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def pickled(path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(1)}, "args": _Trap()}, path)


def endless(records: dict[str, bytes]) -> None:
    """Weights of a terabyte, in a record of no bytes."""
    weights(lambda c: c["0.weight"]["tensor_meta"].update(sizes=[{"as_int": 2**38}]))(records)
    records["data/weights/weight_0"] = b""


EDITS: dict[str, Edit] = {
    "code": program(lambda p: p["range_constraints"].update({"exec('1')": {"min_val": 1}})),
    "endless": endless,
    "cut": lambda r: r.update({"data/weights/weight_0": r["data/weights/weight_0"][:-4]}),
    "pickle": lambda r: r.update({"data/sample_inputs/model.pt": b"\x80\x04."}),
    "empty": lambda r: r.clear(),
}


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """What a command says before it leaves with status 2."""
    with pytest.raises(SystemExit) as left:
        main([str(w) for w in words])
    out, err = capsys.readouterr()
    assert left.value.code == 2, err
    assert out == ""
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    return err


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
@pytest.mark.parametrize("name", EDITS)
def test_a_hostile_program_is_one_sentence(
    good: Path, tmp_path: Path, name: str, verb: str, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = tmp_path / "bad.pt2"
    if name == "empty":
        bad.write_bytes(b"PK\x05\x06" + bytes(18))
    else:
        tampered(good, bad, EDITS[name])
    said(capsys, verb, bad, "digits", *TOLD)
    assert not (tmp_path / "executed").exists()


def _cut(path: Path) -> None:
    torch.save(network(3, 10).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])


WEIGHTS: dict[str, Callable[[Path], object]] = {
    "pickle": pickled,
    "cut": _cut,
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("hello " * 100),
    "no such length": lambda p: p.write_bytes(struct.pack("<Q", 2**60) + b"{}"),
    "header of 99 MB": lambda p: p.write_bytes(struct.pack("<Q", 99_000_000) + b"{}"),
    "folder": lambda p: p.mkdir(),
    "image": lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "wrong shapes": lambda p: torch.save(network(3, 9).state_dict(), p),
    "names of control": lambda p: p.write_bytes(save({"a\x1b[2J\n": torch.ones(1)})),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_hostile_weights_are_one_sentence(name: str, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    WEIGHTS[name](tmp_path / "w")
    told = ["--weights", str(tmp_path / "w"), "--size", "3,32,32", *TOLD]
    error = said(capsys, "evaluate", "tests.strangers.resnet20:make", "digits", *told)
    assert "\x1b" not in error
    assert not Path("executed").exists()


@pytest.mark.parametrize("keep", [0, 10, 100, -1])
def test_an_onnx_file_that_is_cut_off_is_one_sentence(tmp_path: Path, keep: int, capsys) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    file = write_onnx(tmp_path / "x.onnx", shape=(1, 28, 28))
    file.write_bytes(file.read_bytes()[:keep])
    said(capsys, "evaluate", file, "digits", *TOLD)


def _changed(content: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, some cut out, or a number replaced by one that makes no sense."""
    kind = rng.randrange(3)
    if kind == 0:
        changed = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        return bytes(changed)
    if kind == 1 and (numbers := list(re.finditer(rb"(?<=[ \[])-?\d+(?=[,\]} ])", content))):
        number = rng.choice(numbers)
        other = rng.choice([b"-1", b"0", b"99999999999", b"1e400", b"null", b'"x"', b"[]", b"{}"])
        return content[: number.start()] + other + content[number.end() :]
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randrange(1, 200) :]


@pytest.mark.parametrize("seed", range(40))
def test_a_program_with_random_faults_is_read_or_refused(
    good: Path, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)

    def edit(records: dict[str, bytes]) -> None:
        name = rng.choice((*RECORDS[:2] * 3, *RECORDS))
        records[name] = _changed(records[name], rng)

    message = ""
    try:
        load_exported(tampered(good, tmp_path / "bad.pt2", edit))
    except NeocogError as e:
        message = str(e)
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_weights_with_random_faults_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    net, file = network(), tmp_path / "w.pt"
    if kind == "safetensors":
        file.write_bytes(save(net.state_dict()))
    else:
        torch.save(net.state_dict(), file, _use_new_zipfile_serialization=kind == "zip")
    content = file.read_bytes()
    refused = []
    for seed in range(60):
        file.write_bytes(_changed(content, random.Random(seed)))
        try:
            load_weights(net, file)
        except NeocogError as e:
            refused.append(str(e))
    assert refused, "the faults do no harm"
    assert not any("\n" in message for message in refused)


def test_a_damaged_contract_in_a_program_is_one_sentence(tmp_path: Path, capsys) -> None:
    from neocog.models.external import SPEC_FILE

    for text in ("{", "[]", json.dumps({"task": "classify"})):
        file = tmp_path / "x.pt2"
        save_exported(network(), file, torch.rand(2, 1, 28, 28), texts={SPEC_FILE: text})
        said(capsys, "evaluate", file, "digits")
