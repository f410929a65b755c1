"""The owner key and the list of device keys at the command line, with a real broker and a real daemon's publisher."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from edgeface.cli import main
from edgeface.core.clock import SystemClock
from edgeface.core.errors import VaultError
from edgeface.core.files import LOCK, only_one
from edgeface.daemon.key_list_publisher import KeyListPublisher
from edgeface.door import key_list, key_list_file
from edgeface.journal.journal import Journal
from edgeface.mqtt import topics
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import Topic
from edgeface.security import owner_key
from edgeface.security.owner_key import OWNER
from edgeface.security.pins import Cost
from edgeface.security.signing_keys import SigningKey, read
from edgeface.security.vault import open_vault
from tests.support.broker import Listener, until
from tests.support.key_lists import Owner, ShiftedClock, listed

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.demo.mosquitto import Mosquitto

KEYS = "edgeface/doors/keys"
TOPIC = Topic(KEYS, qos=1, retain=True)
PASSPHRASE = "correct horse battery"  # noqa: S105 - of this test only

Run = Callable[..., str]


@pytest.fixture
def edgeface(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with config.yaml and data folder of the test; returns what it printed."""
    monkeypatch.setenv("EDGEFACE_OWNER_PASSPHRASE", PASSPHRASE)

    def run(*arguments: str, status: int = 0) -> str:
        assert main.main(["keys", *arguments, "--config", str(tmp_path / "config.yaml")]) == status
        return "".join(capsys.readouterr())

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def configure(tmp_path: Path, port: int = 1) -> None:
    (tmp_path / "config.yaml").write_text(
        f"device: front\ndata: {tmp_path / 'data'}\ncameras: {{porch: {{type: replay, path: clip.mp4}}}}\n"
        f"mqtt: {{port: {port}}}\n"
    )


@pytest.fixture
def listener(broker: Mosquitto, listen: Callable[..., Listener], tmp_path: Path) -> Listener:
    """What the broker of the configuration has heard of the list."""
    configure(tmp_path, broker.port)
    return listen(broker, KEYS)


def line_of(shown: str) -> list[str]:
    """The arguments of the command that `edgeface keys show` prints for the list."""
    (found,) = [line for line in shown.splitlines() if line.startswith("edgeface keys add ")]
    return found.split()[2:]


def public(shown: str) -> dict[str, bytes]:
    """The owner's key as the command prints it for door.yaml."""
    kid, _, text = next(line for line in shown.splitlines() if line.startswith('  "')).strip().partition(": ")
    return {kid.strip('"'): base64.b64decode(text)}


def retained(listener: Listener) -> bytes:
    return listener.payloads(KEYS)[-1]


@pytest.mark.broker
def test_a_device_is_added_and_revoked_with_one_command_each(listener: Listener, folder: Path, edgeface: Run) -> None:
    shown = edgeface("new", "--kid", "front-1")
    edgeface("new", "--seal", "--kid", "front-s")
    assert line_of(shown)[:2] == ["add", "front"]
    owner = public(edgeface("owner", "new", "--kid", "o1"))
    assert "published: the broker has accepted it" in edgeface("add", "front")
    foreign = listed("garage", kid="garage-1")
    line = f"sign:garage-1:{foreign.signing[0].text}"
    edgeface("add", "garage", line, "--door", "back")
    until(lambda: len(listener.payloads(KEYS)) == 2)
    keys = key_list.read(retained(listener), owner)
    assert [(one.device, [key.kid for key in one.signing], one.doors) for one in keys.devices] == [
        ("front", ["front-1"], ()),
        ("garage", ["garage-1"], ("back",)),
    ]
    assert keys.devices[0].sealing is not None
    assert (keys.devices[0].sealing.kid, keys.expires - keys.issued) == ("front-s", 86_400)
    said = edgeface("revoke", "garage", "--valid", "30d")
    assert "1 device" in said
    until(lambda: len(listener.payloads(KEYS)) == 3)
    after = key_list.read(retained(listener), owner)
    assert ([one.device for one in after.devices], after.revoked) == (["front"], ("garage-1",))
    assert after.number > keys.number
    assert after.expires - after.issued == 30 * 86_400
    assert "was revoked" in edgeface("add", "garage", line, status=1)
    assert "its devices: front" in edgeface("revoke", "garage", status=1)
    assert "expires in 719 hours" in edgeface("list")
    assert key_list_file.published(folder) == after.number
    with closing(Journal(folder / "journal.db")) as journal:
        rows = [json.loads(row.payload) for row in journal.unpublished(99) if row.kind == "keys"]
    assert [(row["purpose"], row["action"], row["kid"]) for row in rows[2:]] == [
        ("owner", "new", "o1"),
        ("list", "add", "front"),
        ("list", "add", "garage"),
        ("list", "revoke", "garage"),
    ]


