"""The quantised model: how close it is, and how its file comes to be."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from embedder import graph
from embedder import model as model_module
from embedder.model import WEIGHTS, Model, ensure_model_file
from embedder.pieces import Cutter

SENTENCES = [
    "The user prefers tabs over spaces.",
    "Alice moved to Berlin in 2021 and works as a nurse.",
    "Postgres is the production database; Redis only caches.",
    "How do I deploy on Fridays?",
    "He drinks his tea without milk.",
    "The budget is 12,000 EUR and must be spent by the end of March.",
    "What is the weather like tomorrow, and should I take an umbrella to the concert?",
    "Die Katze sitzt auf der Matte und schläft.",
]


def test_int8_stays_close_to_fp32(model: Model) -> None:
    reference = Model(graph.build_graph(load_file(WEIGHTS), graph.Float()), threads=1)
    windows = [pieces.windows[0] for pieces in Cutter().cut(SENTENCES, "passage")]
    for window in windows:
        assert model.run([window])[0] @ reference.run([window])[0] >= 0.99


def test_padding_and_company_change_nothing(model: Model) -> None:
    windows = [pieces.windows[0] for pieces in Cutter().cut(SENTENCES, "passage")]
    long = [101, *([2_003] * 254), 102]
    together = model.run([*windows, long])
    for window, vector in zip(windows, together, strict=False):
        np.testing.assert_allclose(model.run([window])[0], vector, atol=2e-3)


def test_two_processes_build_at_once_and_leave_one_file(environment, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "models"
    command = [sys.executable, "-m", "embedder", "build"]
    settings = {"PATH": environment["PATH"], "PYTHONPATH": environment["PYTHONPATH"]}
    settings["IBEX_MODEL_DIR"] = str(folder)
    both = [
        subprocess.Popen(command, env=settings, cwd=tmp_path, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.wait(30) for process in both] == [0, 0]
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o644
    assert np.isfinite(Model(file, 1).run([[101, 7592, 102]])).all()


def test_a_file_that_is_there_is_not_built_again(model_dir: Path) -> None:
    before = ensure_model_file(model_dir).stat().st_mtime_ns
    assert ensure_model_file(model_dir).stat().st_mtime_ns == before


def test_another_builder_gets_another_file(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ensure_model_file(model_dir).name
    changed = tmp_path / "graph.py"
    changed.write_text(Path(graph.__file__).read_text() + "# changed\n")
    monkeypatch.setattr(graph, "__file__", str(changed))
    assert model_module._fingerprint() not in known


def test_a_build_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_module.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        ensure_model_file(tmp_path)
    assert list(tmp_path.iterdir()) == []
