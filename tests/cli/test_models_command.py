import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from neocog.cli.models import command
from neocog.networks.catalog import NETWORKS
from neocog.verbs import models as verb


@pytest.fixture(scope="module")
def counted_once() -> Iterator[None]:
    """All networks are counted once, whatever asks for them: tests/verbs counts them by size."""
    with pytest.MonkeyPatch.context() as patch:
        offers = verb.networks(size=(1, 28, 28))
        patch.setattr(verb, "networks", lambda **options: asked.append(options) or offers)
        yield


asked: list[dict[str, object]] = []


@pytest.mark.usefixtures("counted_once")
def test_table_names_every_network_and_its_options() -> None:
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 0, result.output
    assert all(name in result.output for name in NETWORKS)
    assert "60,000" in result.output
    assert "…" not in result.output  # nothing is cut off at 80 columns
    said = " ".join(result.output.split())  # which is wrapped
    assert "efficientnet_lite1" in said.partition("ImageNet-1k weights: ")[2][:60]
    assert "downsampling=stride padding=zeros hidden=[256] dropout=0.0" in result.output


@pytest.mark.usefixtures("counted_once")
def test_json_is_one_list() -> None:
    result = CliRunner().invoke(command, ["--json", "--size", "3,24,24", "--classes", "5"])
    assert asked[-1] == {"size": (3, 24, 24), "num_classes": 5}
    offers = json.loads(result.stdout)
    assert [o["name"] for o in offers] == list(NETWORKS)
    assert offers[0]["options"][0]["name"] == "downsampling"
    weights = {o["name"]: (o["pretrained"], o["installed"]) for o in offers}
    assert weights["efficientnet_lite1"] == ("ImageNet-1k", True)
    assert weights["convnet"] == ("", False)


def test_a_size_of_another_form_is_refused() -> None:
    for size in ("3,32", "a,b,c", ""):
        result = CliRunner().invoke(command, ["--size", size])
        assert result.exit_code == 2
        assert "channels, rows, columns, like 3,32,32" in result.output
    assert CliRunner().invoke(command, ["--classes", "0"]).exit_code == 2