@pytest.mark.broker
def test_an_owner_key_in_a_file_needs_its_passphrase_and_leaves_nothing_in_the_clear(
    listener: Listener, tmp_path: Path, folder: Path, edgeface: Run
) -> None:
    file = tmp_path / "owner.json"
    owner = public(edgeface("owner", "new", "--out", str(file)))
    assert file.stat().st_mode & 0o777 == 0o600
    assert public(edgeface("owner", "show", "--owner", str(file))) == owner
    edgeface("new", "--kid", "front-1")
    edgeface("add", "front", "--owner", str(file))
    until(lambda: listener.payloads(KEYS))
    assert key_list.read(retained(listener), owner).devices[0].device == "front"
    assert not (folder / OWNER.file).exists()
    assert "not verified" in edgeface("list")
    assert "not verified" not in edgeface("list", "--owner", str(file))
    secret = tmp_path / "passphrase"
    secret.write_text("not the right words\n")
    assert "wrong passphrase" in edgeface(
        "revoke", "front", "--owner", str(file), "--passphrase-file", str(secret), status=78
    )
    key = owner_key.open_file(file, PASSPHRASE)
    raw = key.private.private_bytes_raw()
    everything = b"".join(path.read_bytes() for path in [file, *folder.iterdir()] if path.is_file())
    assert raw not in everything
    assert base64.b64encode(raw) not in everything
    # Without a broker: to a file.
    out = tmp_path / "list.json"
    edgeface("revoke", "front", "--owner", str(file), "--out", str(out))
    assert key_list.read(out.read_bytes(), owner).devices == ()
    assert "exists" in edgeface("owner", "new", "--out", str(file), status=2)


def test_an_owner_key_moves_into_a_data_folder_and_out_of_it(tmp_path: Path, folder: Path, edgeface: Run) -> None:
    configure(tmp_path)
    edgeface("owner", "new", "--kid", "o1")
    copy = tmp_path / "copy"
    edgeface("owner", "export", str(copy))
    (folder / OWNER.file).unlink()
    assert "no owner key" in edgeface("owner", "show")
    edgeface("owner", "import", str(copy))
    assert [(record.kid, record.state) for record in read(folder, OWNER)] == [("o1", "active")]
    key = owner_key.active_owner(folder, open_vault(folder))
    assert key is not None
    assert key.private.private_bytes_raw() == owner_key.open_file(copy, PASSPHRASE).private.private_bytes_raw()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("owner", "steal"), "owner: new, show, rotate"),
        (("owner", "export"), "owner: new, show, rotate"),
        (("add",), "keys add DEVICE LINE"),
        (("add", "front", "sign:k:AAAA"), "keys add DEVICE LINE"),
        (("add", "front", f"sign:k:{'A' * 43}="), "fits forged signatures"),
        (("add", "Front Door", "sign:k:x"), "keys add DEVICE LINE"),
        (("revoke",), "keys revoke DEVICE"),
        (("publish", "--valid", "1y"), "--valid takes hours or days"),
        (("publish", "--valid", "0h"), "--valid takes hours or days"),
        (("new", "front"), "keys new takes no front"),
        (("publish",), "no owner key"),
    ],
)
def test_wrong_words_are_one_line(words: tuple[str, ...], says: str, tmp_path: Path, edgeface: Run) -> None:
    configure(tmp_path)
    if words != ("publish",):
        edgeface("owner", "new")
    said = edgeface(*words, status=2)
    assert says in said
    assert "Traceback" not in said


