"""One address says where archives go; a wrong one stops the process with its name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ibex.archives import archive_storage
from sessions.bucket import ArchiveBucket
from sessions.folder import ArchiveFolder
from tests.conftest import ROOT

HERE = Path("/srv/ibex/archive")


def test_without_an_address_archives_lie_in_the_home_folder() -> None:
    storage = archive_storage("", default=Path("var/archive"))
    assert storage["BACKEND"] == "sessions.folder.ArchiveFolder"
    location = Path(storage["OPTIONS"]["location"])
    assert location.is_absolute()
    assert location == Path.cwd() / "var/archive"


def test_a_folder_may_have_any_name() -> None:
    storage = archive_storage("file:///srv/my%20archives", default=HERE)
    assert ArchiveFolder(**storage["OPTIONS"]).location == "/srv/my archives"


def test_a_bucket_of_aws_needs_no_more_than_its_name() -> None:
    bucket = ArchiveBucket(**archive_storage("s3://ibex-sessions", default=HERE)["OPTIONS"])
    assert (bucket.bucket_name, bucket.location) == ("ibex-sessions", "")
    assert bucket.endpoint_url is None
    assert bucket.client_config.connect_timeout == 3
    assert bucket.client_config.signature_version == "s3v4"


def test_another_store_is_named_by_its_endpoint() -> None:
    url = "s3://b/a/prefix/?endpoint_url=https://minio.example:9000&region=eu-west-1"
    storage = archive_storage(url, default=HERE, access_key="k", secret_key="s")
    bucket = ArchiveBucket(**storage["OPTIONS"])
    assert (bucket.location, bucket.region_name) == ("a/prefix", "eu-west-1")
    assert bucket.endpoint_url == "https://minio.example:9000"
    assert bucket.client_config.s3 == {"addressing_style": "path"}
    assert (bucket.access_key, bucket.secret_key) == ("k", "s")


WRONG = ["/srv", "file://srv/x", "file:", "s3:///x", "http://x", "s3://b?acl=public", "s3"]


@pytest.mark.parametrize("url", WRONG)
def test_an_address_that_is_not_understood_is_refused(url: str) -> None:
    with pytest.raises(SystemExit, match=r"^IBEX_ARCHIVE_URL must be file:///"):
        archive_storage(url, default=HERE)


def test_a_process_does_not_start_with_one() -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "IBEX_ARCHIVE_URL": "ftp://me:secret@example.com"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert "IBEX_ARCHIVE_URL" in ended.stderr
    assert "secret" not in ended.stderr


def test_the_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "from ibex import settings; print(settings.STORAGES['archive']['OPTIONS'])",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "IBEX_ARCHIVE_URL": "s3://b",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY_FILE": str(tmp_path / "key"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'access_key': 'k', 'secret_key': 'from-a-file'" in ended.stdout
