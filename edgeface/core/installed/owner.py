"""Volumes of a container that edgeface may not use, because another user owns them."""

from __future__ import annotations

import os
from pathlib import Path

from edgeface.core.installed.container import engine
from edgeface.core.text import printable_path

PROC = Path("/proc/self")
"""Where the kernel lists which users and groups of this namespace are which outside."""

_UNKNOWN = 65534
"""The user that stands for every user that a namespace does not map (user_namespaces(7))."""


def of_another(path: Path, right: int) -> str | None:
    """Why this user lacks a right (os.R_OK, W_OK, X_OK) to another user's volume, and the command that helps.

    None if it has the right, if the owner is not the reason, or outside of containers, where a file may belong to
    another user on purpose.
    """
    if engine() is None:
        return None
    user, group = os.geteuid(), os.getegid()
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    if user in {0, owner} or os.access(path, right):
        return None
    theirs = "a user outside of this container" if owner == _UNKNOWN else f"user {owner}"
    there = outside(user, "uid_map"), outside(group, "gid_map")
    also = "" if there[0] == user else f" ({there[0]} outside)"
    where = printable_path(path)
    helps = f"chown -R {there[0]}:{there[1]} what is mounted at {where}; docs/container.md"
    return f"belongs to {theirs}, and edgeface runs as user {user}{also}: {helps}"


def outside(number: int, file: str) -> int:
    """The ID of a user or group outside of this user namespace (user_namespaces(7)); itself if it is not mapped.

    `file` is uid_map for a user, gid_map for a group.
    """
    try:
        lines = (PROC / file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return number
    for line in lines:
        inside, there, count = map(int, line.split())
        if inside <= number < inside + count:
            return there + number - inside
    return number
