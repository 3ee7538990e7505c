"""The command as a real process: interrupted, cut off by its reader, on a terminal, started as a module."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest

import imcsim
from imcsim.progress_line import NotebookProgress, ProgressLine, ProgressLines, watch
from simcore import LiveBottleneck, Progress
from tests.imcsim.command_bench import MLP, process

#: Far more than anybody waits for.
LONG = ["run", "digits-cnn", "--arch", "dataflow", "--values", "off", "--images", "100000"]


def interrupted(out: Path | None) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a long run that gets Ctrl-C once it simulates."""
    args = LONG if out is None else [*LONG, "--out", out]
    running = process(*args, "--json")
    wait_for_simulation(running)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=20)
    return running.returncode, stdout, stderr


def wait_for_simulation(running: subprocess.Popen[str]) -> None:
    """Wait until a process has used so much processor time that it simulates, on slow machines, too."""
    ticks = os.sysconf("SC_CLK_TCK")
    while running.poll() is None:
        used = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
        if int(used[11]) + int(used[12]) > 4 * ticks:
            return
        time.sleep(0.05)


def test_ctrl_c_ends_with_130_and_saves_what_is_known(tmp_path: Path) -> None:
    code, stdout, stderr = interrupted(tmp_path / "run")
    assert (code, stdout) == (130, "")
    assert stderr == f"error: interrupted; what is known of the run is in {tmp_path / 'run'}, marked so\n"
    back = imcsim.read_run(tmp_path / "run")
    assert back.summary["interrupted"] is True
    assert back.summary["events"] > 0
    assert back.summary["cycles"] is None
    assert back.summary["reached"]["cycle"] > 0
    assert 0 < back.summary["reached"]["images"] < 100000
    assert back.config.images == 100000
    assert set(back.summary) == set(imcsim.run("digits-mlp", "dataflow", values="off").summary)


def test_ctrl_c_keeps_an_earlier_complete_run(tmp_path: Path) -> None:
    before = imcsim.run("digits-mlp", "dataflow", values="off", out=tmp_path / "run")
    code, _, stderr = interrupted(tmp_path / "run")
    assert code == 130
    assert stderr == f"error: interrupted; {tmp_path / 'run'} keeps the complete run that it held\n"
    assert imcsim.read_run(tmp_path / "run").summary == before.summary


def test_ctrl_c_without_a_directory_leaves_nothing() -> None:
    assert interrupted(None) == (130, "", "error: interrupted\n")


def test_a_reader_that_leaves_is_no_error() -> None:
    running = process("list")
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    assert running.stderr.read() == ""
    assert running.wait(timeout=20) == 0
    running.stderr.close()


@pytest.mark.parametrize(("closed", "said"), [("1", "error: no workload is called 'mlp'"), ("2", "")])
def test_closed_streams_are_no_error(closed: str, said: str) -> None:
    words = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", sys.executable, "-m", "imcsim"]
    good = subprocess.run([*words, *MLP], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    bad = subprocess.run(
        [*words, "run", "mlp", "--arch", "dataflow"], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 2
    assert bad.stderr.startswith(said)


def test_the_module_is_the_command() -> None:
    running = process(*MLP, "--json")
    stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stderr) == (0, "")
    assert json.loads(stdout)["workload"] == "digits-mlp"


def test_progress_is_shown_on_a_terminal_and_wiped() -> None:
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "imcsim", *LONG]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=follower, text=True) as running:
        shown = ""
        while "cycle" not in shown:
            shown += os.read(leader, 1 << 12).decode()
        running.send_signal(signal.SIGINT)
        stdout, _ = running.communicate(timeout=20)
    os.close(follower)
    shown += os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert (running.returncode, stdout) == (130, "")
    *_, wiped, last = shown.rstrip().split("\r")
    assert not wiped.strip()
    assert last == "error: interrupted"


def test_progress_is_shown_only_once_people_wonder_and_fits_the_line() -> None:
    stream = StringIO()
    line = ProgressLine(stream)
    for done, wall_s in ((0, 0.1), (0, 0.9), (0, 1.0), (1, 1.1), (2, 2.0)):
        line(Progress(cycle=3_000_000, done=done, total=8, what="images", events=7, wall_s=wall_s))
    shown = [text.strip() for text in stream.getvalue().split("\r") if text]
    assert shown == [
        "0 of 8 images, cycle 3,000,000, simulating at 3 MHz",
        "2 of 8 images, cycle 3,000,000, 6 s left, simulating at 1.5 MHz",
    ]
    line.clear()
    assert stream.getvalue().endswith(" \r")


def busy(share: float) -> LiveBottleneck:
    return LiveBottleneck("core[conv1].crossbar[0,0]", "mvm", share)


def test_the_progress_line_names_the_present_bottleneck() -> None:
    stream = StringIO()
    line = ProgressLine(stream)
    for wall_s, share in ((1.0, 0.984), (1.1, 0.9), (2.0, 0.5)):
        line(Progress(3_000_000, 2, 8, "images", 7, wall_s, lambda share=share: busy(share)))  # type: ignore[misc]
    shown = [text.strip() for text in stream.getvalue().split("\r") if text]
    assert [text.rpartition(", ")[0] for text in shown] == [
        f"2 of 8 images, cycle 3,000,000, {left} s left, core[conv1].crossbar[0,0] {share} busy"
        for left, share in ((3, "98%"), (6, "50%"))
    ]


def test_a_notebook_keeps_one_line_up_to_date() -> None:
    shown: list[str] = []

    class Handle:
        def update(self, content: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown[-1] = content["text/plain"]

    def display(content: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert (raw, display_id) == (True, True)
        shown.append(content["text/plain"])
        return Handle()

    progress = NotebookProgress(display)
    progress(Progress(3_000_000, 0, 8, "images", 7, 0.5))
    assert not shown
    progress(Progress(3_000_000, 0, 8, "images", 7, 1.0))
    assert shown == ["0 of 8 images, cycle 3,000,000, simulating at 3 MHz"]
    progress(Progress(6_000_000, 2, 8, "images", 7, 2.0, lambda: busy(0.984)))
    told = "core[conv1].crossbar[0,0] 98% busy"
    assert shown == [f"2 of 8 images, cycle 6,000,000, 6 s left, {told}, simulating at 3 MHz"]


def test_outside_a_notebook_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    watch()(Progress(3_000_000, 0, 8, "images", 7, 1.0))
    captured = capsys.readouterr()
    assert "0 of 8 images" in captured.err
    assert not captured.out


def test_a_full_disk_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "imcsim", "list"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    message = "error: the system refuses to read or write: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_progress_of_several_runs_names_each() -> None:
    stream = StringIO()
    lines = ProgressLines(stream)
    for what in ("vgg16 on isaac", "vgg16 on dataflow"):
        lines(what, Progress(cycle=3_000_000, done=0, total=8, what="images", events=7, wall_s=1.0))
    shown = [text.strip() for text in stream.getvalue().split("\r") if text]
    assert shown == [
        f"{what}, 0 of 8 images, cycle 3,000,000, simulating at 3 MHz"
        for what in ("vgg16 on isaac", "vgg16 on dataflow")
    ]
    lines.clear()
    assert stream.getvalue().endswith(" \r")
