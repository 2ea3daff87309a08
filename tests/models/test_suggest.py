"""A model that cannot be opened: the name that was meant."""

from __future__ import annotations

from neocog.models.suggest import suggestion as meant_model


def test_a_file_of_data_is_no_module(tmp_path):
    data = tmp_path / "digits.npz"
    data.write_bytes(b"")
    assert "DATA" in meant_model(str(data))
    assert "FUNCTION" not in meant_model(str(data))
    assert "`nets.small:FUNCTION`" in meant_model("nets.small")
