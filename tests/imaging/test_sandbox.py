from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeface.core.errors import PhotoError
from edgeface.imaging import photos, sandbox
from edgeface.imaging.sandbox import PhotoDecoder
from tests.support import hostile
from tests.support.broker import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def made() -> Iterator[PhotoDecoder]:
    one = PhotoDecoder()
    yield one
    one.close()


def killed_while_stopped(one: PhotoDecoder, number: int) -> None:
    """Stop the child before the picture arrives, and then send it this signal."""
    pid = one.process
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (pid, number)).start()


def test_one_child_decodes_many_pictures(made: PhotoDecoder) -> None:
    first = made.decode(hostile.photo())
    child = made.process
    for _ in range(20):
        assert (made.decode(hostile.photo()) == first).all()
    assert made.process == child, "the child does not start for each picture"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
def test_a_child_that_crashes_is_a_damaged_photo_and_the_next_one_is_read(made: PhotoDecoder, number: int) -> None:
    made.decode(hostile.photo())
    killed_while_stopped(made, number)
    if number != signal.SIGKILL:
        assert made.process is not None
        threading.Timer(0.4, os.kill, (made.process, signal.SIGCONT)).start()
    with pytest.raises(PhotoError, match="damaged: it crashes the decoder"):
        made.decode(hostile.photo())
    assert made.decode(hostile.photo()).shape == (512, 315, 3)


def test_a_picture_that_takes_too_long_is_given_up() -> None:
    made = PhotoDecoder(seconds=0.5)
    try:
        made.decode(hostile.photo())
        assert made.process is not None
        os.kill(made.process, signal.SIGSTOP)
        # Without a limit this test would hang.
        rescue = threading.Timer(3.0, os.kill, (made.process, signal.SIGKILL))
        rescue.start()
        with pytest.raises(PhotoError, match=r"damaged: it takes more than 0\.5 s"):
            made.decode(hostile.photo())
        rescue.cancel()
        assert made.process is None
    finally:
        made.close()


def test_a_child_that_has_ended_for_want_of_work_is_replaced(made: PhotoDecoder) -> None:
    made.decode(hostile.photo())
    first = made.process
    child = made._process._child
    assert child is not None
    assert child.stdin is not None
    # An idle child exits as one without a parent does: with status 0.
    child.stdin.close()
    child.wait(60)
    assert child.returncode == 0
    assert made.decode(hostile.photo()).shape == (512, 315, 3)
    assert made.process != first


def test_the_child_may_open_no_file_and_take_only_so_much(made: PhotoDecoder) -> None:
    made.decode(hostile.photo())
    text = Path(f"/proc/{made.process}/limits").read_text()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in text.splitlines()}
    assert limits["Max open files"] == ["0", "0"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert sandbox.MEMORY < int(limits["Max address space"][0]) < sandbox.MEMORY + (2 << 30)
    assert int(limits["Max cpu time"][0]) <= 2 * sandbox.SECONDS + 1


def test_pictures_from_several_threads_do_not_mix(made: PhotoDecoder) -> None:
    shapes: list[tuple[int, ...]] = []
    small = hostile.corpus()["animated.png"]

    def read(data: bytes) -> None:
        shapes.extend(made.decode(data).shape for _ in range(10))

    threads = [threading.Thread(target=read, args=(data,)) for data in (small, hostile.photo())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(shapes)) == [(32, 32, 3), (512, 315, 3)]
    assert len(shapes) == 20


def test_the_child_ends_with_its_parent(python: str) -> None:
    script = (
        "from edgeface.imaging import photos; from tests.support import hostile; photos.decode(hostile.photo());"
        "print(photos._DECODER.process, flush=True); import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    until(lambda: not Path(f"/proc/{int(done.stdout)}").exists())


def test_photos_are_decoded_in_the_child() -> None:
    photos.decode(hostile.photo())
    assert photos._DECODER.process not in {None, os.getpid()}