def test_two_devices_with_one_name_of_a_key_are_told_apart(tmp_path: Path, edgeface: Run) -> None:
    configure(tmp_path)
    edgeface("owner", "new")
    out = str(tmp_path / "list")
    for device, status in (("front", 0), ("back", 1)):
        text = listed(device).signing[0].text
        said = edgeface("add", device, f"sign:2026-11:{text}", "--out", out, status=status)
    assert "edgeface keys new --kid back-2026-11" in said


def test_a_list_that_does_not_reach_the_broker_is_kept(tmp_path: Path, folder: Path, edgeface: Run) -> None:
    configure(tmp_path)
    owner = public(edgeface("owner", "new"))
    said = edgeface("add", "garage", f"sign:g:{listed('garage').signing[0].text}", status=69)
    assert "is signed and kept, but no door has it yet" in said
    assert key_list.read((folder / key_list_file.FILE).read_bytes(), owner).devices[0].device == "garage"


def test_a_list_that_someone_else_has_put_into_the_folder_is_not_signed(
    tmp_path: Path, folder: Path, edgeface: Run
) -> None:
    configure(tmp_path)
    edgeface("owner", "new", "--kid", "owner-2026-11")
    (folder / key_list_file.FILE).write_bytes(Owner().list(listed("mallory")))
    for words in (("publish",), ("revoke", "front"), ("owner", "rotate")):
        said = edgeface(
            *words,
            *([] if words[0] == "owner" else ["--out", str(tmp_path / "out")]),
            status=1 if words[0] != "owner" else 78,
        )
        assert "is not the owner's" in said
    assert not (tmp_path / "out").exists()
    assert "not verified" in edgeface("list")
    edgeface("publish", "--adopt", "--out", str(tmp_path / "out"))
    assert "mallory" in edgeface("list")


@contextmanager
def running(
    folder: Path, port: int, clock: ShiftedClock, withheld: Callable[[], str | None] = lambda: None
) -> Iterator[KeyListPublisher]:
    """The part of a daemon that publishes, on its data folder."""
    with only_one(folder / LOCK), closing(Journal(folder / "journal.db")) as journal:
        feed = KeyListPublisher(folder, open_vault(folder), TOPIC, clock, lambda: clock.synced, withheld)
        publisher = MqttPublisher(
            Mqtt(port=port), "front", SystemClock(), journal, on_enabled=lambda *_: None, key_list=feed
        )
        publisher.start()
        try:
            yield feed
        finally:
            publisher.close()


def test_a_device_that_is_added_again_opens_no_more_doors_than_before(
    tmp_path: Path, folder: Path, edgeface: Run
) -> None:
    configure(tmp_path)
    owner, out = public(edgeface("owner", "new")), ("--out", str(tmp_path / "list"))

    def doors(kid: str, *options: str) -> list[tuple[str, ...]]:
        line = f"sign:{kid}:{listed('yard').signing[0].text}"
        edgeface("add", "yard", line, *options, *out)
        return [one.doors for one in key_list.read((folder / key_list_file.FILE).read_bytes(), owner).devices]

    assert doors("y1", "--door", "garage") == [("garage",)]
    assert doors("y2") == [("garage",)]
    assert doors("y3", "--door", "back", "--door", "cellar") == [("back", "cellar")]
    assert doors("y4", "--every-door") == [()]
    assert "or --every-door" in edgeface("add", "yard", "--door", "back", "--every-door", *out, status=2)


