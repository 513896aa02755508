"""The model's name and what the service accepts; light enough for its clients to import."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

EMBEDDING_MODEL = "all-MiniLM-L6-v2"
EMBEDDING_DIM = 384
VECTOR_BYTES = 4 * EMBEDDING_DIM
"""One vector as little-endian float32: in the cache, and in a base64 answer."""

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_TEXTS = 512

QUERY_PIECES = 64
"""Word pieces of a query that the model reads, its two marks included."""

WINDOW_PIECES = 256
"""Word pieces the model reads at once, its two marks included; longer windows dilute the mean."""

OVERLAP_PIECES = 32
"""Pieces that two neighbouring windows share, so that no sentence is only seen cut in half."""

MAX_WINDOWS_PER_TEXT = 45
MAX_PASSAGE_PIECES = (
    WINDOW_PIECES - 2 + (MAX_WINDOWS_PER_TEXT - 1) * (WINDOW_PIECES - 2 - OVERLAP_PIECES)
)
"""10,022: a piece is at least a byte, so every memory (10,000 bytes at most) can be embedded."""

MAX_WINDOWS_PER_REQUEST = 2_048
MAX_WAITING_WINDOWS = 8_192
"""Past this backlog (minutes of work) a request is turned away instead of queued."""

Kind = Literal["passage", "query"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Vectors = npt.NDArray[np.float32]
"""An array of shape (n, 384), each row of length 1."""
