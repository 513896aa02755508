"""What of a process's log reaches the terminal."""

from pathlib import Path

import pytest

from ibex.embedded.terminal import Tail, Terminal, summary


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level": "warning", "event": "slow"}', "warning: slow"),
        ('{"level": "info", "event": "served"}', None),
        ("a banner", None),
        ("[1, 2]", None),
    ],
)
def test_only_warnings_and_worse_are_shown(line: str, shown: str | None) -> None:
    assert summary(line) == shown


def test_a_log_is_read_by_whole_lines_and_from_now_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("before\n")
    tail = Tail(log)
    with log.open("a") as file:
        file.write("one\ntw")
    assert tail.lines() == ["one"]
    with log.open("a") as file:
        file.write("o\n")
    assert tail.lines() == ["two"]
    log.write_text("new\n")
    assert tail.lines() == ["new"]


def test_a_dying_process_is_quoted_without_its_chatter(capsys: pytest.CaptureFixture[str]) -> None:
    last = '{"level": "info", "event": "served"}\nValueError: no\n{"level": "error", "event": "x"}'
    Terminal(verbose=False).quote("api", last)
    printed = capsys.readouterr().out
    assert "ValueError: no" in printed
    assert "error: x" in printed
    assert "served" not in printed
