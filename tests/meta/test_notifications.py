"""The page about notifications says what is sent, and when a release is taken back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from agent.notices import Line, Message, document
from fleet import notices, soak

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notifications.md").read_text()
AT = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)


def test_the_json_of_the_page_is_what_a_webhook_is_sent() -> None:
    line = Line(
        "hello on shop-prod-1a2b3c", "healthy", "unhealthy", "nobody listens on 8080", AT, "See the flow `logs`."
    )
    sent = document(Message("shop-prod", AT, (line,), "the controller desk"))
    match = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert match is not None
    assert json.loads(match[1]) == {**sent, "text": "…the whole message for people…"}


def test_the_words_that_end_a_trouble_are_on_the_page() -> None:
    assert all(f"`{word}`" in PAGE for word in notices.GOOD)


def test_the_limits_of_a_soak_are_on_the_page() -> None:
    assert f"from {soak.REQUESTS} requests on" in PAGE
    assert f"both with {soak.TIMED_REQUESTS} requests or more" in PAGE
    assert f"more than {100 * soak.ALONE:.0f} % errors" in PAGE
    assert f"by {soak.SLOWER_SECONDS} s at least" in PAGE
