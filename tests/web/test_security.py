import pytest

from neocog.web.security import BODY, refusal

OWN = (b"host", b"127.0.0.1:8181")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8181"])
def test_this_machine_is_answered(host: str) -> None:
    assert refusal("GET", "/", [(b"host", host.encode())]) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example")],
        [(b"host", b"127.0.0.1.evil.example")],
        [(b"host", b"evil.example:8181")],
        [(b"host", b"127.0.0.1:8181@evil.example")],
        [(b"host", b"localhost:8181\xe9")],
        [OWN, (b"host", b"evil.example")],
        [OWN, (b"origin", b"http://evil.example")],
        [OWN, (b"origin", b"null")],
        [OWN, (b"origin", b"http://127.0.0.1:3000")],
        [OWN, (b"origin", b"https://127.0.0.1:8181")],
        [OWN, (b"sec-fetch-site", b"cross-site")],
        [OWN, (b"sec-fetch-site", b"same-site")],
    ],
)
def test_others_are_refused(headers) -> None:
    found = refusal("GET", "/api/about", headers)
    assert found is not None
    assert found[0] == 403


def test_a_link_on_another_page_may_open_the_page_but_nothing_else() -> None:
    came = [OWN, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")]
    assert refusal("GET", "/", came) is None
    assert refusal("GET", "/api/about", came)[0] == 403
    assert refusal("POST", "/", came)[0] == 403


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", None),
        ("Application/JSON; charset=utf-8", None),
        ("image/png", None),
        ("application/octet-stream", None),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("image/", 415),
        ("", 415),
    ],
)
def test_what_a_plain_form_can_send_is_refused(kind: str, status: int | None) -> None:
    found = refusal("POST", "/api/step", [OWN, (b"content-type", kind.encode())])
    assert (found and found[0]) == status


@pytest.mark.parametrize("length", ["-1", "1e3", "x", str(BODY + 1), "9" * 40, "१"])
def test_bodies_that_are_too_long_are_refused_by_their_header(length: str) -> None:
    headers = [OWN, (b"content-type", b"image/png"), (b"content-length", length.encode())]
    assert refusal("POST", "/api/image", headers)[0] == 413


def test_other_methods() -> None:
    assert refusal("DELETE", "/", [OWN])[0] == 405
    assert refusal("OPTIONS", "/api/step", [OWN])[0] == 405
