"""Every session that ended is archived: whole, readable, once for each end."""

import json
import stat
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from ibex.tenancy import tenant
from sessions import archiving
from sessions.archive_format import encode, turn_line
from sessions.archiving import ALIAS, archive_key
from sessions.errors import ArchiveIncomplete
from sessions.models import Session, Turn
from sessions.services import complete_idle_session, complete_session
from sessions.tasks import archive_session
from tests.conftest import TESTS, World
from tests.sessions.archives import archive, change, end, ended_and_archived, files, fresh, lines
from tests.sessions.turns import make_session, record_turn

pytestmark = pytest.mark.usefixtures("folder")


def test_a_session_comes_back_from_its_archive(world: World, folder: Path) -> None:
    session = make_session(world.scout, subject="ada")
    injected = [{"id": "m1", "kind": "memory", "rank": 1, "scores": {"cosine": 0.5}}]
    first = record_turn(session, "Where is my parcel?", "On its way.", directive_version=3)
    record_turn(session, "And now?", "Almost.", is_streaming=True, injected=injected)
    row = ended_and_archived(session)
    header, one, two = lines(session)
    assert header == {
        "type": "session",
        "schema_version": 1,
        "archive_version": 1,
        "org_id": str(world.acme.pk),
        "agent_id": str(world.scout.pk),
        "session_id": str(session.pk),
        "external_id": session.external_id,
        "subject": "ada",
        "status": "completed",
        "started_at": session.created_at.isoformat(),
        "last_turn_at": session.last_turn_at.isoformat(),
        "completed_at": row.completed_at.isoformat(),
        "directive_version": None,
        "turn_count": 2,
        "tokens_in": 0,
        "tokens_out": 0,
        "branched_from_id": None,
        "branched_at_turn": None,
    }
    assert one["messages"] == [{"role": "user", "content": "Where is my parcel?"}]
    assert one["completion"] == {"role": "assistant", "content": "On its way."}
    assert (one["request_raw"], one["completion_raw"]) == (None, None)
    assert (one["turn_id"], one["request_id"]) == (str(first.pk), first.request_id)
    assert (one["index"], one["directive_version"], one["model"]) == (0, 3, "m")
    assert (two["index"], two["completion"]) == (1, {"content": "Almost."})
    assert two["injected"] == injected
    assert two["is_complete"]
    assert (row.archive_version, row.archive_turns, row.archive_after) == (1, 2, None)


def test_the_archive_lies_in_the_month_in_which_the_session_began(
    world: World, folder: Path
) -> None:
    before_midnight = datetime.fromisoformat("2026-01-31T23:30:00-05:00")
    session = make_session(world.scout, created_at=before_midnight)
    row = ended_and_archived(session)
    name = f"{world.acme.pk}/{world.scout.pk}/2026/02/{session.pk}.ndjson"
    assert row.archive_key == archive_key(session) == name
    assert files(folder) == [name]
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


HOSTILE = 'NUL\0 "quoted" \n\r\u2028\x85 \U0001f389 \u202e \\u0000 {"type": "session"}'


def test_hostile_text_stays_in_its_line(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, HOSTILE, HOSTILE)
    record_turn(session, "x" * 1_000_000, "\U0001f389" * 250_000, is_streaming=True)
    record_turn(session, "\ud83d\ude00 \ud800", "lone \udfff")
    ended_and_archived(session)
    _header, hostile, long, lone = lines(session)
    assert hostile["messages"][0]["content"] == HOSTILE.replace("\0", "\ufffd")
    assert hostile["completion"]["content"] == HOSTILE.replace("\0", "\ufffd")
    assert len(long["messages"][0]["content"]) == 1_000_000
    assert long["completion"]["content"] == "\U0001f389" * 250_000
    assert lone["messages"][0]["content"] == "\U0001f600 \ufffd"
    assert lone["completion"]["content"] == "lone \ufffd"


