"""edgeface centre and edgeface fleet, as an administrator types them."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from edgeface.centre.upkeep import Done
from edgeface.cli.main import main
from edgeface.core.errors import FleetError
from edgeface.faces.embedder import embedder_name
from edgeface.fleet import join_code, sealing
from edgeface.fleet.device.joining import join
from edgeface.security.vault import open_vault
from tests.support.audit_rows import audit_row, match
from tests.support.broker import until
from tests.support.centre import NOW, SITE, Centre, entry, proposal
from tests.support.clock import FixedClock
from tests.support.other_model import other_model
from tests.support.postgres import Postgres

DATA = Path(__file__).parents[1] / "data"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(conninfo: str, tmp_path: Path) -> Path:
    file = tmp_path / "centre.yaml"
    file.write_text(
        f"names: [localhost]\ndatabase: {{conninfo: '{conninfo}'}}\n"
        f"data: {tmp_path}/data\nkeyring: {tmp_path}/second\n"
        "devices: {host: 127.0.0.1, port: 0}\nadmins: {port: 0}\n"
    )
    return file


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command; gives the exit status and what it printed."""

    def made(verb: str, *words: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        status = main([verb, "--config", str(config), *words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return made


def test_a_centre_is_made_used_and_leaves_a_proof(run: Run) -> None:
    assert run("centre", "check")[0] == 78
    status, out, _ = run("centre", "init")
    assert status == 0
    assert "edgeface centre password" in out
    assert run("centre", "init")[1].splitlines()[0] == out.splitlines()[0]
    assert run("fleet", "site", "tower", "annex")[0] == 0
    status, out, _ = run("fleet", "enroll", "tower", "barack", "--name", "Barack", str(DATA / "obama.jpg"))
    assert (status, out) == (0, "barack: enrolled at tower, change 1\n")
    assert run("fleet", "people", "tower")[1].split() == ["barack", "Barack"]
    status, out, _ = run("fleet", "forget", "tower", "barack")
    assert status == 0
    assert "the key is destroyed in both copies" in out
    assert run("fleet", "people", "tower")[1] == ""
    status, out, _ = run("centre", "upkeep")
    assert (status, out.strip()) in {(0, str(Done())), (0, str(Done(waited=True)))}
    status, out, err = run("centre", "check")
    assert (status, out) == (0, "OK (2 sites, 0 people, 0 devices)\n")
    assert "no admin has a password" in err


def test_what_is_wrong_is_one_line_and_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("centre", "init")
    run("fleet", "site", "tower")
    for words, status, text in (
        (("people", "nowhere"), 69, "nowhere"),
        (("people",), 2, "usage: edgeface fleet people SITE"),
        (("code", "front"), 2, "usage: edgeface fleet code DEVICE SITE..."),
        (("code", "Front Door", "tower"), 1, "Front Door"),
        (("forget", "tower", "nobody"), 69, "nobody: no such person in tower"),
        (("lost", "nothing"), 69, "nothing: no such device"),
        (("enroll", "tower", "x", str(tmp_path / "no.jpg")), 1, "no photo can be used"),
        (("enroll", "tower", "u-12345678", str(DATA / "obama.jpg")), 1, "u-12345678"),
    ):
        found, out, err = run("fleet", *words)
        assert (found, out) == (status, ""), words
        assert text in err
    assert run("fleet", "people", "tower")[1] == ""


def test_a_database_that_refuses_is_named_once(run: Run, config: Path) -> None:
    run("centre", "init")
    config.write_text(config.read_text().replace("user=edgeface", "user=nothing"))
    command = [sys.executable, "-m", "edgeface.cli", "centre", "--config", str(config), "check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert (done.returncode, done.stdout) == (69, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("edgeface: the database does not answer: ")
    assert line.endswith('role "nothing" does not exist')


def test_accounts_are_made_listed_and_revoked(run: Run, conninfo: str) -> None:
    run("centre", "init")
    status, out, err = run("centre", "password", "anna", "--role", "admin", typed="correct horse battery\n")
    assert status == 0
    assert out.startswith("otpauth://totp/edgeface%20centre:anna?secret=")
    assert "not shown again" in err
    status, out, _ = run("centre", "token", "hr", "--role", "viewer", "--site", "tower", "--days", "30")
    assert (status, out[:9]) == (0, "edgeface_")
    status, out, _ = run("centre", "accounts")
    anna, hr = out.splitlines()
    assert re.fullmatch(r"anna +admin +password +\S+ +all sites", anna)
    assert re.fullmatch(r"hr +viewer +token +\S+ +expires \S+ +tower", hr)
    assert run("centre", "revoke", "hr")[0] == 0
    with psycopg.connect(conninfo) as connection:
        noted = connection.execute("SELECT by, what, facts ->> 'account', facts ->> 'done' FROM journal ORDER BY n")
        assert noted.fetchall() == [
            ("command-line", "account", "anna", "password for admin"),
            ("command-line", "account", "hr", "token for viewer"),
            ("command-line", "account", "hr", "revoked"),
        ]
    assert run("centre", "revoke", "hr")[0] == 1
    assert run("centre", "password", "bob", typed="correct horse battery\n")[0] == 2
    assert run("centre", "password", "bob", "--role", "admin", typed="short\n")[0] == 2
    assert run("centre", "token")[0] == 2


def test_crops_models_and_rings(run: Run, conninfo: str, tmp_path: Path) -> None:
    old, new = embedder_name(), embedder_name(file := other_model(tmp_path / "new"))
    run("centre", "init")
    run("fleet", "site", SITE)
    for who, more in (("barack", ["--keep-crops"]), ("joe", [])):
        photo = str(DATA / {"barack": "obama.jpg", "joe": "biden.jpg"}[who])
        assert run("fleet", "enroll", SITE, who, photo, "--given", "2026-11-01", *more)[0] == 0
    with Centre(conninfo, (tmp_path / "data" / "keyring", tmp_path / "second"), FixedClock(epoch=NOW)) as centre:
        centre.joined("front")
    assert run("fleet", "crops", SITE, "barack")[1] == "barack: 1 crop kept, by consent of 2026-11-01\n"
    assert run("fleet", "crops", SITE, "joe")[1] == "joe: no crops are kept\n"
    assert run("fleet", "people", SITE)[1].splitlines()[0].endswith("crops by consent of 2026-11-01")
    assert run("fleet", "model", "add", str(file))[1].startswith(f"{new}: added")
    assert run("fleet", "model")[1].split() == [old, new]
    status, out, err = run("fleet", "model", "embed", SITE)
    assert (status, err) == (0, f"edgeface: {new}: 1 of 1\n")
    assert out.splitlines() == [
        f"{old}: 0 people have no template",
        f"{new}: 1 person has no template",
        "  joe has to come again: no crops are kept",
    ]
    assert run("fleet", "model", "embed", SITE)[2] == ""
    for words, status, text in (
        (("ring", "other", SITE), 2, "one of --devices A,B, --share 10% and --all"),
        (("ring", "other", SITE, "--share", "10"), 2, "a percentage such as 10%"),
        (("ring", "nothing", SITE, "--all"), 69, "nothing: no such model"),
        (("ring", "other", SITE, "--devices", "back", "--without", "1"), 69, "back: not a device of"),
        (("ring", "other", SITE, "--all"), 69, "1 person has no template of other"),
        (("model", "remove", old), 2, "name another one in centre.yaml first"),
        (("model", "remove", "x:00000000"), 69, "no such model"),
        (("model", "add"), 2, "usage: edgeface fleet model"),
    ):
        found, out, err = run("fleet", *words)
        assert (found, out) == (status, ""), (words, err)
        assert text in err
    assert run("fleet", "ring", "other", SITE, "--share", "10%", "--without", "1")[1] == f"front: is to use {new}\n"
    assert f"no model signed yet; is to use {new} since" in run("fleet", "devices")[1]
    assert "still used by front" in run("fleet", "model", "remove", new)[2]
    assert run("fleet", "lost", "front")[0] == 0
    assert run("fleet", "model", "remove", new)[1] == f"{new}: removed, with 1 template\n"
    assert run("fleet", "model")[1].split() == [old]
    assert run("fleet", "crops", SITE, "barack", "--delete")[1] == "barack: 1 crop deleted\n"
    assert run("fleet", "crops", SITE, "barack")[1] == "barack: no crops are kept\n"


def test_proposals_are_listed_accepted_and_declined(run: Run, conninfo: str, tmp_path: Path) -> None:
    run("centre", "init")
    run("fleet", "site", SITE)
    with Centre(conninfo, (tmp_path / "data" / "keyring", tmp_path / "second"), FixedClock(epoch=NOW)) as centre:
        device = centre.joined()
        for who in ("carla", "dora"):
            made = proposal(device, sealing.new_person(), 0, id=who)
            centre.store.propose(device.device, SITE, made)
    lines = run("fleet", "proposals")[1].splitlines()
    assert [line.split()[-2:] for line in lines] == [["enroll", "carla"], ["enroll", "dora"]]
    first, second = (line.split()[0] for line in lines)
    assert run("fleet", "accept", first) == (0, f"{first}: accepted, change 1\n", "")
    assert run("fleet", "decline", second)[0] == 0
    assert run("fleet", "proposals")[1] == ""
    assert run("fleet", "people", SITE)[1].split()[0] == "carla"
    status, out, err = run("fleet", "accept", first)
    assert (status, out) == (69, "")
    assert f"{first}: no such proposal waits" in err


def test_after_a_restore_who_was_forgotten_since_stays_forgotten(
    run: Run, conninfo: str, postgres: Postgres, config: Path
) -> None:
    run("centre", "init")
    run("fleet", "site", "tower")
    for who, photo in (("barack", "obama.jpg"), ("joe", "biden.jpg")):
        run("fleet", "enroll", "tower", who, str(DATA / photo))
    name = conninfo_to_dict(conninfo)["dbname"]
    postgres.create(f"{name}backup", str(name))
    run("fleet", "forget", "tower", "barack")
    config.write_text(config.read_text().replace(f"dbname={name} ", f"dbname={name}backup "))
    try:
        status, out, _ = run("centre", "restored")
        said = "tower: 1 person, change 1000005, epoch 2; every device fetches the whole list again\n"
        assert (status, out) == (0, said)
        assert run("fleet", "people", "tower")[1].split()[0] == "joe"
        assert run("centre", "check")[1] == "OK (1 site, 1 person, 0 devices)\n"
    finally:
        postgres.drop(f"{name}backup")


def test_a_served_centre_lets_a_real_device_in_and_a_lost_one_not(run: Run, config: Path, tmp_path: Path) -> None:
    run("centre", "init")
    run("fleet", "site", "tower")
    run("fleet", "enroll", "tower", "barack", str(DATA / "obama.jpg"))
    log = tmp_path / "log"
    with log.open("wb") as file:
        served = subprocess.Popen(
            [sys.executable, "-m", "edgeface.cli", "centre", "--config", str(config), "serve"], stderr=file,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
    try:
        until(lambda: "devices at port" in log.read_text() or served.poll() is not None, 30)
        port = re.search(r"devices at port (\d+)", log.read_text())
        assert port is not None, log.read_text()
        url = f"https://localhost:{port[1]}"
        status, out, _ = run("fleet", "code", "front", "tower")
        assert status == 0
        code = join_code.parse(out.split()[-1])
        folder = tmp_path / "device"
        other = code._replace(fingerprint=bytes(10))
        with pytest.raises(FleetError, match="is not the centre that made this code"):
            join(folder, open_vault(folder), "front", url, other)
        identity = join(folder, open_vault(folder), "front", url, code, grant_keys=[bytes(32)])
        assert [one.site for one in identity.sites] == ["tower"]
        assert "has signed nothing yet" in run("fleet", "proof", "tower")[1]
        assert run("fleet", "devices")[1].startswith("front ")
        status, out, _ = run("fleet", "lost", "front")
        assert status == 0
        for text in ("front: revoked", "tower: new keys, epoch", "had the templates of barack", "edgeface keys revoke"):
            assert text in out
        assert "front" not in run("fleet", "forget", "tower", "barack")[1].partition("outstanding:")[2]
        served.send_signal(signal.SIGTERM)
        assert served.wait(20) == 0
    finally:
        served.kill()
        served.wait()
    assert "Traceback" not in log.read_text()


def test_events_are_shown(run: Run, conninfo: str, tmp_path: Path) -> None:
    run("centre", "init")
    run("fleet", "site", SITE, "annex")
    folders = tmp_path / "data" / "keyring", tmp_path / "second"
    with Centre(conninfo, folders, FixedClock(epoch=NOW)) as centre:
        centre.joined("front")
        centre.store.put(SITE, entry(1, id="alice"), "admin")
        stranger = {"v": 1, "event_type": "granted", "person": "stranger", "door": "gate"}
        centre.store.add_events([audit_row(match(1)), audit_row(match(2)), audit_row(stranger, at=NOW + 60)])
    status, out, _ = run("fleet", "events", SITE)
    assert status == 0
    first, _, last = out.splitlines()
    assert re.fullmatch(r"2026-\S+Z  front +porch +match +alice +name Alice Unmistakable, score 0.7123", first)
    assert re.fullmatch(r"2026-\S+Z  front +gate +granted +forgotten, or not known here", last)
    assert run("fleet", "events", "--person", "alice", "--last", "1")[1].count("\n") == 1
    assert run("fleet", "events", "--door", "gate", "--json")[1].startswith('{"at": "2026-')
    assert run("fleet", "events", "annex")[:2] == run("fleet", "events", "--until", "2026-01-01")[:2] == (0, "")
    for words, wrong in (
        (("nowhere",), 69),
        (("--since", "soon"), 2),
        (("--until", "soon"), 2),
        (("--last", "0"), 2),
        (("--device", "Front"), 1),
    ):
        assert run("fleet", "events", *words)[:2] == (wrong, ""), words
