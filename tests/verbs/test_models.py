import pytest

from neocog.errors import UsageError
from neocog.layers.downsample import DOWNSAMPLINGS
from neocog.networks.catalog import NETWORKS
from neocog.verbs.models import networks, offers_table, options_table


def test_every_network_is_offered_with_its_numbers() -> None:
    offers = {o.name: o for o in networks(size=(3, 32, 32), num_classes=10)}
    assert list(offers) == list(NETWORKS)
    resnet = offers["resnet20"]
    assert (resnet.params, resnet.macs) == (269_722, 40_551_040)
    assert (resnet.family, resnet.fixed) == ("resnet_cifar", {"depth": 20})
    assert all(o.about.endswith(".") and "\n" not in o.about for o in offers.values())
    table = offers_table(list(offers.values()))
    assert ("lenet5", offers["lenet5"].params) in [row[:2] for row in table.rows]
    options = {row[0]: row[2] for row in options_table(list(offers.values())).rows}
    assert options["dense"] == "downsampling=stride padding=zeros hidden=[256] dropout=0.0"
    assert "resnet20, resnet32, resnet44, resnet56" in options
    assert resnet.to_json()["options"][0]["choices"] == list(DOWNSAMPLINGS)


@pytest.mark.parametrize("size", [(3, 32), (3, 12, 32), (0, 32, 32), (3, 32, 32, 1)])
def test_sizes_that_do_not_fit_are_refused(size: tuple[int, ...]) -> None:
    came = ",".join(map(str, size))
    with pytest.raises(UsageError, match=f"got {came}. Give it like 3,32,32"):
        networks(size=size)
