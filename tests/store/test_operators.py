"""Operators that an exported program may call."""

import re

import torch

from neocog.store.operators import is_operator

FILES = re.compile(r"file|path|name|uri|url|dir$|stream|storage|socket|handle|process|device_index")
"""What arguments are called, or are, that reach beyond tensors."""


def target(full: str, overload: str) -> str:
    return f"torch.ops.{full.replace('::', '.')}.{overload or 'default'}"


def test_no_operator_that_reaches_beyond_tensors_may_be_called() -> None:
    """All that PyTorch has registered, for dispatch and for TorchScript."""
    dispatched = set(torch._C._dispatch_get_all_op_names())
    admitted, refused = 0, set()
    for schema in torch._C._jit_get_all_schemas():
        parts = [*schema.arguments, *schema.returns]
        words = [f"{a.name} {a.type}".lower() for a in parts if "int" not in str(a.type)]
        reaches = any(FILES.search(word) for word in words)
        full = schema.name + (f".{schema.overload_name}" if schema.overload_name else "")
        if is_operator(target(schema.name, schema.overload_name)):
            assert not reaches, schema
            assert full in dispatched, schema
            assert schema.name.split("::")[0] in ("aten", "prims")
            admitted += 1
        else:
            refused.add(schema.name)
    assert admitted > 900
    assert {"aten::save", "aten::from_file", "aten::warn", "aten::_print", "aten::set_data",
            "aten::manual_seed", "aten::format", "aten::set_", "aten::wait"} <= refused  # fmt: skip


def test_core_operators_may_be_called() -> None:
    """Those that PyTorch's exporter promises to decompose into, but for gradients and `resize_`."""
    missing = []
    for full in torch._C._dispatch_get_all_op_names():
        name, _, overload = full.partition(".")
        if not name.startswith("aten::") or name.endswith(("_backward", "resize_")):
            continue
        op = getattr(getattr(torch.ops.aten, name[6:]), overload or "default")
        if torch.Tag.core in op.tags and "out" not in overload:
            missing += [] if is_operator(target(name, overload)) else [full]
    assert missing == []
