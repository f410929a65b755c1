"""A target that hangs, drips, floods or lies harms neither the daemon nor another target."""

import os
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path

import pytest

from edgeface.core.clock import SystemClock
from edgeface.notify.notice import Notice
from edgeface.notify.notifier import Notifier
from edgeface.notify.sender import MAX_MEMORY, Handover
from edgeface.notify.sender_process import Answer, SenderProcess
from tests.notify.test_notifier import apprise, notifying, stranger, webhook
from tests.support.broker import until
from tests.support.certificates import Authority
from tests.support.http_receiver import Receiver, receiver

HIGH_WATER = 200 << 10
"""kB."""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("a secret\n")
    (tmp_path / "secret").chmod(0o600)
    return tmp_path


def drip(sink: BufferedIOBase) -> None:
    while True:
        sink.write(b"a")
        time.sleep(0.2)


def flood(sink: BufferedIOBase) -> None:
    sink.write(b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\nContent-Length: 100000000000\r\n\r\n")
    while True:
        sink.write(bytes(1 << 20))


def flood_of_headers(sink: BufferedIOBase) -> None:
    sink.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        sink.write(b"X: " + b"a" * 60_000 + b"\r\n")


def garbage(sink: BufferedIOBase) -> None:
    sink.write(os.urandom(5000))


def pid(notifier: Notifier) -> int:
    until(lambda: notifier._process is not None, 20)
    assert notifier._process is not None
    return notifier._process._process.pid


def status(number: int, key: str) -> str:
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{key}:"))


DRIPPED = """
import sys, time, requests
from edgeface.notify.network_guard import blocked, guard, limited
guard()
begun = time.monotonic()
with limited(1.0, local=True):
    for _ in range(2):
        try:
            requests.post(sys.argv[1], timeout=(5.0, 10.0))
        except OSError:
            print(blocked(), end="; ")
    print(time.monotonic() - begun < 30)
try:
    requests.post(sys.argv[1])
except OSError:
    print("refused")
"""


@pytest.mark.parametrize("secure", [False, True])
def test_a_service_that_answers_a_byte_at_a_time_is_left(folder: Path, *, secure: bool) -> None:
    authority = Authority(folder / "tls")
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.broker("127.0.0.1"))
    with receiver(tls=context) as slow:
        slow.instead = drip
        url = slow.url.replace("http:", "https:") if secure else slow.url
        environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(authority.ca)}
        done = subprocess.run(
            [sys.executable, "-c", DRIPPED, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=environment,
        )
    # The second is not even begun, and nothing is allowed afterwards.
    assert done.stdout == "no answer in time; no answer in time; True\nrefused\n"
    assert len(slow.received) == 1


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
@pytest.mark.parametrize("answer", [flood, flood_of_headers, garbage])
def test_an_answer_without_end_fills_no_memory(
    hook: Receiver, folder: Path, kind: str, answer: Callable[[BufferedIOBase], None]
) -> None:
    pytest.importorskip("apprise")
    hook.instead = answer
    target = webhook(hook.url, folder) if kind == "webhook" else apprise(f"json://127.0.0.1:{hook.port}/", folder)
    with receiver() as other, notifying(target, webhook(other.url, folder)) as notifier:
        number = pid(notifier)
        notifier.notice(stranger())
        until(lambda: notifier.facts()["targets"]["t0"]["failed"], 15)
        until(lambda: notifier.facts()["targets"]["t1"]["sent"] == 1, 15)
        assert int(status(number, "VmHWM")) < HIGH_WATER
        assert pid(notifier) == number


def test_the_process_has_little_memory_no_core_and_no_folder_of_others(
    hook: Receiver, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What lies in the folder in which a command is entered is not run, and least of all as root.
    (folder / "requests.py").write_text("raise SystemExit(1)\n")
    monkeypatch.chdir(folder)
    with notifying(webhook(hook.url, folder)) as notifier:
        notifier.notice(stranger())
        until(lambda: hook.received, 20)
        number = pid(notifier)
        assert resource.prlimit(number, resource.RLIMIT_CORE) == (0, 0)
        assert resource.prlimit(number, resource.RLIMIT_DATA) == (MAX_MEMORY, MAX_MEMORY)
        assert Path(f"/proc/{number}/cwd").readlink() == Path("/")


def test_a_service_that_cannot_be_reached_is_named_so(folder: Path) -> None:
    pytest.importorskip("apprise")
    with receiver() as gone:
        url = f"json://127.0.0.1:{gone.port}/"
    with notifying(apprise(url, folder)) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems == ("notify t0: it cannot be reached",), 20)


def test_what_looks_like_html_stays_text(hook: Receiver, folder: Path) -> None:
    pytest.importorskip("apprise")
    odd = Notice(
        "refused", "E1", 1_790_000_000.0, time.monotonic(), door="gate", person="alice", name="<b>Alice</b> **x**",
        reason="<a href='https://evil.example'>sign in</a>",
    )  # fmt: skip
    with notifying(apprise(f"json://127.0.0.1:{hook.port}/?format=html", folder), kinds=("refused",)) as notifier:
        notifier.notice(odd)
        until(lambda: hook.received, 20)
    got = hook.received[0].json
    assert got["title"] == "<b>Alice</b> **x** refused at gate"
    assert "<a" not in got["message"]
    assert "&lt;a" in got["message"]


def test_a_message_under_way_arrives_before_the_end(hook: Receiver, folder: Path) -> None:
    with notifying(webhook(hook.url, folder)) as notifier:
        notifier.notice(stranger(1))
        until(lambda: len(hook.received) == 1, 20)
        hook.slow = 0.7
        notifier.notice(stranger(2))
        until(lambda: len(hook.received) == 2, 20)
    assert notifier.facts()["targets"]["t0"]["sent"] == 2


def test_a_target_that_hangs_does_not_hold_the_end_up(hook: Receiver, folder: Path) -> None:
    with notifying(webhook(hook.url, folder)) as notifier:
        hook.slow = 30.0
        notifier.notice(stranger())
        until(lambda: hook.received, 20)
        begun = time.monotonic()
        notifier.close()
        assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        '{"id": 1}',
        '{"id": 1, "error": 5, "gone": []}',
        '{"id": 1, "error": "' + "x" * 2000 + '", "gone": []}',
        '{"id": 1, "error": null, "gone": ["' + "x" * 100_000 + '"]}',
    ],
)
def test_a_process_that_answers_nonsense_is_ended(line: str, tmp_path: Path) -> None:
    # In place of the product's, a program that writes what a captured one might.
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\nimport sys, time\nprint({line!r}, flush=True)\ntime.sleep(60)\n")
    program.chmod(0o700)
    answers: list[Answer | None] = []
    process = SenderProcess(
        Handover(targets={}), SystemClock(), lambda _, answer: answers.append(answer), command=(str(program),)
    )
    try:
        until(lambda: answers == [None], 20)
    finally:
        process.close(3.0)


def test_an_answer_has_no_control_characters() -> None:
    assert Answer.model_validate_json('{"id": 1, "error": "a\\nb\\u001b[2J", "gone": []}').error == "a b [2J"
