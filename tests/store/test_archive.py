"""Each way in which an archive could run code is closed, before PyTorch reads it."""

import io
import json
import os
from pathlib import Path

import pytest
import torch
from tests.store.made import Edit, program, tampered, weights

from neocog.errors import ModelError, UnsafeWeights
from neocog.store.archive import check_archive
from neocog.store.exported import load_exported


class _Trap:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def pickled() -> bytes:
    room = io.BytesIO()
    torch.save(((_Trap(),), {}), room)
    return room.getvalue()


RUN = "__import__('os').mkdir('executed')"
NODES = lambda p: p["graph_module"]["graph"]["nodes"]  # noqa: E731


def sizes(text: str) -> Edit:
    def change(p) -> None:
        values = p["graph_module"]["graph"]["tensor_values"]
        values["x" if "x" in values else "input"]["sizes"][0]["as_expr"]["expr_str"] = text

    return program(change)


def spec(kind: object, context: object) -> Edit:
    text = json.dumps([1, {"type": kind, "context": json.dumps(context), "children_spec": []}])

    def change(p) -> None:
        p["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = text

    return program(change)


def renamed(name: str) -> Edit:
    """The name of the first value, wherever it stands."""

    def edit(records) -> None:
        text = records["models/model.json"].decode()
        records["models/model.json"] = text.replace('"conv2d"', json.dumps(name)).encode()

    return edit


def first(change) -> Edit:
    return weights(lambda c: change(next(iter(c.values()))))


CLOSED = {
    "pickled weight": lambda r: (
        first(lambda w: w.update(use_pickle=True))(r),
        r.update({"data/weights/weight_0": pickled()}),
    ),
    "pickled inputs": lambda r: r.update({"data/sample_inputs/model.pt": pickled()}),
    "custom object": weights(
        lambda c: c.update(x={"path_name": "custom_obj_0", "use_pickle": True}), "constants"
    ),
    "opaque object": weights(
        lambda c: c.update(x={"path_name": "opaque_obj_0", "use_pickle": True}), "constants"
    ),
    "path of a weight": first(lambda w: w.update(path_name="../../etc/passwd")),
    "older layout": lambda r: r.update({"data/weights/model.pt": pickled()}),
    "compiled code": lambda r: r.update({"data/aotinductor/model/model.so": b"\x7fELF"}),
    "another program": lambda r: r.update({"models/other.json": r["models/model.json"]}),
    "expression": sizes(RUN),
    "attribute": sizes("Symbol('s0').__class__"),
    "function of sympy": sizes("lambdify(s0, 's0')"),
    "power": sizes("9**9**9**9"),
    "shift": sizes("1<<99999999999"),
    "repeated text": sizes("'s0'*99999999999"),
    "repeated tuple": sizes("(s0, s1)*99999999999"),
    "repeated choice": sizes("('s0' or 's1')*99999999999"),
    "repeated sum": sizes("Add((s0, s1))*99999999999"),
    "long expression": sizes("+".join(["s0"] * 5000)),
    "symbol": sizes("Symbol('os.system')"),
    "range": program(lambda p: p["range_constraints"].update({RUN: {"min_val": 1}})),
    "endless count": program(lambda p: p["range_constraints"].update(u99999999999={"min_val": 1})),
    "torch.hub": program(lambda p: NODES(p)[0].update(target="torch.hub.load")),
    "torch.load": program(lambda p: NODES(p)[0].update(target="torch.load")),
    "files": program(lambda p: NODES(p)[0].update(target="torch.ops.aten.from_file.default")),
    "library": program(lambda p: NODES(p)[0].update(target="torch.ops.load_library")),
    "operator": program(lambda p: NODES(p)[0].update(target="_operator.methodcaller")),
    "extension": program(lambda p: NODES(p)[0].update(target="#x:y")),
    "name of a node": renamed(f"x={RUN}"),
    "name of a node in lines": renamed("a\nimport os"),
    "name of a module": program(
        lambda p: NODES(p)[0]["metadata"].update(nn_module_stack=f'a,b"{RUN},c')
    ),
    "container": spec("collections.defaultdict", {"default_factory_module": "antigravity"}),
    "enumeration": spec("builtins.dict", [{"__enum__": True, "fqn": "antigravity:X"}]),
    "named tuples": program(
        lambda p: p["graph_module"].update(treespec_namedtuple_fields={"a": {"field_names": []}})
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_what_could_run_code_is_refused(
    program_file: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = tampered(program_file, tmp_path / "bad.pt2", CLOSED[name])
    with pytest.raises(UnsafeWeights, match=r"no more than compute; `.*bad\.pt2` ") as e:
        load_exported(bad)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "executed").exists()


def test_a_copy_that_was_not_tampered_with_is_read(program_file: Path, tmp_path: Path) -> None:
    good = tampered(program_file, tmp_path / "good.pt2", lambda r: None)
    assert check_archive(good) == {"note.txt": "hello"}
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(load_exported(good)[0](x), load_exported(program_file)[0](x))


def test_records_that_grow_when_they_are_read_are_refused(
    program_file: Path, tmp_path: Path
) -> None:
    bad = tampered(
        program_file,
        tmp_path / "bad.pt2",
        lambda r: r.update({"data/weights/weight_0": bytes(10_000_000)}),
        compress=True,
    )
    with pytest.raises(UnsafeWeights, match="overlap or are compressed"):
        check_archive(bad)


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: r.pop("models/model.json"),
        lambda r: r.pop("data/weights/model_weights_config.json"),
        lambda r: r.pop("data/weights/weight_0"),
        lambda r: r.update({"models/model.json": b"{"}),
        lambda r: r.update({"models/model.json": b"[" * 100_000}),
        lambda r: r.update({"models/model.json": b"\xff\xfe"}),
        program(lambda p: p.pop("graph_module")),
        program(lambda p: p["graph_module"].update(graph=3)),
        program(lambda p: NODES(p).clear()),
        program(lambda p: NODES(p)[0].update(target="torch.ops.aten.no_such_thing.default")),
        program(lambda p: p["schema_version"].update(major=999)),
        first(lambda w: w["tensor_meta"]["sizes"].append({"as_int": 1000})),
        first(lambda w: w["tensor_meta"].update(dtype=99)),
        lambda r: r.update({"data/weights/weight_0": b"123"}),
        lambda r: r.update(archive_version=b"99"),
    ],
)
def test_a_damaged_archive_is_a_sentence(program_file: Path, tmp_path: Path, edit: Edit) -> None:
    bad = tampered(program_file, tmp_path / "bad.pt2", edit)
    with pytest.raises(ModelError, match=r"bad\.pt2") as e:
        load_exported(bad)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -1])
def test_an_archive_that_is_cut_off_is_a_sentence(
    program_file: Path, tmp_path: Path, keep: int
) -> None:
    bad = tmp_path / "bad.pt2"
    bad.write_bytes(program_file.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"is none, or is damaged \("):
        load_exported(bad)


def test_a_state_dict_is_no_program(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt2")
    with pytest.raises(ModelError, match=r"holds `data\.pkl`.*module:factory --weights"):
        load_exported(tmp_path / "w.pt2")


def test_guards_are_never_made(program_file: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    edit = program(lambda p: p.update(guards_code=[RUN]))
    loaded, _ = load_exported(tampered(program_file, tmp_path / "x.pt2", edit))
    loaded(torch.rand(2, 1, 8, 8))
    assert not (tmp_path / "executed").exists()
