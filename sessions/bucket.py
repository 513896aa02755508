"""Archives in S3 or what speaks like it: one put or one multipart upload, pre-signed links."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

MIB = 1024 * 1024
PATIENCE = Config(
    connect_timeout=3,
    read_timeout=8,
    retries={"mode": "standard", "max_attempts": 2},
    signature_version="s3v4",
    request_checksum_calculation="when_required",  # stores that are not S3 itself refuse trailers
    response_checksum_validation="when_required",
)
"""A store that is away must not hold a worker for long: the archive is due again later."""
TRANSFER = TransferConfig(
    multipart_threshold=16 * MIB, multipart_chunksize=8 * MIB, max_concurrency=2
)
"""So that an upload holds few parts in memory."""


class ArchiveBucket(S3Storage):  # type: ignore[misc] # the package has no types
    """A bucket whose failures are `OSError`s, as those of a folder are."""

    client_config: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, transfer_config=TRANSFER)
        self.client_config = self.client_config.merge(PATIENCE)

    def link(self, name: str, lifetime: timedelta) -> str:
        """Return a pre-signed address that downloads the file."""
        filename = name.rpartition("/")[2]
        parameters = {"ResponseContentDisposition": f'attachment; filename="{filename}"'}
        url: str = self.url(name, parameters=parameters, expire=int(lifetime.total_seconds()))
        return url

    def check(self) -> None:
        """Raise `OSError` when the bucket does not answer."""
        with _as_os_error():
            self.connection.meta.client.head_bucket(Bucket=self.bucket_name)

    def delete(self, name: str) -> None:
        """Remove an object; removing one that is not there is no error."""
        with _as_os_error():
            super().delete(name)

    def _save(self, name: str, content: Any) -> str:
        with _as_os_error():
            saved: str = super()._save(name, content)
        return saved


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise OSError(f"The object store refused: {type(error).__name__}") from error
