import pytest
import torch

from neocog.errors import ModelError, UsageError
from neocog.explainers.maps.objective import area, first_of, model_output, share, value

LOGITS = torch.tensor([[1.0, 3.0, 2.0], [4.0, 0.0, 1.0]])


def test_the_logit_of_a_class() -> None:
    numbers, classes = value(LOGITS, None)
    assert (numbers.tolist(), classes) == ([3.0, 4.0], (1, 0))
    assert value(LOGITS, 2)[0].tolist() == [2.0, 1.0]
    assert value(LOGITS, [0, 1])[0].tolist() == [1.0, 0.0]
    assert value(LOGITS[:, 0], None)[0].tolist() == [1.0, 4.0]  # (B,)


def test_the_mean_logit_where_a_segmenter_says_the_class() -> None:
    # Two pixels of one image: (2, 1) says 0, (1, 5) says 1.
    answer = torch.tensor([[[2.0, 1.0], [1.0, 5.0], [0.0, 0.0]]])
    assert value(answer, 1)[0].tolist() == [5.0]
    assert value(answer, 0)[0].tolist() == [2.0]
    assert value(answer, 2)[0].tolist() == [0.0]  # nowhere: all pixels
    assert area(answer, torch.tensor([2])).tolist() == [[1.0, 1.0]]
    assert area(answer, torch.tensor([1])).tolist() == [[0.0, 1.0]]


def test_the_class_with_the_most_pixels() -> None:
    answer = torch.zeros(1, 3, 4)
    answer[0, 2, :3], answer[0, 1, 3] = 1.0, 2.0
    assert value(answer, None)[1] == (2,)


def test_shares_are_probabilities_where_there_are_classes() -> None:
    p = LOGITS.softmax(1)
    assert torch.equal(share(LOGITS, (1, 2), None), torch.stack([p[0, 1], p[1, 2]]))
    assert share(LOGITS[:, :1], (0, 0), None).tolist() == [1.0, 4.0]
    maps = torch.tensor([[[0.0, 0.0], [0.0, 100.0]]])
    assert share(maps, (1,), torch.tensor([[0.0, 1.0]])).tolist() == [1.0]
    assert share(maps, (1,), torch.tensor([[1.0, 0.0]])).tolist() == [0.5]


def test_what_is_wanted_of_the_first_image() -> None:
    assert first_of(None) is None
    assert first_of(3) == 3
    assert first_of([4, 5]) == [4]
    assert first_of(torch.tensor([4, 5])) == [4]
    assert first_of(len) is len


def test_an_answer_is_a_tensor_of_numbers() -> None:
    assert model_output({"out": LOGITS}) is LOGITS
    for wrong in ("text", torch.tensor([1, 2]), torch.tensor(1.0)):
        with pytest.raises(ModelError, match="return a tensor with one row per image"):
            model_output(wrong)


@pytest.mark.parametrize("wrong", [-1, 3, [0, 3]])
def test_a_class_that_does_not_exist(wrong: object) -> None:
    with pytest.raises(UsageError, match="a number from 0 to 2"):
        value(LOGITS, wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="an integer"):
        value(LOGITS, "ab")  # type: ignore[arg-type]
