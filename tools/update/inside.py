"""Runs inside the booted root: installs 0.1 with its data, updates, goes back, and records the results."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools.service.inside import CLIP, CONFIG, DATA, MEDIA, SOURCE, WHEELS, active, sh, take, with_newer
from tools.steps import require, until
from tools.update import steps as update
from tools.update.steps import Answer

OLD_SOURCE, OLD_WHEELS, REPOSITORIES = Path("/old-source"), Path("/old-wheels"), Path("/repositories")
FIXTURE = SOURCE / "tests/data/v0.1"
COPIES = DATA / "before-update"
SOURCES = Path("/etc/apt/sources.list.d/edgeface.sources")
KEYRING = Path("/usr/share/keyrings/edgeface.gpg")
ANY = ("install", "--yes", "--allow-downgrades", "--no-install-recommends")
# 0.1 has config.yaml as a conffile, about which dpkg asks.
TO_OLD = (*ANY, "-o", "Dpkg::Options::=--force-confold")


def main() -> int:
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    # 0.1's package imports from the folder that it is called in.
    os.chdir("/")
    shutil.copy(CLIP, MEDIA)
    take(
        old_release, update_in_opt, back_is_refused, back_with_the_copies, update_again, same_schema, no_copies_left,
        remove, old_package, update_by_apt, apt_back_to_old, apt_back_with_the_copies, apt_same_schema,
        apt_back_is_refused, changed_package, changed_index, foreign_key,
    )  # fmt: skip
    return 0


def old_release() -> str:
    """0.1 in /opt, with its own installer, on its own data."""
    sh(OLD_SOURCE / "tools/install/install", WHEELS=OLD_WHEELS, EXTRAS="web,door")
    start_with_old_data()
    more = matches_more()
    return f"{version()}; {more} new matches"


def update_in_opt() -> str:
    """update in /opt by make install: people, journal, keys, config; matches again."""
    before = update.matched(edgeface)
    sh(SOURCE / "tools/install/install", WHEELS=WHEELS)
    require(active(), "not active")
    said = update.all_of(edgeface)
    more = matches_more()
    require(update.matched(edgeface) > before, "the matches of 0.1 are gone")
    copies = sorted(path.name for path in COPIES.iterdir())
    require(copies == ["gallery.db", "journal.db"], f"copies from before: {copies}")
    return f"{version()}; {said}; {more} new matches"


def back_is_refused() -> str:
    """back to 0.1 is refused with the reason, and nothing changes."""
    before = Path("/opt/edgeface/current").resolve()
    said = edgeface("rollback")
    require(said.status == 1, f"status {said.status}: {said.text}")
    for word in ("gallery.db has schema", "journal.db has schema", "--lose-changes"):
        require(word in said.text, f"it does not say {word!r}: {said.text}")
    require(Path("/opt/edgeface/current").resolve() == before and active(), "something changed")
    return said.text.strip()


def back_with_the_copies() -> str:
    """back to 0.1 with the copies from before the update: one command."""
    said = edgeface("rollback", "--lose-changes")
    require(said.status == 0, f"status {said.status}: {said.text}")
    require(version() == "edgeface 0.1.0" and active(), f"{version()}, active: {active()}")
    require(not COPIES.exists(), "the copies are still there")
    people = update.people_known(edgeface)
    more = matches_more()
    return f"{version()}; {people}; {more} new matches"


def update_again() -> str:
    """update again: what was put back is named, and accepted by an admin."""
    sh(SOURCE / "tools/install/install", WHEELS=WHEELS)
    require(active(), "not active")
    update.people_known(edgeface)
    found = edgeface("audit", "verify")
    accepted = edgeface("audit", "accept")
    require(accepted.status == 0, f"audit accept: {accepted.text}")
    after = edgeface("audit", "verify")
    require(after.status == 0, f"after accept: {after.text}")
    return f"audit verify: status {found.status}, {' '.join(found.text.split())[:160]}; after accept: 0"


def same_schema() -> str:
    """a later version with the same schema, and back: one command, no loss."""
    this = version()
    sh(SOURCE / "tools/install/install", WHEELS=with_newer())
    require(version() == "edgeface 9.9.9", version())
    before = update.matched(edgeface)
    began = time.monotonic()
    said = edgeface("rollback")
    took = time.monotonic() - began
    require(said.status == 0, said.text)
    require(version() == this and active(), f"{version()}, active: {active()}")
    require(update.matched(edgeface) >= before, "matches are gone")
    return f"9.9.9 to {this.split()[-1]} in {took:.0f} s"


def no_copies_left() -> str:
    """after an erasure there is no copy to go back to."""
    start_with_old_data()
    until((COPIES / "journal.db").exists, 30, "the journal of before is copied")
    require(edgeface("forget", "joe_biden").status == 0, "forget failed")
    require(not COPIES.exists(), "the copies are still there")
    said = edgeface("rollback", "--to", "0.1.0", "--lose-changes")
    require(said.status == 1 and "no copy" in said.text, f"status {said.status}: {said.text}")
    return said.text.strip()


def remove() -> str:
    """remove the release from /opt, with its data."""
    sh(SOURCE / "tools/install/uninstall", PURGE="1")
    require(not DATA.exists() and not Path("/opt/edgeface").exists(), "something was left behind")
    return "gone"


def old_package() -> str:
    """0.1 as a package, from the signed repository."""
    shutil.copy(REPOSITORIES / "1/edgeface.gpg", KEYRING)
    use("1")
    sh("apt-get", *ANY, "edgeface")
    start_with_old_data()
    more = matches_more()
    return f"{installed()}; {more} new matches"


def update_by_apt() -> str:
    """apt install edgeface: people, journal, keys, config; matches again."""
    use("2")
    sh("apt-get", *ANY, "edgeface")
    require(active(), "not active")
    said = update.all_of(edgeface)
    more = matches_more()
    return f"{installed()}; {said}; {more} new matches"


def apt_back_to_old() -> str:
    """apt install edgeface=0.1 without the copies: 0.1 refuses the data, which stays; forward again works."""
    old = available("0.1.0")
    said = run("apt-get", *TO_OLD, f"edgeface={old}")
    require("cannot read" in said.text, f"no reason is given: {said.text[-400:]}")
    kept = installed()
    log = "" if kept != old else sh("journalctl", "-u", "edgeface", "-n", "5", "--no-pager", "-o", "cat")
    sh("apt-get", *ANY, "edgeface")
    require(active(), "not active after the way forward")
    people = update.people_known(edgeface)
    refused = "newer" in log
    return f"the reason is given; then {kept} is installed, 0.1 itself refuses: {refused}; forward again: {people}"


def apt_back_with_the_copies() -> str:
    """edgeface rollback --to 0.1.0 --lose-changes, then apt install edgeface=0.1; and forward again."""
    said = edgeface("rollback", "--to", "0.1.0", "--lose-changes")
    require(said.status == 0, said.text)
    sh("apt-get", *TO_OLD, f"edgeface={available('0.1.0')}")
    require(version() == "edgeface 0.1.0" and active(), f"{version()}, active: {active()}")
    people = update.people_known(edgeface)
    sh("apt-get", *ANY, "edgeface")
    require(edgeface("audit", "accept").status == 0 and active(), "not accepted or not active")
    return f"0.1.0 with {people}; then {installed()}"


def apt_same_schema() -> str:
    """a later version with the same schema, and back by apt: no loss."""
    this = installed()
    use("3")
    sh("apt-get", *ANY, "edgeface")
    later = installed()
    require(later.startswith("0.9.0"), later)
    before = update.matched(edgeface)
    sh("apt-get", *ANY, f"edgeface={this}")
    require(installed() == this and active(), f"{installed()}, active: {active()}")
    require(update.matched(edgeface) >= before, "matches are gone")
    return f"{later} to {this}"


def apt_back_is_refused() -> str:
    """a later version with a newer schema: apt refuses the way back, and the later one keeps running."""
    use("4")
    sh("apt-get", *ANY, "edgeface")
    latest, before = installed(), available("0.9.0")
    update.people_known(edgeface)
    said = run("apt-get", *ANY, f"edgeface={before}")
    require(said.status != 0 and installed() == latest, f"status {said.status}, {installed()}")
    require("gallery.db has schema 8" in said.text, said.text[-400:])
    require(active() and version() == "edgeface 9.9.9", f"{version()}, active: {active()}")
    return f"apt: status {said.status}; {latest} keeps running"


def changed_package() -> str:
    """a package with a changed byte is refused."""
    folder = own_copy("4", "changed-package")
    file = next(folder.glob("pool/main/e/edgeface/edgeface_0.9.0*.deb"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.unlink()
    file.write_bytes(data)
    use_folder(folder)
    return refused("apt-get", *ANY, "--reinstall", f"edgeface={available('0.9.0')}")


def changed_index() -> str:
    """an index with a changed version is refused."""
    folder = own_copy("4", "changed-index")
    for file in folder.glob("dists/*/main/binary-amd64/Packages"):
        text = file.read_text().replace("Section: misc", "Section: mist")
        file.unlink()
        file.write_text(text)
        for packed in file.parent.glob("Packages.*"):
            packed.unlink()
    use_folder(folder, read=False)
    return refused("apt-get", "update", "--error-on=any")


def foreign_key() -> str:
    """a repository signed with another key is refused."""
    use_folder(REPOSITORIES / "foreign", read=False)
    return refused("apt-get", "update", "--error-on=any")


def refused(*command: str) -> str:
    """Run a command that must fail; its first error."""
    before = installed()
    said = run(*command)
    require(said.status != 0 and installed() == before, f"status {said.status}, {installed()}: {said.text[-300:]}")
    lines = [line for line in said.text.splitlines() if line.startswith(("E:", "W:", "Err:"))]
    return f"status {said.status}: {lines[0][:140] if lines else said.text[-140:]}"


def start_with_old_data() -> None:
    """Replace all data with 0.1's files, as the service's user has them, and start the service."""
    sh("systemctl", "stop", "edgeface", check=False)
    shutil.rmtree(DATA, ignore_errors=True)
    update.place(FIXTURE, DATA, CONFIG, clip=str(MEDIA))
    sh("chown", "-R", "edgeface:edgeface", DATA)
    sh("chgrp", "edgeface", CONFIG)
    CONFIG.chmod(0o640)
    sh("systemctl", "restart", "edgeface")


def matches_more() -> int:
    """How many more matches the journal has after a while; Failed if there are none in three minutes."""
    before = update.matched(edgeface)
    until(lambda: update.matched(edgeface) > before, 180, "another match is in the journal")
    return update.matched(edgeface) - before


def edgeface(*arguments: str) -> Answer:
    """Run the installed edgeface, as root."""
    return run("edgeface", *arguments[:1], "--config", str(CONFIG), *arguments[1:])


def run(*command: str) -> Answer:
    """Run a command that may fail; its exit status, and output and errors together."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return Answer(done.returncode, done.stdout)


