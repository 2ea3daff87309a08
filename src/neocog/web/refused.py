"""What a question to the explorer can be refused with, beside the errors of `neocog.errors`."""

from __future__ import annotations

from neocog.errors import UsageError

__all__ = ["Late", "Missing", "Refused", "Superseded", "TooBig"]


class Refused(UsageError):
    """A request that is refused; HTTP status 400."""

    status = 400


class Missing(Refused):
    """The requested object does not exist."""

    status = 404


class Superseded(Refused):
    """A newer question of the same page has come meanwhile."""

    status = 409


class Late(Refused):
    """A request that did not come to its end."""

    status = 408


class TooBig(Refused):
    """More bytes than are read."""

    status = 413