ODD = [
    b"",
    b"not json",
    b"[1]",
    b'{"error": {"message": "no"}}',
    b'{"messages": "none", "choices": 5}',
    b'{"choices": [{"index": 0, "message": {"content": "a"}}, {"index": 1, "message": {}}]}',
    b'{"messages": [{"n": 123456789012345678901234567890, "x": NaN, "y": 1e999}]}',
    b'{"messages": ' + b"[" * 300 + b"]" * 300 + b"}",
    b'{"messages": ' + b"[" * 800 + b"]" * 800 + b"}",
    b'{"messages": ' + b"[" * 100_000 + b"}",
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("body", ODD)
@pytest.mark.parametrize("is_streaming", [False, True])
def test_what_is_no_message_is_kept_as_text(body: bytes, is_streaming: bool) -> None:
    row = odd_turn(body, is_streaming=is_streaming)
    line = turn_line(row)
    assert line.count(b"\n") == 1
    read = json.loads(line, parse_constant=pytest.fail)
    for whole, part in (("request_raw", "messages"), ("completion_raw", "completion")):
        said = read[part] not in (None, [], {})
        assert said or not body or "\ufffd" in read[whole] or read[whole] == body.decode()


def test_bytes_that_cannot_be_read_do_not_hide_the_other_turns(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, "Hello")
    record_turn(session, "Hello")
    with tenant(world.acme):
        made = Turn.objects.create(
            **row_of(session), index=2, request=b"not zlib", completion=b"not zlib"
        )
    change(session, turn_count=3)
    ended_and_archived(session)
    broken = lines(session)[3]
    assert broken["turn_id"] == str(made.pk)
    names = ("messages", "request_raw", "completion", "completion_raw")
    assert [broken[name] for name in names] == [None] * 4


@given(st.recursive(st.none() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_every_value_makes_one_line_of_json(value: Any) -> None:
    line = encode({"value": value, "more": {"\ud800\0": value}})
    assert line.count(b"\n") == 1
    assert "\0" not in json.dumps(json.loads(line), ensure_ascii=False)


def test_the_tools_of_a_stream_are_put_together() -> None:
    deltas = [
        {"role": "assistant", "content": None},
        {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    read = json.loads(turn_line(odd_turn(stream.encode(), is_streaming=True)))
    assert read["completion"] == {
        "role": "assistant",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "c2", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert read["completion_raw"] is None


def test_a_long_session_is_read_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "CHUNK_TURNS", 3)
    monkeypatch.setattr(archiving, "CHUNK_BYTES", 400)
    session = make_session(world.scout)
    for number in range(11):
        record_turn(session, f"{number} " + "x" * (number % 3))
    row = ended_and_archived(session)
    header, *turns = lines(session)
    assert [turn["index"] for turn in turns] == list(range(11))
    assert header["turn_count"] == row.archive_turns == 11


def test_a_session_without_turns_has_a_header_alone(world: World) -> None:
    session = make_session(world.scout)
    ended_and_archived(session)
    assert [line["type"] for line in lines(session)] == ["session"]


def test_an_archive_that_would_miss_a_turn_is_not_written(world: World, folder: Path) -> None:
    session = make_session(world.scout)
    record_turn(session, "Hello")
    change(session, turn_count=2)
    end(session)
    with pytest.raises(ArchiveIncomplete):
        archive(session)
    assert fresh(session).archive_after is not None
    assert files(folder) == []


def test_archiving_twice_writes_once(world: World, folder: Path) -> None:
    session = make_session(world.scout)
    first = ended_and_archived(session)
    archive_session(world.acme.pk, session.pk)
    assert fresh(session).archive_version == first.archive_version == 1
    archive_session(world.acme.pk, world.scout.pk)
    assert len(files(folder)) == 1


def test_an_active_session_is_not_archived(world: World, folder: Path) -> None:
    session = make_session(world.scout)
    record_turn(session, "Hello")
    archive(session)
    assert files(folder) == []


def test_an_abandoned_session_is_archived_as_such(world: World) -> None:
    session = make_session(world.scout, completes_at=timezone.now() - timedelta(seconds=1))
    complete_idle_session(org_id=world.acme.pk, session_id=session.pk)
    archive(session)
    assert lines(session)[0]["status"] == "abandoned"
    complete_session(session=session, actor=TESTS, how="completed")
    archive(session)
    assert (lines(session)[0]["status"], fresh(session).archive_version) == ("completed", 2)


def test_a_session_that_went_on_is_archived_anew_in_the_same_place(
    world: World, folder: Path
) -> None:
    session = make_session(world.scout)
    record_turn(session, "One")
    first = ended_and_archived(session)
    old = (folder / first.archive_key).open("rb")
    record_turn(session, "Two")
    second = ended_and_archived(session)
    header, *turns = lines(session)
    assert (header["archive_version"], header["turn_count"], len(turns)) == (2, 2, 2)
    assert second.archive_sha256 != first.archive_sha256
    assert files(folder) == [first.archive_key]
    with old:  # whoever was reading the first version reads it to its end
        assert len(old.read().splitlines()) == 2


def test_a_write_that_fails_leaves_the_old_archive_whole(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    ended_and_archived(session)
    record_turn(session, "Two")
    end(session)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="no space"):
            archive(session)
    row = fresh(session)
    assert (folder / row.archive_key).read_bytes().count(b"\n") == 1
    assert (row.archive_version, row.archive_attempts) == (1, 1)
    monkeypatch.setattr(archiving.OUTAGE, "until", 0.0)
    archive(session)
    assert files(folder) == [row.archive_key]
    assert len(lines(session)) == 2


def test_a_store_that_is_away_delays_an_archive_and_loses_none(world: World, folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    session = make_session(world.scout)
    end(session)
    waits = []
    for _attempt in range(3):
        archiving.OUTAGE.until = 0.0
        with pytest.raises(OSError, match=str(folder.name)):
            archive(session)
        row = fresh(session)
        assert row.archive_after is not None
        waits.append((row.archive_claimed_until - timezone.now()).total_seconds())
    assert waits == pytest.approx([5, 10, 20], abs=1)
    assert row.archive_attempts == 3
    folder.unlink()
    archiving.OUTAGE.until = 0.0
    row = archive(session)
    assert (row.archive_version, row.archive_attempts, row.archive_after) == (1, 0, None)
    assert row.archive_claimed_until is None


def test_a_store_that_has_just_failed_is_left_alone(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("a file where the folder should be")
    one, two = make_session(world.scout), make_session(world.scout)
    for session in (one, two):
        end(session)
    with pytest.raises(OSError, match=str(folder.name)):
        archive(one)
    assert timedelta(0) < archiving.OUTAGE.left <= timedelta(seconds=1.5)
    with monkeypatch.context() as patch:
        patch.setattr(storages[ALIAS], "save", pytest.fail)
        row = archive(two)
    assert row.archive_attempts == 0
    left = (row.archive_claimed_until - timezone.now()).total_seconds()
    assert left == pytest.approx(archiving.OUTAGE.left.total_seconds(), abs=1)


def test_the_longer_a_store_keeps_us_waiting_the_longer_it_is_left_alone() -> None:
    outage = archiving.Outage()
    with pytest.raises(OSError, match="away"), outage.watch():
        time.sleep(0.8)
        raise OSError("away")
    assert outage.left.total_seconds() > 1.3


def test_a_crash_costs_a_short_lease_that_doubles(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    end(session)
    monkeypatch.setattr(archiving, "header", crash)
    for wait in (1, 2, 4):
        with pytest.raises(KeyboardInterrupt):
            archive(session)
        left = fresh(session).archive_claimed_until - timezone.now()
        assert left.total_seconds() == pytest.approx(10 * wait, abs=2)


def test_an_end_that_came_meanwhile_stays_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    end(session)
    write = archiving._write

    def write_slowly(*given: Any) -> Any:
        record_turn(session, "One more")
        end(session)
        return write(*given)

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_write", write_slowly)
        row = archive(session)
    assert (row.archive_version, row.archive_turns) == (1, 0)
    assert row.archive_after is not None
    assert row.archive_claimed_until is None
    row = archive(session)
    assert (row.archive_version, row.archive_turns, row.archive_after) == (2, 1, None)


def test_a_session_that_is_erased_meanwhile_takes_its_archive_with_it(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(world.scout)
    end(session)
    write = archiving._write

    def write_and_erase(*given: Any) -> Any:
        written = write(*given)
        with tenant(world.acme):
            Session.objects.filter(pk=session.pk).delete()
        return written

    monkeypatch.setattr(archiving, "_write", write_and_erase)
    archiving.archive_session(org_id=world.acme.pk, session_id=session.pk)
    assert files(folder) == []


def test_another_org_cannot_have_a_session_archived(world: World, folder: Path) -> None:
    session = make_session(world.scout)
    end(session)
    archiving.archive_session(org_id=world.elsewhere.pk, session_id=session.pk)
    assert files(folder) == []
    assert archive(session).archive_version == 1


def test_due_archives_of_every_org_are_claimed_once(world: World) -> None:
    ours, theirs = make_session(world.scout), make_session(world.spy)
    waiting = make_session(world.scout)
    for session in (ours, theirs, waiting):
        end(session)
        change(session, archive_after=timezone.now() - timedelta(minutes=1))
    change(waiting, archive_claimed_until=timezone.now() + timedelta(minutes=1))
    known = {ours.pk, theirs.pk, waiting.pk}
    assert {row for row in claim() if row[1] in known} == {
        (world.acme.pk, ours.pk),
        (world.elsewhere.pk, theirs.pk),
    }
    assert not {row for row in claim() if row[1] in known}


def claim() -> set[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT org_id, id FROM ibex_claim_archives(1000, '1 minute')")
        return set(cursor.fetchall())


def refuse(*_args: Any) -> None:
    raise OSError("no space left on device")


def crash(*_args: Any, **_options: Any) -> bytes:
    raise KeyboardInterrupt


def row_of(session: Session) -> dict[str, Any]:
    return {
        "org_id": session.org_id,
        "agent_id": session.agent_id,
        "session": session,
        "model": "m",
        "provider": "local",
        "latency_ms": 1.0,
    }


def odd_turn(body: bytes, *, is_streaming: bool) -> Turn:
    packed = zlib.compress(body)
    return Turn(
        index=0,
        request=packed,
        completion=packed,
        is_streaming=is_streaming,
        created_at=datetime.now(UTC),
        latency_ms=1.0,
    )
