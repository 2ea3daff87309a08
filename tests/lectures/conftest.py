import pytest

from neocog.lectures.material import Material


@pytest.fixture(scope="session")
def material() -> Material:
    """The built-in digits, opened once a process."""
    return Material()
