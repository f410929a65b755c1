"""The hosts that targets connect to, which the firewall must let out."""

from pathlib import Path

import pytest

from edgeface.config.configuration import Configuration
from edgeface.config.egress import peers
from edgeface.core.errors import ConfigError
from edgeface.notify.settings import Notify
from edgeface.notify.target_hosts import hosts

WEBHOOK = {"type": "webhook", "url": "https://hooks.example.org:8443/a", "secret_env": "NO_SUCH"}


def settings(tmp_path: Path, **urls: str) -> Notify:
    targets: dict[str, object] = {"hook": WEBHOOK}
    for name, url in urls.items():
        (tmp_path / name).write_text(url + "\n")
        (tmp_path / name).chmod(0o600)
        targets[name] = {"type": "apprise", "url_file": tmp_path / name}
    return Notify.model_validate({"targets": targets, "rules": [{"to": ["hook"], "kinds": ["unknown"]}]}, strict=False)


def test_each_service_is_asked_where_it_connects(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    found = hosts(
        settings(
            tmp_path,
            telegram="tgram://123456789:abcdefg_hijklmnop/12315544/",
            ntfy="ntfy://a-topic",
            own="ntfys://user:pass@ntfy.example.org/topic",
            mail="mailto://me:secret@gmail.com",
            house="json://192.168.1.5/token",
        )
    )
    assert found == {
        "hook": ("hooks.example.org",),
        "telegram": ("api.telegram.org",),
        "ntfy": ("ntfy.sh",),
        "own": ("ntfy.example.org",),
        "mail": ("smtp.gmail.com",),
        "house": ("192.168.1.5",),
    }


def test_a_service_that_is_unknown_is_named_without_its_address(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    with pytest.raises(ConfigError, match=r"^notify target odd: Apprise does not know such an address$"):
        hosts(settings(tmp_path, odd="nosuch://secret"))


def test_the_firewall_lets_them_out(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    notify = settings(tmp_path, house="json://192.168.1.5/token")
    here = notify.model_copy(update={"targets": {"house": notify.targets["house"]}})
    configuration = Configuration.model_construct(cameras={}, notify=here)
    assert [(one.what, one.host, one.addresses) for one in peers(configuration)] == [
        ("notify house", "192.168.1.5", ("192.168.1.5",))
    ]
