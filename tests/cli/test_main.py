import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neocog.cli.main import VERBS, main


@pytest.mark.parametrize("words", [["-h"], ["--help"], *([verb, "--help"] for verb in VERBS)])
def test_every_verb_explains_itself(call, words: list[str]) -> None:
    said = call(*words)
    assert said.status == 0
    assert said.err == ""
    assert said.out.startswith("Usage: neocog")
    assert all(name in said.out for name in ("Options:", "--help"))


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys; from neocog.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert not loaded & {"torch", "numpy", "rich", "PIL", "jinja2", "safetensors"}


def test_version_is_said(call) -> None:
    assert re.fullmatch(r"neocog \d+\.\d+\.\d+\S*\n", call("--version").out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], "There is no command `trian`. Did you mean `train`?"),
        (["zzz"], "There is no command `zzz`. Known: `audit`"),
        (["--verison"], "No such option '--verison'. Did you mean '--version'?"),
        (["train", "digits", "--lrr", "1"], "No such option '--lrr'. Did you mean '--lr'"),
        (["train", "digits", "--epochs", "many"], "'many' is not a valid float"),
        (["evaluate"], "Missing argument 'MODEL'"),
        (["models", "--size", "3"], "A size is channels, rows, columns, like 3,32,32; got 3."),
    ],
)
def test_wrong_use_is_one_sentence(call, words: list[str], sentence: str) -> None:
    said = call(*words)
    assert said.status == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("neocog: ")
    assert sentence in said.err


def test_no_words_show_the_verbs(call) -> None:
    said = call()
    assert said.status == 2
    assert all(verb in said.err for verb in VERBS)


@pytest.mark.parametrize("words", [["--debug", "data", "/nope"], ["data", "/nope", "--debug"]])
def test_debug_shows_where_an_error_is_from(words: list[str]) -> None:
    from neocog.errors import DataError

    with pytest.raises(DataError, match="/nope does not exist"):
        main(words)


def test_an_interrupt_is_130_and_no_traceback(call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neocog.verbs.data.data", interrupted)
    said = call("data", "digits")
    assert said.status == 130
    assert said.out == ""
    assert said.err.strip() == "Interrupted."


def test_what_an_interrupt_breaks_is_an_interrupt(call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C that the import of a package swallows may leave half a package."""

    def broken(*args: object, **options: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise AttributeError("module `numpy` has no attribute `matrix`")

    monkeypatch.setattr("neocog.verbs.data.data", broken)
    said = call("data", "digits")
    assert (said.status, said.err.strip()) == (130, "Interrupted.")


def test_no_memory_is_one_sentence(call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("neocog.verbs.data.data", full)
    said = call("data", "digits")
    assert said.status == 2
    assert "Out of memory" in said.err


def test_a_warning_is_a_line_without_a_place_in_the_code(
    call, monkeypatch: pytest.MonkeyPatch
) -> None:
    import warnings

    def warn(*args: object, **options: object) -> None:
        with warnings.catch_warnings(action="always"):
            warnings.warn("The disk is slow.", stacklevel=1)
        raise KeyboardInterrupt

    monkeypatch.setattr("neocog.verbs.data.data", warn)
    assert "note     The disk is slow.\n" in call("data", "digits").err


def test_a_reader_that_has_gone_is_no_error_that_is_said(digits_run: Path, seven: Path) -> None:
    """As `neocog predict … | head -1`: far more lines than a pipe holds."""
    paths = "\n".join([str(seven)] * 4000)
    process = subprocess.Popen(
        [sys.executable, "-c", "from neocog.cli.main import main; main()",
         "predict", str(digits_run), "-", "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(paths)
    process.stdin.close()
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 141


def test_a_terminal_that_lacks_characters_gets_their_numbers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from neocog.cli.main import main; main()", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == b""
    assert rb"COMMAND \u2026" in done.stdout
