"""Logs tell what failed and where, never what was said."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator

import pytest
from django.db import DataError, connection, transaction

from ibex.logs import Sparing, logging_config

CANARY = "zanzibar-canary"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Log with the product's configuration, into a buffer."""
    buffer = io.StringIO()
    config = logging_config("test")
    config["handlers"]["stderr"]["stream"] = buffer
    logging.config.dictConfig(config)
    yield buffer
    logging.config.dictConfig(logging_config("test"))


LOG = logging.getLogger("ibex.test")


def only_line(written: io.StringIO) -> dict[str, object]:
    (line,) = [json.loads(line) for line in written.getvalue().splitlines()]
    return dict(line)


def fail(secret: str) -> None:
    message = "it failed" if secret else ""
    raise RuntimeError(message)


def test_a_traceback_carries_no_locals(written: io.StringIO) -> None:
    try:
        fail(CANARY)
    except RuntimeError:
        LOG.exception("failed")
    line = only_line(written)
    assert line["event"] == "failed"
    assert "it failed" in json.dumps(line["exception"])
    assert CANARY not in json.dumps(line)


@pytest.mark.django_db
def test_a_database_error_is_logged_without_the_row_it_quotes(written: io.StringIO) -> None:
    with pytest.raises(DataError, match=CANARY), transaction.atomic():
        try:
            connection.cursor().execute("SELECT %s::uuid", [CANARY])
        except DataError:
            LOG.exception("failed")
            raise
    line = only_line(written)
    assert "DataError" in json.dumps(line)
    assert CANARY not in json.dumps(line)


def test_a_warning_that_repeats_is_said_once_a_span_with_its_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[str, int]] = []

    class Listening:
        def warning(self, event: str, *, reason: str, times: int) -> None:
            said.append((f"{event} {reason}", times))

    now = 100.0
    monkeypatch.setattr("ibex.logs.time.monotonic", lambda: now)
    sparing = Sparing(Listening(), every_s=10)
    for _request in range(500):
        sparing.say("nothing", "Busy")
    sparing.say("nothing", "TimeoutError")
    assert said == [("nothing Busy", 1), ("nothing TimeoutError", 1)]
    now = 110.0
    sparing.say("nothing", "Busy")
    assert said[2:] == [("nothing Busy", 500)]
