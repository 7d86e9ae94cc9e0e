"""What all tests may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from programs import Clean


@pytest.fixture
def clean() -> Iterator[Clean]:
    """A clean environment for one test."""
    with clean_environment() as made:
        yield made
