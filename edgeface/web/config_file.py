"""config.yaml as an admin changes it on the pages: checked as a whole before it is written, and undone by one click."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.config import loader
from edgeface.config.places import WRITTEN_BY_APP
from edgeface.core import yaml_editor, yaml_reader
from edgeface.core.errors import ConfigError, system_reason
from edgeface.core.files import read_at_most, swap
from edgeface.core.installed.container import for_here
from edgeface.core.text import printable_path
from edgeface.web.http.problems import MAX_ERRORS, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.web.context import WebContext

    Change = Callable[[Configuration, bytes], bytes]
    """The new content of the file, from what it configures and its content; raises yaml_editor.Refused or Problem."""
    Check = Callable[[bytes], None]
    """Raises Problem if the content is not the one that is to be changed."""

PREVIOUS = ".previous"
"""Added to the file's name for the version before the last change. It is as secret as config.yaml."""

# The last line of that file; whoever restores it by hand gets a comment.
_TRAILER = "\n# edgeface: the version before a change on the page; the version after it has SHA-256 {}\n"
_TRAILED = re.compile(re.escape(_TRAILER).replace(r"\{\}", "([0-9a-f]{64})").encode() + rb"\Z")

# One change at a time: the version that was checked is the one that is replaced.
_WRITING = threading.Lock()


class Prepared(NamedTuple):
    """A change that has been checked."""

    before: bytes
    after: bytes
    wanted: Configuration
    """What `after` configures."""


class Previous(NamedTuple):
    """The version of the file before the last change on the page."""

    data: bytes
    current: bool
    """Whether the file is still as that change has left it."""


def source_of(context: WebContext) -> Path:
    """The path of the file. Raises Problem 409 if there is none."""
    if context.source is None:
        raise Problem(409, detail="the daemon runs without a config.yaml: there is nothing to change")
    return context.source


def read(source: Path) -> bytes:
    """The content of the file. Raises Problem 409 if it cannot be read."""
    with _os_errors(source, "read"):
        return read_at_most(source, yaml_reader.MAX_BYTES)


def parsed(
    data: bytes,
    source: Path,
    status: HTTPStatus = HTTPStatus.CONFLICT,
    problem: str = "config.yaml has mistakes already",
) -> Configuration:
    """What the file configures. Raises Problem, with one line for each mistake in `errors`."""
    try:
        return loader.parse(data, printable_path(source))
    except ConfigError as error:
        lines: Any = str(error).splitlines()
        raise Problem(status, detail=f"{problem}: {lines[0]}", more={"errors": lines[:MAX_ERRORS]}) from error


def may_write(context: WebContext) -> bool:
    """Whether the daemon may change the file."""
    try:
        require_writable(source_of(context))
    except Problem:
        return False
    return True


def prepare(context: WebContext, change: Change, check: Check = lambda _: None) -> Prepared:
    """Make a change without writing it. Raises Problem if the result has a mistake."""
    source = source_of(context)
    before = read(source)
    check(before)
    now = parsed(before, source)
    try:
        after = change(now, before)
    except yaml_editor.Refused as error:
        raise Problem(409, detail=f"config.yaml: {error}") from error
    return Prepared(before, after, parsed(after, source, HTTPStatus.UNPROCESSABLE_ENTITY, "this value is not possible"))


def write(context: WebContext, change: Change, check: Check, keys: str, by: str) -> Prepared:
    """Change the file after `check` has seen it, keep the version before, and reload.

    `keys` says for the audit trail what was changed, `by` who did it. Raises Problem; then nothing was written.
    """
    source = source_of(context)
    require_writable(source)
    with _WRITING:
        prepared = prepare(context, change, check)
        if prepared.after != prepared.before:
            with _os_errors(source, "written"):
                trailer = _TRAILER.format(hashlib.sha256(prepared.after).hexdigest()).encode()
                swap(_previous_path(source), prepared.before + trailer, like=source)
                swap(source, prepared.after)
            context.record("config", {"web": "config.yaml was changed", "keys": keys, "by": by})
    context.reload()
    return prepared


def previous(context: WebContext) -> Previous | None:
    """The version before the last change; None without one, or if the file is that version again."""
    source = source_of(context)
    try:
        path = _previous_path(source)
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        kept, now = read_at_most(path, yaml_reader.MAX_BYTES + len(_TRAILER) + 64), read(source)
    except OSError:
        return None
    found = _TRAILED.search(kept)
    if found is None or kept[: found.start()] == now:
        return None
    return Previous(kept[: found.start()], hashlib.sha256(now).hexdigest() == found[1].decode())


def undo(context: WebContext, check: Check, by: str) -> Prepared:
    """Restore the version before the last change. Raises Problem 409 if the file has been changed since."""

    def restored(_: Configuration, __: bytes) -> bytes:
        found = previous(context)
        if found is None:
            raise Problem(409, detail="there is no earlier version of config.yaml to restore")
        if not found.current:
            raise Problem(409, detail="config.yaml has been changed by hand since: the change cannot be undone")
        return found.data

    return write(context, restored, check, "the last change was undone", by)


def require_writable(source: Path) -> None:
    """Raise Problem 409 if replacing the file would break something or would fail; changes nothing."""
    shown = printable_path(source)
    with _os_errors(source, "written"):
        facts = source.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise Problem(409, detail=f"{shown} is a link or not a file: change it at its real place")
        if facts.st_nlink > 1:
            raise Problem(409, detail=f"{shown} has more than one name (hard links): change it by hand")
        if read(source).startswith(WRITTEN_BY_APP.encode()):
            raise Problem(
                409, detail=f"{shown} is written by Home Assistant's app: change the app's options, then restart it"
            )
        if facts.st_uid != os.geteuid() and os.geteuid() != 0:
            raise Problem(
                409, detail=f"{shown} belongs to another user than the daemon's: change it by hand, then reload"
            )
    if not (os.access(source, os.W_OK) and os.access(source.parent, os.W_OK)) or not facts.st_mode & stat.S_IWUSR:
        raise Problem(
            409,
            detail=for_here(
                f"{shown} is read-only for the daemon: change it by hand, then `systemctl reload edgeface`"
            ),
        )


def _previous_path(source: Path) -> Path:
    return source.with_name(source.name + PREVIOUS)


@contextmanager
def _os_errors(source: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(409, detail=f"{printable_path(source)} cannot be {done} ({system_reason(error)})") from error
