"""An option that there is not: the one that was meant, or none, but not another."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

import neocog
from neocog.cli.main import VERBS, main
from neocog.layers import CircularConv2d
from neocog.suggest import _CALLED, suggestion


def options(verb: str) -> list[str]:
    command = importlib.import_module(f"neocog.cli.{verb}").command
    return [o for p in command.params for o in (*p.opts, *p.secondary_opts) if o[0] == "-"]


@pytest.mark.parametrize(
    ("word", "one_of"),
    [
        ("--pretrained", {"--init"}), ("--learning-rate", {"--lr"}),
        ("--batch_size", {"--batch-size"}), ("--bs", {"--batch-size"}),
        ("--network", {"--model"}), ("--batch", {"--batch-size"}), ("--optimiser", {"--optimizer"}),
        ("--sampling", {"--downsampling"}), ("--from", {"--init"}),
        ("--optim", {"--optimizer"}), ("--epoch", {"--epochs"}),
        ("--Epochs", {"--epochs"}), ("--imgsz", {"--size"}), ("--gpu", {"--device"}),
        ("--output", {"--out"}), ("--resize", {"--resize-mode"}),
        ("--overwite", {"--overwrite"}), ("--sede", {"--seed"}),
        ("--chekpoint", None), ("--workers", None), ("--patience", None), ("--dropout", None),
        ("--scheduler", None), ("--warmup", None), ("--label-smoothing", None), ("--amp", None),
        ("--momentum", None), ("--x", None),
    ],
)  # fmt: skip
def test_an_option_of_a_training(word, one_of, capsys):
    with pytest.raises(SystemExit) as left:
        main(["train", "digits", word, "1"])
    err = capsys.readouterr().err
    assert left.value.code == 2
    assert f"No such option '{word}'." in err
    found = re.search(r"Did you mean '([^']*)'", err)
    assert (found[1] if found else None) in (one_of or {None}), err


@pytest.mark.parametrize(("verb", "found"), [("audit", "--report"), ("evaluate", "--report"),
                                           ("train", "--out")])  # fmt: skip
def test_where_a_result_goes_is_no_name_of_a_tensor(verb, found):
    """`--output`, which names a tensor, is spelled nearly like `--out`."""
    assert suggestion("--out", options(verb)) == found


def test_what_is_called_otherwise_is_an_option_of_some_command_or_an_argument():
    known = {o.lstrip("-") for verb in VERBS for o in options(verb)}
    for function in (neocog.audit, neocog.build, CircularConv2d):
        known |= {name.replace("_", "-") for name in inspect.signature(function).parameters}
    for word, names in _CALLED.items():
        assert word in known or set(names) & known, word


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_found_by_a_slip(verb):
    """The last letter twice, or two letters changed about."""
    known = options(verb)
    for option in (o for o in known if len(o) > 6):
        found = suggestion(option + option[-1], known)
        assert found is not None
        assert found.startswith(option)  # "--classs" may be of "--class" or "--classes"
        swapped = option[:4] + option[5] + option[4] + option[6:]
        assert suggestion(swapped, known) == option or swapped in known
