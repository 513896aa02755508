"""Shared by the tests of sessions: archives in a folder of the test's own, or in a bucket."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ibex.archives import archive_storage
from sessions.archiving import OUTAGE
from tests.processes import free_port
from tests.worker.conftest import broker_url, make_worker, nothing_else_is_due

__all__ = ["broker_url", "make_worker", "nothing_else_is_due"]

StoreArchives = Callable[[str], None]
KEYS = {"access_key": "test-access", "secret_key": "test-secret"}


@pytest.fixture
def store_archives(settings: Any) -> StoreArchives:
    """Send archives where an `IBEX_ARCHIVE_URL` says."""

    def store(url: str) -> None:
        storage = archive_storage(url, default=Path("unused"), **KEYS)
        settings.STORAGES = {**settings.STORAGES, "archive": storage}

    return store


@pytest.fixture(autouse=True)
def no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test with a store that has not failed yet."""
    monkeypatch.setattr(OUTAGE, "until", 0.0)


@pytest.fixture
def folder(tmp_path: Path, store_archives: StoreArchives) -> Path:
    """Keep archives in a folder."""
    place = tmp_path / "the archives"
    store_archives(place.as_uri())
    return place


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """A real HTTP server that speaks S3, as a process."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
        except OSError:
            assert process.poll() is None, "moto_server ended"
            assert time.monotonic() < deadline, "moto_server does not answer"
            time.sleep(0.1)
        else:
            break
    yield url
    process.terminate()
    process.wait()


@pytest.fixture
def s3(object_store: str) -> Any:
    """A plain client of the object store, which is not what the product uses."""
    return boto3.client(
        "s3",
        endpoint_url=object_store,
        region_name="eu-central-1",
        aws_access_key_id=KEYS["access_key"],
        aws_secret_access_key=KEYS["secret_key"],
        config=Config(s3={"addressing_style": "path"}),
    )


@pytest.fixture
def bucket(object_store: str, s3: Any, store_archives: StoreArchives) -> str:
    """Keep archives in a bucket; returns its name."""
    name = "ibex-sessions"
    where = {"LocationConstraint": "eu-central-1"}
    if name not in {found["Name"] for found in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    store_archives(f"s3://{name}?endpoint_url={object_store}&region=eu-central-1")
    return name
