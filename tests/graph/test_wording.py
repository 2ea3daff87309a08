"""What samples are called."""

from neocog.graph.wording import nouns, times


def test_a_series_has_steps_and_zeros_and_an_image_pixels_and_black() -> None:
    assert (nouns(1).unit, nouns(1).nothing) == ("step", "zeros")
    assert (nouns(2).unit, nouns(2).nothing) == ("pixel", "black")
    assert nouns(3) == nouns(2)
    assert times((1, 28)) == "1×28"
