import re

import pytest

from neocog.errors import UsageError
from neocog.lectures.chapters import CHAPTERS, all_claims, chosen_claims


def test_claims_stand_in_order_under_their_chapter():
    claims = all_claims()
    assert len(claims) == sum(len(c.claims()) for c in CHAPTERS)
    for chapter in CHAPTERS:
        ids = [c.id for c in chapter.claims()]
        assert ids == [f"{chapter.letter}{i}" for i in range(1, len(ids) + 1)]


def test_every_claim_says_what_it_is_and_where_it_is_from():
    for claim in all_claims().values():
        assert claim.text.endswith(".")
        assert claim.decks
        assert set(claim.decks) <= set(range(5))
        assert re.match(claim.id + ": ", claim.measure.__doc__ or ""), claim.id


def test_chapters_and_claims_are_chosen_by_name():
    assert [c.id for c in chosen_claims("b,A1")][:2] == ["A1", "B1"]
    assert len(chosen_claims()) == len(all_claims())
    assert chosen_claims(["A3"]) == chosen_claims("a3,")


@pytest.mark.parametrize("name", ["A99", "Z", "", "1"])
def test_a_name_that_is_none_is_refused(name):
    if not name:
        assert len(chosen_claims(name)) == len(all_claims())
        return
    with pytest.raises(
        UsageError, match=f"`--only` takes chapters and claims, as A,E3; got `{name}`"
    ):
        chosen_claims(name)