@pytest.mark.broker
def test_the_running_daemon_publishes_what_a_command_has_signed(
    broker: Mosquitto, listener: Listener, folder: Path, edgeface: Run
) -> None:
    owner = public(edgeface("owner", "new"))
    with running(folder, broker.port, ShiftedClock()) as feed:
        said = edgeface("add", "garage", f"sign:g:{listed('garage').signing[0].text}")
        assert "published by the daemon" in said
        assert [one.device for one in key_list.read(retained(listener), owner).devices] == ["garage"]
        edgeface("revoke", "garage")
        assert key_list.read(retained(listener), owner).devices == ()
        facts = feed.facts()
        assert facts is not None
        assert (facts["published"], facts["renewed_here"], facts["devices"]) == (True, True, 0)
        assert feed.problem is None


@pytest.mark.broker
def test_the_daemon_renews_the_list_after_a_third_of_its_life(
    broker: Mosquitto, listener: Listener, folder: Path, edgeface: Run
) -> None:
    clock = ShiftedClock()
    owner = public(edgeface("owner", "new"))
    edgeface("add", "garage", f"sign:g:{listed('garage').signing[0].text}")
    first = key_list.read(retained(listener), owner)
    with running(folder, broker.port, clock) as feed:
        until(lambda: (feed.facts() or {}).get("published"))
        assert len(listener.payloads(KEYS)) == 1, "the broker has it already"
        clock.pass_time(8 * 3_600 + 60)
        until(lambda: len(listener.payloads(KEYS)) == 2, 10)
        second = key_list.read(retained(listener), owner)
        assert (second.devices, second.expires - second.issued) == (first.devices, 86_400)
        assert (second.number > first.number, second.issued - first.issued >= 8 * 3_600) == (True, True)
        # A clock that may be wrong signs nothing, and this is said long before the list expires.
        clock.synced = False
        clock.pass_time(8 * 3_600 + 60)
        until(lambda: "cannot be renewed: the clock is not synchronised" in (feed.problem or ""), 10)
        assert len(listener.payloads(KEYS)) == 2
        clock.pass_time(16 * 3_600)
        clock.synced = True
        until(lambda: len(listener.payloads(KEYS)) == 3 and feed.problem is None, 10)


@pytest.mark.broker
def test_a_folder_that_is_older_than_the_broker_takes_the_newer_list_over(
    broker: Mosquitto, listener: Listener, folder: Path, edgeface: Run
) -> None:
    owner = public(edgeface("owner", "new"))
    edgeface("add", "stolen", f"sign:s:{listed('stolen').signing[0].text}")
    old = (folder / key_list_file.FILE).read_bytes()
    edgeface("revoke", "stolen")
    until(lambda: len(listener.payloads(KEYS)) == 2)
    newest = retained(listener)
    (folder / key_list_file.FILE).write_bytes(old)
    with running(folder, broker.port, ShiftedClock()) as feed:
        until(lambda: (feed.facts() or {}).get("devices") == 0)
    assert (folder / key_list_file.FILE).read_bytes() == newest
    assert retained(listener) == newest
    # So does a command, if no daemon runs.
    (folder / key_list_file.FILE).write_bytes(old)
    assert "newer than the one here" in edgeface("publish")
    until(lambda: len(listener.payloads(KEYS)) == 3)
    assert key_list.read(retained(listener), owner).devices == ()


@pytest.mark.broker
def test_the_daemon_signs_no_older_list_that_was_put_back_and_none_while_the_folder_is_in_doubt(
    broker: Mosquitto, listener: Listener, folder: Path, edgeface: Run
) -> None:
    clock, doubts = ShiftedClock(), list[str]()
    owner = public(edgeface("owner", "new"))
    file = folder / key_list_file.FILE
    edgeface("add", "stolen", f"sign:s:{listed('stolen').signing[0].text}")
    old = file.read_bytes()
    with running(folder, broker.port, clock, lambda: next(iter(doubts), None)) as feed:
        until(lambda: (feed.facts() or {}).get("published"))
        edgeface("revoke", "stolen")
        newest = file.read_bytes()
        for removed in (False, True):
            file.unlink()
            if not removed:
                file.write_bytes(old)
            clock.pass_time(3)
            until(lambda: file.exists() and file.read_bytes() == newest)
        doubts.append("the data folder is in doubt")
        clock.pass_time(9 * 3_600)
        until(lambda: "cannot be renewed: the data folder is in doubt" in (feed.problem or ""), 10)
        assert retained(listener) == newest
        doubts.clear()
        clock.pass_time(61)
        until(lambda: retained(listener) != newest, 10)
        assert key_list.read(retained(listener), owner).devices == ()


