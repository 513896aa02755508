"""Sending a file without reading it whole, and without stopping the event loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

CHUNK_BYTES = 256 * 1024


class FileChunks:
    """The bytes of an open file, read in threads.

    Django's `FileResponse` iterates in the old way, which under ASGI is read whole into memory.
    The answer closes the file, also when the client leaves before the first byte.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield chunk after chunk."""
        while chunk := await asyncio.to_thread(self._file.read, CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()
