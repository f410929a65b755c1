"""The section `notify` of the configuration: targets, and the rules for what is sent to them."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from edgeface.core import event_kinds
from edgeface.core.settings import Id, Settings, form
from edgeface.security.secret_sources import require_one_source

CAMERA_OFFLINE = "camera_offline"
CAMERA_ONLINE = "camera_online"
"""The kinds of notice that are no events."""

KINDS = (*event_kinds.notable(), CAMERA_OFFLINE, CAMERA_ONLINE)
"""What a rule can send."""

NEEDS = {"apprise": ("apprise",), "web_push": ("http_ece", "py_vapid"), "webhook": ("requests",)}
"""The packages that each type of target needs; the extra notify has them all."""

Seconds = Annotated[float, Field(ge=0, le=86_400, strict=False)]


def _known_kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"no such kind; the kinds are {', '.join(KINDS)}")
    return text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("not an address such as https://example.com/path, without user name and password")
    return text


Kind = Annotated[str, AfterValidator(_known_kind)]
WebAddress = Annotated[str, Field(max_length=2000), AfterValidator(_web_address)]
Ids = Annotated[tuple[Id, ...], Field(strict=False, max_length=1000, examples=[["porch", "yard"]])]


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_IPV6 = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10")))
"""Networks that ipaddress takes for the internet: IPv4-compatible, IPv4-translated, local NAT64 (RFC 8215), and
site-local addresses."""


class Sources(NamedTuple):
    """Where a secret of a target comes from."""

    where: tuple[Path | None, str | None, str | None]
    """File, environment variable, systemd credential."""
    key: str
    """What the keys of the configuration begin with."""


class TargetSettings(Settings):
    """What all targets have."""

    pictures: bool = False
    """Send the face too, as far as `privacy.snapshots` allows; the picture then leaves this machine."""
    allow_local: bool = False
    """Allow an address of this machine, or of a private network."""


class AppriseTarget(TargetSettings):
    """A service that Apprise knows: its address has the secrets in it, and so comes from outside the configuration."""

    type: Literal["apprise"]
    url_file: Path | None = Field(default=None, strict=False)
    """A file whose first line is the address."""
    url_env: str | None = None
    """An environment variable that holds it."""
    url_credential: str | None = None
    """A systemd credential that holds it (LoadCredential=)."""

    @model_validator(mode="after")
    def _one_address(self) -> AppriseTarget:
        require_one_source("url", *self.sources.where, needed=True)
        return self

    @property
    def sources(self) -> Sources:
        """Where the address comes from."""
        return Sources((self.url_file, self.url_env, self.url_credential), "url")


class WebhookTarget(TargetSettings):
    """A web address that gets the notification as JSON, signed with a shared secret."""

    type: Literal["webhook"]
    url: WebAddress
    """https, unless it is a local address."""
    secret_file: Path | None = Field(default=None, strict=False)
    """A file whose first line is the secret."""
    secret_env: str | None = None
    """An environment variable that holds it."""
    secret_credential: str | None = None
    """A systemd credential that holds it (LoadCredential=)."""

    @model_validator(mode="after")
    def _one_secret(self) -> WebhookTarget:
        require_one_source("secret", *self.sources.where, needed=True)
        if self.url.startswith("http://") and not self.allow_local:
            raise ValueError("plaintext over the internet: use https, or set allow_local for a local address")
        return self

    @property
    def sources(self) -> Sources:
        """Where the secret comes from."""
        return Sources((self.secret_file, self.secret_env, self.secret_credential), "secret")


class WebPushTarget(TargetSettings):
    """The browsers that have asked for notifications on the page."""

    type: Literal["web_push"]
    contact: Annotated[
        str,
        Field(
            pattern=r"^(mailto:[^@ ]+@[^@ ]+|https://[^ ]+)$",
            max_length=200,
            json_schema_extra=form("mailto:you@example.com, or an address that begins with https://"),
        ),
    ]
    """Where a push service may complain about this device: mailto:you@example.com, or an https address (RFC 8292)."""


Target = Annotated[AppriseTarget | WebhookTarget | WebPushTarget, Field(discriminator="type")]
"""Where a notification goes."""


class Rule(Settings):
    """What is sent, where and how often; a notification needs one rule that allows it."""

    to: Annotated[tuple[Id, ...], Field(strict=False, min_length=1, max_length=16, examples=[["phone"]])]
    """Names of targets."""
    kinds: Annotated[
        tuple[Kind, ...], Field(strict=False, min_length=1, max_length=len(KINDS), examples=[["match", "unknown"]])
    ]
    """Which events."""
    cameras: Ids = ()
    """Only of these cameras; empty: of all."""
    doors: Ids = ()
    """Only at these doors; empty: at all."""
    people: Ids = ()
    """Only about these people, or members of these groups; empty: about all. Strangers are none of them."""
    schedule: Id | None = None
    """Only while this schedule of the section `schedules` covers; left out: always."""
    pause: Seconds = 60.0
    """Seconds without a second notification about the same person, stranger, camera or door."""
    per_hour: Annotated[int, Field(ge=1, le=600)] = 20
    """At most so many of each kind within an hour; the rest are counted, and the next one says how many."""


class Notify(Settings):
    """What is sent to people, and where."""

    page: WebAddress | None = None
    """The address of the page as the receivers reach it, for links; left out: no links."""
    targets: Annotated[dict[Id, Target], Field(min_length=1, max_length=16)]
    rules: Annotated[
        tuple[Rule, ...],
        Field(strict=False, min_length=1, max_length=64, examples=[[{"to": ["phone"], "kinds": ["match"]}]]),
    ]

    @model_validator(mode="after")
    def _targets_exist(self) -> Notify:
        for rule in self.rules:
            for name in rule.to:
                if name not in self.targets:
                    raise ValueError(f"rules: no target {name}; there are {', '.join(self.targets)}")
        return self


def is_local(host: str) -> bool:
    """Whether an address, not a name, is of this machine or of a network that is not the internet."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _LOCAL_IPV6):
            return True
        address = _ipv4_within(address) or address
    return not address.is_global or address.is_multicast


def _ipv4_within(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a host or a gateway makes of it: mapped, 6to4 (RFC 3056) or NAT64 (RFC 6052)."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
