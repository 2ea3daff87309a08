"""An audit that recommends a fix says what the fix will cost."""

from __future__ import annotations

from tests.audits.test_first_screen import flips

import neocog
from neocog.audits.result import Audit
from neocog.first_screen import Named
from neocog.verbs.audit import _fix_macs
from neocog.verbs.audit_result import AuditResult


def result(audit: Audit, *, named: Named | None = None) -> AuditResult:
    return AuditResult(
        audit=audit,
        other=None,
        compared=(),
        bounds=(),
        title="a",
        fix_macs=(2_000_000, 3_000_000),
        named=named,
    )


def test_the_next_command_says_the_macs_of_the_fix() -> None:
    bad = flips(0.5, 0.4, 0.6)
    for named in (None, Named(model="runs/a", data="photos")):
        first, *others = result(bad, named=named).first_screen().next
        assert first.text.endswith("; MACs 2 → 3 M (1.50×)")
        assert "fix" in first.line
        assert not any("MACs" in c.text for c in others)
    assert not any("MACs" in c.text for c in result(flips(0.0, 0.0, 0.01)).first_screen().next)


def test_they_are_counted_on_the_converted_model() -> None:
    net = neocog.build("convnet", num_classes=2, in_channels=1, size=(28, 28))
    model = neocog.load(net, size=(1, 28, 28), mean=(0.5,), std=(0.5,))
    before, after = _fix_macs(model, flips(0.5, 0.4, 0.6)) or (0, 0)
    assert before == model.summary().cost.macs
    assert before < after < 2 * before
    assert _fix_macs(model, flips(0.0, 0.0, 0.01)) is None
    none = neocog.load(neocog.build("dense", num_classes=2, in_channels=1, size=(28, 28)),
                       size=(1, 28, 28), mean=(0.5,), std=(0.5,))  # fmt: skip
    assert _fix_macs(none, flips(0.5, 0.4, 0.6)) is None
