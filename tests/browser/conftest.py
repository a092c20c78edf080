"""A browser that is logged in at the UI of the end-to-end tests' installation."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.ui import Ui, window
from tests.e2e.lab import Lab


@pytest.fixture
def stranger(lab: Lab) -> Iterator[Page]:
    """A page of a browser that nobody has logged in with.

    Each test has a browser of its own: while one lives, this thread has an event loop, and Prefect's functions that
    are both sync and async would give coroutines to the other tests.
    """
    with window() as page:
        yield page


@pytest.fixture
def ui(lab: Lab, stranger: Page) -> Ui:
    """The UI, logged in."""
    screen = Ui(stranger)
    screen.log_in(os.environ["DEPLOYER_ADMIN_LOGIN"])
    return screen