@pytest.mark.broker
def test_the_daemon_puts_its_list_back_when_someone_replaces_or_removes_it(
    broker: Mosquitto, listener: Listener, folder: Path, edgeface: Run
) -> None:
    mallory, clock = Owner(kid="owner-x"), ShiftedClock()
    edgeface("owner", "new", "--kid", "owner-x")
    edgeface("add", "garage", f"sign:g:{listed('garage').signing[0].text}")
    good = (folder / key_list_file.FILE).read_bytes()
    with running(folder, broker.port, clock) as feed:
        until(lambda: (feed.facts() or {}).get("published"))
        for hostile in (mallory.list(listed("mallory"), number=2**50), b""):
            listener.client.publish(KEYS, hostile, qos=1, retain=True).wait_for_publish(30)
            until(lambda: feed._replaced)
            clock.pass_time(61)
            until(lambda: retained(listener) == good, 10)
    assert (folder / key_list_file.FILE).read_bytes() == good


def test_a_command_signs_no_older_list_that_was_put_back_into_the_folder(
    tmp_path: Path, folder: Path, edgeface: Run
) -> None:
    configure(tmp_path)
    owner, out = public(edgeface("owner", "new")), ("--out", str(tmp_path / "list"))
    edgeface("add", "stolen", f"sign:s:{listed('stolen').signing[0].text}", *out)
    file = folder / key_list_file.FILE
    old = file.read_bytes()
    edgeface("revoke", "stolen", *out)
    newest = file.read_bytes()
    for content in (old, None):
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        assert "edgeface audit accept" in edgeface("publish", *out, status=78)
    file.write_bytes(newest)
    edgeface("publish", *out)
    assert key_list.read(file.read_bytes(), owner).devices == ()


@pytest.mark.broker
def test_a_daemon_without_the_owner_key_puts_no_older_list_in_the_place_of_a_newer_one(
    broker: Mosquitto, listener: Listener, tmp_path: Path, folder: Path, edgeface: Run
) -> None:
    clock, file = ShiftedClock(), tmp_path / "owner.json"
    owner = public(edgeface("owner", "new", "--out", str(file)))
    use = ("--owner", str(file))
    edgeface("new")
    edgeface("add", "stolen", f"sign:s:{listed('stolen').signing[0].text}", *use)
    old = (folder / key_list_file.FILE).read_bytes()
    # Another machine with the owner's file revokes it; this one was off, or has lost its connection, meanwhile.
    edgeface("revoke", "stolen", *use)
    until(lambda: len(listener.payloads(KEYS)) == 2)
    newest = retained(listener)
    (folder / key_list_file.FILE).write_bytes(old)
    with running(folder, broker.port, clock) as feed:
        until(lambda: "which is elsewhere" in (feed.problem or ""))
        clock.pass_time(120)
        time.sleep(1)
        assert retained(listener) == newest
        # What a command signs here contains what the other machine has done.
        edgeface("add", "garage", f"sign:g:{listed('garage').signing[0].text}", *use)
        after = key_list.read(retained(listener), owner)
        assert ([one.device for one in after.devices], after.revoked) == (["garage"], ("s",))
        assert feed.problem is None


@pytest.mark.broker
def test_a_list_that_is_repeated_without_end_is_written_down_once(
    broker: Mosquitto, listener: Listener, folder: Path, edgeface: Run
) -> None:
    edgeface("owner", "new")
    edgeface("add", "garage", f"sign:g:{listed('garage').signing[0].text}")
    file = folder / key_list_file.PUBLISHED
    with running(folder, broker.port, ShiftedClock()) as feed:
        until(lambda: (feed.facts() or {}).get("published"))
        before, good = file.stat(), retained(listener)
        for _ in range(50):
            listener.client.publish(KEYS, good, qos=1, retain=True).wait_for_publish(30)
        # What follows it has been read too.
        listener.client.publish(KEYS, b"", qos=1, retain=True).wait_for_publish(30)
        until(lambda: feed._sent is not None)
        assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.broker
