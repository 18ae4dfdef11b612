"""``errata ask`` on a terminal: it streams, and Ctrl-C ends it cleanly."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine


def test_ask_streams_and_ctrl_c_keeps_the_text_so_far(errata: CommandLine, tmp_path: Path) -> None:
    page = tmp_path / "hours.md"
    page.write_text("# Hours\n\nThe shop opens at nine.", encoding="utf-8")
    errata("ingest", str(page))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bot.server", "ask", "When does the shop open?"],
        env={**os.environ, "SLOW": "0.1"},
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(theirs)
        printed = b""
        while printed.count(b"word") < 2:
            printed += os.read(ours, 1000)
        process.send_signal(signal.SIGINT)
        while block := _read(ours):
            printed += block
        os.close(ours)
        assert process.wait(timeout=30) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    text = printed.decode().replace("\r\n", "\n")
    assert text.startswith("word [1] word [1] ")
    assert f" *[1] Hours — {tmp_path.name}/hours.md, version 1, line 3\n" in text
    assert "\nstopped, " in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1000)
    except OSError:  # how Linux says that the other end is closed
        return b""
