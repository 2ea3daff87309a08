import torch

from neocog.layers.rbf import CODE, CodeDistance, code_distance, codes


def test_distance_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    centers = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, 2.0]])
    # squared distances 1, 5, 0 and 2, 2, 5
    assert code_distance(x, centers, 0.5).tolist() == [[-0.5, -2.5, 0], [-1, -1, -2.5]]


def test_ten_codes_are_images_of_twelve_rows_of_seven() -> None:
    ten = codes(10)
    assert ten.shape == (10, CODE) == (10, 12 * 7)
    assert ten.unique().tolist() == [-1, 1]
    one = ten[1].reshape(12, 7)
    assert (one[2:-1, 3] == 1).all()  # the stem of the 1
    assert (one[:, 0] == -1).all()


def test_codes_differ_enough() -> None:
    for classes in (2, 10, 11, 100):
        made = codes(classes)
        apart = (made[:, None] != made).sum(-1)
        apart.fill_diagonal_(CODE)
        # Drawn digits may be alike, as 3 and 8 are; random codes differ in half of 84 ± 5 places.
        assert apart.min() >= (8 if classes == 10 else 20), classes


def test_codes_are_the_same_each_time_and_no_parameters() -> None:
    torch.manual_seed(5)
    one = CodeDistance(26, scale=0.1)
    torch.manual_seed(6)
    assert torch.equal(one.codes, CodeDistance(26, scale=0.1).codes)
    assert not list(one.parameters())
    assert list(one.state_dict()) == ["codes"]


def test_the_nearest_code_wins() -> None:
    layer = CodeDistance(10, scale=0.1)
    x = layer.codes + 0.3 * torch.randn(10, CODE)
    assert layer(x).argmax(1).tolist() == list(range(10))
