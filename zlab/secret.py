"""A secret: the value of a socket option that nothing shows and nothing writes down."""

from __future__ import annotations

from typing import Any, NoReturn

SECRETS = frozenset({"curve_secretkey", "plain_password", "socks_password"})
"""The socket options that are secret, as pyzmq spells them in lower case."""
ZAP = "inproc://zeromq.zap."
"""How the address of a ZAP handler begins (RFC 27): over it pass the passwords of PLAIN."""
HIDDEN = "<hidden>"
"""What stands where a secret would."""


class Secret:
    """A secret key or a password: all that shows it says that it is hidden."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        """Hide a value; one that is hidden already stays so."""
        self._value: object = value.reveal() if isinstance(value, Secret) else value

    @property
    def usable(self) -> bool:
        """Whether libzmq can take it: it is str or bytes."""
        return isinstance(self._value, str | bytes)

    def reveal(self) -> Any:
        """The value itself, for libzmq alone."""
        return self._value

    def __eq__(self, other: object) -> bool:
        """Whether the other hides the same."""
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        """One for all: what a secret is must not be told from its hash."""
        return hash(Secret)

    def __repr__(self) -> str:
        """Say that it is hidden."""
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        """Refuse to be written down.

        Raises:
            TypeError: always.
        """
        raise TypeError("a secret is not written down: give it again where the topology is made")

    def __copy__(self) -> Secret:
        """Itself: it never changes."""
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        """Itself, likewise."""
        return self