def test_the_daemon_signs_no_list_that_the_owner_has_not_signed(
    broker: Mosquitto, listener: Listener, folder: Path, edgeface: Run
) -> None:
    mallory = Owner()
    edgeface("owner", "new", "--kid", "o1")
    # Whoever may write the folder adds a public key and a list, but has no private part that the vault opens.
    records = json.loads((folder / OWNER.file).read_text())
    records.append({**records[0], "kid": mallory.kid, "public": mallory.text, "private": None, "state": "retired"})
    (folder / OWNER.file).write_text(json.dumps(records))
    (folder / key_list_file.FILE).write_bytes(mallory.list(listed("mallory"), wall=time.time() - 80_000))
    with running(folder, broker.port, ShiftedClock()) as feed:
        until(lambda: "is not the owner's" in (feed.problem or ""))
        listener.client.publish(KEYS, mallory.list(listed("mallory")), qos=1, retain=True).wait_for_publish(30)
        time.sleep(0.5)
    assert len(listener.payloads(KEYS)) == 1


def test_an_owner_key_is_renewed_in_two_steps(tmp_path: Path, folder: Path, edgeface: Run) -> None:
    configure(tmp_path)
    old = public(edgeface("owner", "new", "--kid", "o1"))
    edgeface("add", "garage", f"sign:g:{listed('garage').signing[0].text}", "--out", str(tmp_path / "out"))
    before = key_list.read((folder / key_list_file.FILE).read_bytes(), old)
    shown = edgeface("owner", "new", "--kid", "o2")
    assert '"o1": ' in shown
    assert '"o2": ' in shown
    edgeface("owner", "rotate")
    new = public(edgeface("owner", "show"))
    assert list(new) == ["o2"]
    after = key_list.read((folder / key_list_file.FILE).read_bytes(), new)
    assert (after.devices, after.number > before.number) == (before.devices, True)


@pytest.mark.parametrize("text", ["", "{}", "[" * 3_000, '{"edgeface_owner":1}', "\x00" * 5_000])
def test_a_file_that_is_no_owner_key_is_one_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "owner"
    path.write_text(text)
    with pytest.raises(VaultError, match="not the file of an owner key"):
        owner_key.open_file(path, PASSPHRASE)
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(VaultError, match="cannot be read"):
            owner_key.open_file(missing, PASSPHRASE)


def test_an_altered_owner_file_does_not_open(tmp_path: Path) -> None:
    path, owner = tmp_path / "owner", Owner()
    key = SigningKey(owner.kid, owner.private)
    path.write_bytes(owner_key.file_text(key, PASSPHRASE, Cost(8, 1, 1)))
    assert owner_key.open_file(path, PASSPHRASE).kid == owner.kid
    fields = json.loads(path.read_text())
    for name, value in (("kid", "other"), ("public", Owner().text), ("salt", "AAAA"), ("passes", 2), ("box", "AAAA")):
        path.write_text(json.dumps({**fields, name: value}))
        with pytest.raises(VaultError):
            owner_key.open_file(path, PASSPHRASE)


def test_a_public_key_that_was_exchanged_in_an_owner_file_is_not_shown(tmp_path: Path, edgeface: Run) -> None:
    file = tmp_path / "owner.json"
    edgeface("owner", "new", "--out", str(file))
    file.write_text(json.dumps({**json.loads(file.read_text()), "public": Owner().text}))
    assert "the file was altered" in edgeface("owner", "show", "--owner", str(file), status=78)


def test_the_command_needs_no_heavy_library(python: str) -> None:
    script = "import sys, edgeface.cli.keys.run; print(sorted({'cv2', 'mediapipe'} & set(sys.modules)))"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_topic_is_that_of_the_contract() -> None:
    assert topics.DOOR_KEYS.at(prefix="edgeface") == TOPIC
