import pytest

pytestmark = pytest.mark.filterwarnings("ignore:No weights were given")


def test_what_is_no_model_is_a_sentence(call) -> None:
    said = call("explore", "nosuch")
    assert said.status == 2
    assert "MODEL is a run folder" in said.err


def test_the_size_of_a_series(call) -> None:
    said = call("explore", "tests.web.strangers:wave", "--series", "1x")
    assert said.status == 2
    assert "the size of a series is C,N" in said.err
    both = call("explore", "tests.web.strangers:wave", "--series", "1,32", "--size", "1,3,3")
    assert "--size C,N and --series C,N mean the same" in both.err


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list:
    """What would be served, instead of serving it."""
    found: list = []
    monkeypatch.setattr(
        "neocog.web.explore.serve", lambda session, listening: found.append(session)
    )
    return found


def test_the_address_is_printed(call, served) -> None:
    said = call("explore", "tests.web.strangers:wave", "--series", "1,32", "--no-browser")
    assert said.status == 0
    assert said.out.startswith("Explorer: http://127.0.0.1:")
    (network,) = served[0].networks
    assert (network.channels, network.size) == (1, (32,))


def test_a_run_with_its_data_beside_another(call, served, digits_run) -> None:
    said = call("explore", digits_run, "digits", "--baseline", digits_run, "--no-browser")
    assert said.status == 0, said.err
    (session,) = served
    assert len(session.networks) == 2
    assert session.album.counts()["test"] == 1000
    assert session.networks[0].name == digits_run.name


def test_ctrl_c_is_an_end_like_any_other(call, monkeypatch) -> None:
    def interrupted(session, listening) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neocog.web.explore.serve", interrupted)
    said = call("explore", "tests.web.strangers:wave", "--series", "1,32", "--no-browser")
    assert said.status == 130
    assert "The explorer has stopped." in said.err
