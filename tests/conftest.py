"""What all tests may ask for."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import hypothesis
import pytest
from browsing import NoBrowserError, open_chromium
from programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from programs import Clean


hypothesis.settings.register_profile("unhurried", deadline=None)  # the machine may be busy elsewhere
hypothesis.settings.load_profile("unhurried")

LONG = ("promises", "house", "cli", "diagnosis", "lab", "watch", "faults", "time", "interoperation", "past", "ledger")
"""Files that take from half a minute down to ten seconds on a core of their own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that no worker is left with one at the end."""
    longer = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")}
    order = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: -1 if item.path in longer else order.get(item.path.name, len(order)))


@pytest.fixture(scope="session", autouse=True)
def temporary_folder() -> Iterator[None]:
    """A temporary folder for each worker, where nothing may be left: others work beside it."""
    with tempfile.TemporaryDirectory(prefix="t") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", None)
        yield


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
