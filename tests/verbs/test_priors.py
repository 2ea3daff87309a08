import itertools
import json

import numpy as np
import pytest
from click.testing import CliRunner

from neocog.cli.main import cli
from neocog.errors import DataError, UsageError
from neocog.training.priors import Training, Trainings
from neocog.verbs import priors as verb
from neocog.verbs.priors import priors
from neocog.verbs.priors_result import Priors, curves_of, worth_of

TWINS = (*verb.SHALLOW, "deep", "deep, batch norm")


def trainings(conv: float, shuffled: float) -> Trainings:
    """Dense twins are right in 0.8 of all, convolutional ones by so much more."""
    done = Trainings(params=dict.fromkeys(TWINS, 1000))
    for seed in range(3):
        noise = 0.01 * (seed - 1)
        for n, base in ((100, 0.7), (200, 0.8), (400, 0.9)):
            done.accuracy[Training("dense", n, False, seed)] = base
        for name in ("convolutional", "anti-aliased", "local"):
            done.accuracy[Training(name, 200, False, seed)] = 0.8 + conv + noise
        for name in ("dense", "convolutional"):
            more = shuffled * (name != "dense") + noise * (name != "dense")
            done.accuracy[Training(name, 200, True, seed)] = 0.8 + more
    return done


def result(conv: float = 0.06, shuffled: float = 0.0, **own: object) -> Priors:
    done = trainings(conv, shuffled)
    given = {
        "source": "my <b>data",
        "n": 200,
        "held_out": 100,
        "classes": ("0", "1"),
        "size": (1, 28, 28),
        "params": done.params,
        "worth": worth_of(done, 200, held_out=1000),
        "curves": curves_of(done),
        "gradients": {"deep": (1e-6, 1.0), "deep, residual": (0.3, 1.0)},
    }
    return Priors(**(given | own))


def test_the_headline_is_computed_from_the_figures():
    text = result().first_screen().headline
    assert text.startswith("Weight sharing and locality are worth 6.0 pp (95 % CI 3.5 to 8.5)")
    assert "on 200 images, as good as 1.5× the labels (95 % CI" in text
    assert text.endswith("on shuffled pixels 0.0 pp (95 % CI −2.5 to 2.5): nothing.")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("digits", "test samples of the data are left alone"),
        ("digits:test", "both are drawn from test"),
        ("digits:all", "both are drawn from all samples"),
    ],
)
def test_the_report_says_what_is_drawn_from(source: str, text: str):
    sections = result(source=source).sections()
    assert text in next(s.text for s in sections if s.title == "How it was measured")


def test_a_prior_that_costs_is_said_to_cost():
    screen = result(conv=-0.1, shuffled=-0.2).first_screen()
    assert "−10.0 pp" in screen.headline
    assert screen.headline.endswith(": a loss.")
    assert screen.next[0].words == ("neocog", "train", "my <b>data", "--model", "dense")


def test_equal_differences_of_a_few_seeds_are_no_certainty():
    """Weight sharing: 0 in each of three seeds, with 1,000 held-out images."""
    sharing = next(w for w in result().worth if w.contrast.prior == "weight sharing")
    assert sharing.unshuffled.interval == pytest.approx((-0.001, 0.001))
    screen = result(conv=0.0).first_screen()
    assert (screen.badge, screen.level) == ("Not decided", "open")


def test_more_labels_than_there_are_is_a_bound():
    assert "as good as more than 2.0× the labels" in result(conv=0.15).first_screen().headline


def test_what_was_left_out_is_on_the_first_screen_with_the_command_for_it():
    screen = result(left_out=("deep on 200 images",)).first_screen()
    assert "Left out: deep on 200 images." in screen.note
    assert screen.next[-1].line.endswith("--full")


def test_the_page_draws_the_curves_with_their_intervals_and_escapes_names(tmp_path):
    one = result()
    page = one.save_html(tmp_path / "p.html").read_text()
    assert "my <b>data" not in page
    assert 'class="band"' in page
    assert "gradient norm through depth" in page
    assert one._repr_html_().startswith("<iframe")
    assert repr(one).startswith("What each prior is worth on my <b>data\nWeight sharing")
    plain = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert plain["priors"][0]["as_they_are"]["difference"] == pytest.approx(0.06)
    assert plain["priors"][0]["labels"]["bound"] == ""


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, (80, 28, 28, 1), np.uint8)
    y = np.arange(80) % 2
    x[y == 1, :14] += 55
    np.savez(tmp_path / "d.npz", x=x, y=y)
    return tmp_path / "d.npz"


def test_the_command_measures_every_prior(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Training, "steps", 3)
    words = ["priors", str(folder), "--sizes", "8,16", "--seeds", "2", "--json"]
    done = CliRunner().invoke(cli, [*words, "--report", str(tmp_path / "r.html")])
    assert done.exit_code == 0, done.output
    plain = json.loads(done.stdout)
    names = [p["prior"] for p in plain["priors"]]
    assert names[:2] == ["weight sharing and locality", "locality"]
    assert "residual connections" in names
    assert all(p["as_they_are"]["seeds"] == 2 for p in plain["priors"])
    assert plain["left_out"] == []
    assert plain["n"] == 16
    assert set(plain["gradients"]) == set(verb.DEEP)
    assert (tmp_path / "r.html").exists()


def test_on_a_busy_machine_the_first_prior_is_measured(folder, monkeypatch):
    monkeypatch.setattr(Training, "steps", 1)
    monkeypatch.setattr(verb, "SECONDS", 0.0)
    clock = itertools.count(step=10)
    monkeypatch.setattr("neocog.training.priors.time.monotonic", lambda: next(clock))
    result = verb.priors(folder, progress=False)
    assert [w.contrast.prior for w in result.worth] == ["weight sharing and locality"]
    assert "convolutional on 47 shuffled images" in result.left_out
    assert "Left out" in repr(result)


def test_what_there_was_no_time_for_is_named(folder, monkeypatch):
    monkeypatch.setattr(Training, "steps", 1)
    plan = [Training(*what) for what in (
        ("dense", 8, False, 0), ("dense", 8, False, 1), ("local", 8, False, 0),
    )]  # fmt: skip
    done = Trainings(accuracy={plan[0]: 0.5})
    left = verb._left_out(plan, done)
    assert left == ("local on 8 images", "1 repetition with another seed")


def test_wrong_data_and_sizes_are_one_sentence(folder, tmp_path):
    with pytest.raises(UsageError, match="numbers of images to train on, from 2 to"):
        priors(folder, sizes=(8, 5000), progress=False)
    with pytest.raises(UsageError, match="one seed at least, got 0"):
        priors(folder, seeds=0, progress=False)
    np.savez(tmp_path / "few.npz", x=np.zeros((20, 28, 28, 1), np.uint8), y=np.arange(20) % 2)
    with pytest.raises(DataError, match="60 images of two classes"):
        priors(tmp_path / "few.npz", progress=False)
    done = CliRunner().invoke(cli, ["priors", str(folder), "--sizes", "8;9"])
    assert done.exit_code == 2
    assert "Write 100,300,1000" in done.output
