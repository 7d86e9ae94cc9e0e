"""What all tests may ask for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from browsing import NoBrowserError, open_chromium
from programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from programs import Clean


@pytest.fixture
def clean() -> Iterator[Clean]:
    """A clean environment for one test."""
    with clean_environment() as made:
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser; only for a module, since its event loop is in the way of other tests' loops."""
    try:
        with open_chromium() as browser:
            yield browser
    except NoBrowserError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
