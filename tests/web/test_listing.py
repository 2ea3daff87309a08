"""Images are listed in orders."""

from neocog.web.session import Session


def test_images_are_listed_in_orders(ask, session: Session) -> None:
    plain = ask("/api/images?split=test&per=5").json()
    assert plain["total"] == 1000
    assert [i["id"] for i in plain["items"]] == [f"test:{k}" for k in range(5)]
    by_truth = ask("/api/images?split=test&sort=label&per=200&page=2").json()["items"]
    labels = [i["label"]["index"] for i in by_truth]
    assert labels == sorted(labels)
    wrong = ask("/api/images?split=test&sort=incorrect&per=3").json()
    assert 0 < wrong["total"] <= 1000
    assert all(i["prediction"]["index"] != i["label"]["index"] for i in wrong["items"])
    unsure = ask("/api/images?split=test&sort=uncertain&per=200").json()["items"]
    entropy = session.predictions("test", 0).entropy
    first = [entropy[int(i["id"].split(":")[1])] for i in unsure]
    assert first == sorted(first, reverse=True)
    predicted = ask("/api/images?split=test&sort=prediction&per=200").json()["items"]
    numbers = [i["prediction"]["index"] for i in predicted]
    assert numbers == sorted(numbers)
