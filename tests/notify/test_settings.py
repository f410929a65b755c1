"""What the section notify accepts."""

from pathlib import Path
from typing import Any

import pytest

from edgeface.config import loader
from edgeface.core.errors import ConfigError
from edgeface.notify.settings import is_local

START = """\
cameras: {porch: {type: opencv, source: 0}}
privacy: {snapshots: unknown}
schedules: {night: {zone: Europe/Berlin, week: {mon-sun: ["22:00-24:00"]}}}
notify:
"""
TARGETS = "  targets: {phone: {type: apprise, url_file: /etc/phone.url, pictures: true}}\n"
RULES = "  rules: [{to: [phone], kinds: [unknown, camera_offline], cameras: [porch], schedule: night}]\n"


def parsed(notify: str) -> Any:
    return loader.parse((START + notify).encode(), "config.yaml").notify


def test_a_whole_section() -> None:
    found = parsed(TARGETS + RULES)
    assert found.targets["phone"].url_file == Path("/etc/phone.url")
    assert found.rules[0].per_hour == 20
    assert found.rules[0].pause == 60.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TARGETS, "notify.rules: missing"),
        (RULES, "notify.targets: missing"),
        (TARGETS + RULES.replace("[phone]", "[fone]"), "no target fone; there are phone"),
        (TARGETS + RULES.replace("unknown", "stranger"), "no such kind; the kinds are match, unknown"),
        (TARGETS + RULES.replace("[porch]", "[yard]"), "no camera yard; there are porch"),
        (TARGETS + RULES.replace("night", "day"), "no such schedule; there are night"),
        (TARGETS + RULES.replace("cameras: [porch]", "doors: [gate]"), "no door gate"),
        (TARGETS.replace("url_file: /etc/phone.url", "url_file: /a, url_env: B") + RULES, "give one of url_file"),
        (TARGETS.replace("url_file: /etc/phone.url, ", "") + RULES, "give one of url_file"),
        (
            "  targets: {phone: {type: webhook, url: 'http://example.com/', secret_file: /s}}\n" + RULES,
            "plaintext over the internet",
        ),
        (
            "  targets: {phone: {type: webhook, url: 'https://a:b@example.com/', secret_file: /s}}\n" + RULES,
            "without user name and password",
        ),
        ("  targets: {phone: {type: webhook, url: 'https://example.com/'}}\n" + RULES, "give one of secret_file"),
    ],
)
def test_a_mistake_is_named(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parsed(text)
    assert "a:b" not in str(caught.value)


def test_pictures_need_privacy_snapshots() -> None:
    text = (START + TARGETS + RULES).replace("snapshots: unknown", "snapshots: none")
    with pytest.raises(ConfigError, match=r"5: notify\.targets\.phone\.pictures: privacy\.snapshots must"):
        loader.parse(text.encode(), "config.yaml")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        *((one, True) for one in ("127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "fe80::1%eth0")),
        *((one, True) for one in ("0.0.0.0", "::", "::ffff:10.0.0.1", "100.64.0.1", "224.0.0.251", "fd00::1")),  # noqa: S104
        # IPv4 in IPv6: mapped, translated, compatible, 6to4 and NAT64.
        *((one, True) for one in ("::ffff:0:10.0.0.1", "::127.0.0.1", "2002:0a00:1::1", "64:ff9b::10.0.0.1")),
        *((one, True) for one in ("64:ff9b:1::1", "fec0::1")),
        *((one, False) for one in ("2002:808:808::1", "64:ff9b::8.8.8.8")),
        *((one, False) for one in ("1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8")),
    ],
)
def test_what_a_local_address_is(address: str, *, local: bool) -> None:
    assert is_local(address) is local
