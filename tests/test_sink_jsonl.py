"""The file sink appends one record a line, shares its file, and loses nothing in silence."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from unstuck.agent.config import Settings
from unstuck.agent.sinks import open_sinks
from unstuck.agent.sinks.jsonl import JsonLinesSink

from . import builders


def quiet(sentence: str) -> None:
    pytest.fail(f"complained: {sentence}")


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def opened(sinks: str) -> tuple[list[str], list[str]]:
    complaints: list[str] = []
    settings = replace(Settings(), sinks=tuple(sinks.split(",")))
    return [sink.name for sink in open_sinks(settings, complaints.append)], complaints


def test_when_events_are_written(tmp_path: Path) -> None:
    """Each is one compact line that reads back as the finding record, at once on disk."""
    path = tmp_path / "findings.jsonl"
    sink = JsonLinesSink(str(path), quiet)
    assert not path.exists()
    events = [builders.two_locks(), builders.two_locks("closed", title="dépôt")]
    for event in events:
        sink.write(event)
    assert [event.as_record() for event in events] == records(path)
    assert '"event":"closed"' in path.read_text("utf-8") and "dépôt" in path.read_text("utf-8")
    sink.close()


def test_when_the_file_exists(tmp_path: Path) -> None:
    """What stands in it stays."""
    path = tmp_path / "findings.jsonl"
    path.write_text("{}\n")
    for _ in range(2):
        sink = JsonLinesSink(str(path), quiet)
        sink.write(builders.two_locks())
        sink.close()
    assert 3 == len(records(path))


def test_when_the_path_holds_the_process_id(tmp_path: Path) -> None:
    """{pid} is the id of the process that writes, other braces are left alone."""
    sink = JsonLinesSink(str(tmp_path / "{app}-{pid}.jsonl"), quiet)
    sink.write(builders.two_locks())
    sink.close()
    assert [f"{{app}}-{os.getpid()}.jsonl"] == os.listdir(tmp_path)


def test_when_the_program_changes_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is one from where the agent started."""
    monkeypatch.chdir(tmp_path)
    sink = JsonLinesSink("findings.jsonl", quiet)
    monkeypatch.chdir("/")
    sink.write(builders.two_locks())
    sink.close()
    assert 1 == len(records(tmp_path / "findings.jsonl"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_when_the_process_forks(tmp_path: Path) -> None:
    """The child opens its own file, and the parent's goes on."""
    sink = JsonLinesSink(str(tmp_path / "{pid}.jsonl"), quiet)
    sink.write(builders.two_locks())
    child = os.fork()
    if not child:
        try:
            sink.write(builders.two_locks())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    sink.write(builders.two_locks())
    sink.close()
    assert [2, 1] == [len(records(tmp_path / f"{pid}.jsonl")) for pid in (os.getpid(), child)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_when_processes_share_the_file(tmp_path: Path) -> None:
    """Lines of several writers never mix."""
    path = tmp_path / "findings.jsonl"
    sink = JsonLinesSink(str(path), quiet)
    children = []
    for _ in range(3):
        children.append(os.fork())
        if not children[-1]:
            try:
                for _ in range(50):
                    sink.write(builders.long_ring(20))
            finally:
                os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    assert 150 == len(records(path))


def test_when_the_file_is_rotated(tmp_path: Path) -> None:
    """After a rename the next event makes a new file."""
    path = tmp_path / "findings.jsonl"
    sink = JsonLinesSink(str(path), quiet)
    sink.write(builders.two_locks())
    path.rename(tmp_path / "old")
    sink.write(builders.two_locks("closed"))
    sink.close()
    assert [["opened"], ["closed"]] == [[r["event"] for r in records(f)] for f in (tmp_path / "old", path)]


def test_when_the_program_closed_and_reused_the_descriptor(tmp_path: Path) -> None:
    """A daemon that closes all descriptors loses nothing, and nothing is written into its files."""
    path, other = tmp_path / "findings.jsonl", tmp_path / "other"
    sink = JsonLinesSink(str(path), quiet)
    sink.write(builders.two_locks())
    os.close(sink._fd)
    theirs = os.open(other, os.O_WRONLY | os.O_CREAT)
    assert theirs == sink._fd
    sink.write(builders.two_locks())
    sink.close()
    os.write(theirs, b"still open")
    os.close(theirs)
    assert (2, "still open") == (len(records(path)), other.read_text())


def test_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One complaint that names the sink, then counting; a line cut short does not spoil the next."""
    complaints: list[str] = []
    path = tmp_path / "findings.jsonl"
    sink = JsonLinesSink(str(path), complaints.append)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, line: write(fd, line[:10]))
        sink.write(builders.two_locks())
        sink.write(builders.two_locks())
    sink.write(builders.two_locks("closed"))
    sink.close()
    assert (2, 1) == (sink.lost, len(complaints))
    assert complaints[0].startswith(f"the sink jsonl:{path} cannot write: ")
    assert "closed" == json.loads(path.read_text().splitlines()[-1])["event"]


def test_when_the_folder_vanishes(tmp_path: Path) -> None:
    """The event is lost and counted, the agent goes on."""
    complaints: list[str] = []
    (tmp_path / "logs").mkdir()
    sink = JsonLinesSink(str(tmp_path / "logs" / "findings.jsonl"), complaints.append)
    (tmp_path / "logs").rmdir()
    sink.write(builders.two_locks())
    sink.close()
    assert (1, 1) == (sink.lost, len(complaints))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_when_nobody_reads_the_pipe(tmp_path: Path) -> None:
    """A named pipe without a reader costs the event, not the watcher's thread."""
    complaints: list[str] = []
    os.mkfifo(tmp_path / "pipe")
    sink = JsonLinesSink(str(tmp_path / "pipe"), complaints.append)
    sink.write(builders.two_locks())
    assert (1, 1) == (sink.lost, len(complaints))


def test_when_a_record_holds_what_json_or_utf8_lacks(tmp_path: Path) -> None:
    """A number that is not finite becomes null, a lone surrogate reads back as it was."""
    path = tmp_path / "findings.jsonl"
    reader, holder = builders.slow_wait().finding.tasks
    sink = JsonLinesSink(str(path), quiet)
    sink.write(builders.slow_wait(tasks=(replace(reader, name="\udcff", deadline_s=float("inf")), holder)))
    sink.write(builders.two_locks(title="\udcff"))
    sink.close()
    first, second = records(path)
    assert (None, "\udcff") == (first["tasks"][0]["deadline_s"], first["tasks"][0]["name"])  # type: ignore[index]
    assert "\udcff" == second["title"]


def test_when_sinks_are_opened(tmp_path: Path) -> None:
    """They come in the order of the setting, each once."""
    assert (["stderr", "socket"], []) == opened("stderr,socket")
    path = tmp_path / "f.jsonl"
    assert ([f"jsonl:{path}", "stderr"], []) == opened(f"jsonl:{path},stderr,stderr")


def test_when_a_sink_is_asked_for_that_does_not_exist() -> None:
    """It is one complaint, and the others go on."""
    assert (["stderr"], ["the sink nowhere is not part of this version; the other sinks go on"]) == opened(
        "nowhere,stderr"
    )


def test_when_a_sink_cannot_be_opened(tmp_path: Path) -> None:
    """A missing folder or a folder in the file's place is one complaint naming the sink; the others go on."""
    missing = f"jsonl:{tmp_path}/none/f.jsonl"
    names, complaints = opened(f"{missing},jsonl:{tmp_path},stderr")
    assert ["stderr"] == names
    assert [
        f"the sink {missing} cannot be opened: the folder {tmp_path}/none does not exist; the other sinks go on",
        f"the sink jsonl:{tmp_path} cannot be opened: {tmp_path} is a folder; the other sinks go on",
    ] == complaints


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_when_the_folder_is_not_writable(tmp_path: Path) -> None:
    """That is a complaint when the agent starts, not a surprise at the first finding."""
    tmp_path.chmod(0o500)
    names, complaints = opened(f"jsonl:{tmp_path}/f.jsonl")
    tmp_path.chmod(0o700)
    assert ([], 1) == (names, len(complaints))