def version() -> str:
    return sh("edgeface", "--version").strip()


def installed() -> str:
    return sh("dpkg-query", "-W", "-f", "${Version}", "edgeface").strip()


def available(start: str) -> str:
    """The version in the repository that starts so."""
    lines = sh("apt-cache", "madison", "edgeface").splitlines()
    found = [line.split("|")[1].strip() for line in lines if line.split("|")[1].strip().startswith(start)]
    require(found, f"no version {start} in the repository: {lines}")
    return found[0]


def use(number: str) -> None:
    """Take packages from one of the repositories."""
    use_folder(REPOSITORIES / number)


def use_folder(folder: Path, *, read: bool = True) -> None:
    """Take packages from a folder; with `read`, have apt read its index."""
    codename = next(
        line.partition("=")[2] for line in Path("/etc/os-release").read_text().splitlines() if "CODENAME" in line
    )
    SOURCES.write_text(
        f"Types: deb\nURIs: file:{folder}\nSuites: {codename} {codename}-previous\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
    )
    # Debian's own archive cannot be reached from here.
    Path("/etc/apt/sources.list").write_text("")
    if read:
        sh("apt-get", "update", "--error-on=any")


def own_copy(number: str, name: str) -> Path:
    folder = Path("/srv") / name
    shutil.copytree(REPOSITORIES / number, folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
