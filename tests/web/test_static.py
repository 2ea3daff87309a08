"""The files of the page are where the page looks for them."""

import re

from neocog.web.server import STATIC


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"/static/([\w./-]+)", (STATIC / "index.html").read_text()))
    assert named
    for file in STATIC.rglob("*.js"):
        text = file.read_text()
        named |= {
            (file.parent / path).resolve().relative_to(STATIC).as_posix()
            for path in re.findall(r"from \"(\./[\w./-]+)\"", text)
        }
    missing = [name for name in sorted(named) if not (STATIC / name).is_file()]
    assert not missing
