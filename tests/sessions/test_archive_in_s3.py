"""Archives in an object store, over the wire."""

import hashlib
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from django.core.files.storage import storages

from sessions import archiving
from sessions import bucket as bucket_module
from sessions.archive import archive_url
from sessions.archiving import ALIAS
from tests.conftest import TESTS, World
from tests.processes import free_port
from tests.sessions.archives import archive, change, end, ended_and_archived, fresh, lines
from tests.sessions.conftest import StoreArchives
from tests.sessions.turns import make_session, record_turn


def test_an_archive_is_an_object_of_its_kind(world: World, bucket: str, s3: Any) -> None:
    session = make_session(world.scout)
    record_turn(session, "Hello \U0001f389")
    row = ended_and_archived(session)
    found = s3.get_object(Bucket=bucket, Key=row.archive_key)
    content = found["Body"].read()
    assert found["ContentType"] == "application/x-ndjson"
    assert len(content) == found["ContentLength"] == row.archive_size
    assert hashlib.sha256(content).hexdigest() == row.archive_sha256
    assert [json.loads(line)["type"] for line in content.splitlines()] == ["session", "turn"]


def test_a_session_that_went_on_replaces_its_object(world: World, bucket: str, s3: Any) -> None:
    session = make_session(world.scout)
    ended_and_archived(session)
    record_turn(session, "More")
    row = ended_and_archived(session)
    assert lines(session)[0]["archive_version"] == row.archive_version == 2
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{world.acme.pk}/")
    assert [found["Key"] for found in listed["Contents"]] == [row.archive_key]


def test_a_large_archive_goes_up_in_parts(world: World, bucket: str, s3: Any) -> None:
    session = make_session(world.scout)
    for _ in range(6):
        record_turn(session, "x" * (3 * bucket_module.MIB))
    row = ended_and_archived(session)
    assert row.archive_size > 18 * bucket_module.MIB
    assert s3.head_object(Bucket=bucket, Key=row.archive_key)["ETag"].endswith('-3"')
    assert len(lines(session)) == 7


def test_a_link_is_signed_ahead_and_names_the_download(world: World, bucket: str) -> None:
    session = make_session(world.scout)
    record_turn(session, "Hello")
    ended_and_archived(session)
    link = archive_url(session=session, actor=TESTS)
    assert "X-Amz-Expires=900" in link.url
    with urllib.request.urlopen(link.url, timeout=10) as answer:
        content = answer.read()
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        named = f'attachment; filename="{session.pk}.ndjson"'
        assert answer.headers["Content-Disposition"] == named
    assert hashlib.sha256(content).hexdigest() == link.sha256


def test_a_store_that_is_away_is_an_error_that_names_no_content(
    world: World, bucket: str, store_archives: StoreArchives
) -> None:
    session = make_session(world.scout)
    record_turn(session, "My secret")
    end(session)
    store_archives(f"s3://{bucket}?endpoint_url=http://127.0.0.1:{free_port()}")
    with pytest.raises(OSError, match=r"^The object store refused: EndpointConnectionError$"):
        archive(session)
    assert fresh(session).archive_after is not None


def test_a_bucket_that_does_not_exist_yet_delays_an_archive(
    world: World, object_store: str, s3: Any, store_archives: StoreArchives
) -> None:
    store_archives(f"s3://made-later/under?endpoint_url={object_store}")
    session = make_session(world.scout)
    end(session)
    with pytest.raises(OSError, match=r"^The object store refused: NoSuchBucket$"):
        archive(session)
    assert fresh(session).archive_attempts == 1
    s3.create_bucket(
        Bucket="made-later", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    archiving.OUTAGE.until = 0.0
    row = archive(session)
    assert row.archive_version == 1
    assert s3.head_object(Bucket="made-later", Key=f"under/{row.archive_key}")


def test_a_check_asks_for_the_bucket(
    bucket: str, object_store: str, store_archives: StoreArchives
) -> None:
    storages[ALIAS].check()  # type: ignore[attr-defined]
    store_archives(f"s3://no-such-bucket?endpoint_url={object_store}&region=eu-central-1")
    with pytest.raises(OSError, match="ClientError"):
        storages[ALIAS].check()  # type: ignore[attr-defined]


def test_an_archive_is_deleted_once_and_for_all(world: World, bucket: str, s3: Any) -> None:
    session = make_session(world.scout)
    row = ended_and_archived(session)
    storages[ALIAS].delete(row.archive_key)
    storages[ALIAS].delete(row.archive_key)
    assert not storages[ALIAS].exists(row.archive_key)
    change(session, archive_key="")
