"""Configurations with one mistake each, and what `edgeface check` says of them.

A situation with a name in backticks is in the table of docs/configuration.md, with these words.
"""

from __future__ import annotations

from typing import NamedTuple

CAMERA = "cameras:\n  porch: {type: opencv, source: 0}\n"
ADDRESS = "the address is not scheme://user:password@host:port/path; write @ as %40, / as %2F, # as %23"
NO_ID = "not an id: small letters, digits, - and _, at most 64, a letter or digit first"
TYPES = "opencv, rtsp, snapshot, gstreamer, picamera, gray16, replay"
DASHES = "write names with a colon (porch:) in place of the dashes"
ALONE = "write the host alone"


class Situation(NamedTuple):
    """A file, and the lines of `edgeface check` without the name of the file; none if it is right."""

    name: str
    file: str | bytes
    says: tuple[str, ...] = ()


def camera(keys: str, *says: str, name: str) -> Situation:
    """One camera with these keys, each on a line; `says` is at the line of the last key."""
    lines = [f"    {line}" for line in keys.splitlines()]
    text = "\n".join(["cameras:", "  porch:", *lines, ""])
    return Situation(name, text, tuple(f"{len(lines) + 2}: {one}" for one in says))


def section(keys: str, *says: str, name: str) -> Situation:
    """A camera, and this section; `says` is at the line of its last key."""
    text = CAMERA + keys + "\n"
    return Situation(name, text, tuple(f"{text.count(chr(10))}: {one}" for one in says))


SITUATIONS = (
    # What YAML needs.
    Situation(
        "a tab in the indentation",
        "cameras:\n\tporch:\n\t\ttype: opencv\n",
        ("2: a tab in the indentation: use spaces",),
    ),
    Situation("`source: 0` and a tab", CAMERA.replace("0}", "0}\t"), ("2: a tab after the text: use spaces",)),
    Situation(
        "a tab before a comment",
        "device: hall\t# at the back\n" + CAMERA,
        ("1: a tab after the text: use spaces",),
    ),
    Situation(
        "`type:opencv`",
        "cameras:\n  porch:\n    type:opencv\n    source: 0\n",
        ("3: a space is missing after the colon: write `key: value`",),
    ),
    Situation(
        "no line has a space after the colon",
        "cameras:\n  porch:\n    type:opencv\n    source:0\n",
        ("2: cameras.porch: should have keys below it; a space is missing after a colon: write `key: value`",),
    ),
    Situation(
        "one key without a space",
        "device:hall\n",
        ("1: not a list of keys: write `key: value`, with a space after the colon",),
    ),
    Situation(
        "`type opencv`",
        "cameras:\n  porch:\n    type opencv\n    source: 0\n",
        ("3: the colon is missing: a line is `key: value`",),
    ),
    Situation("a word at the end", CAMERA + "mqtt\n", ("3: the colon is missing: a line is `key: value`",)),
    Situation(
        "a full-width colon",
        "cameras:\n  porch:\n    type\uff1aopencv\n    source: 0\n",
        ("3: a full-width colon (U+FF1A): use :",),
    ),
    Situation(
        "a key that does not line up",
        "cameras:\n  porch:\n    type: opencv\n   source: 0\n",
        ("4: does not line up: the keys of a section begin in the same column",),
    ),
    Situation(
        "`camera_1: porch` with keys below it",
        "cameras:\n  camera_1: porch\n    type: opencv\n    source: 0\n",
        ("3: indented deeper than line 2, which has a value: remove that value, or indent both alike",),
    ),
    Situation(
        "two colons", CAMERA + "device: hall: back\n", ("3: a second colon in this line: put the value in quotes",)
    ),
    Situation("an open bracket", CAMERA + "readers: [front\n", ("3: [ is opened here and never closed",)),
    Situation(
        "an open brace", "cameras: {porch: {type: opencv, source: 0}\n", ("1: { is opened here and never closed",)
    ),
    Situation("an open quote", CAMERA + 'device: "hall\nmqtt:\n', ("3: a quote is opened here and never closed",)),
    Situation("an apostrophe", CAMERA + "device: 'it's'\n", ("3: text after a closing quote: quote the whole value",)),
    Situation(
        "brackets of two kinds",
        CAMERA + "groups: {family: [alice, bob}\n",
        ("3: a comma or ] is missing in this list; quote text that has : , [ ] { or } in it",),
    ),
    Situation("an at sign", CAMERA + "device: @home\n", ("3: text that begins with @ must be in quotes",)),
    Situation("a percent sign", CAMERA + "device: %home\n", ("3: text that begins with % must be in quotes",)),
    Situation(
        "a path of Windows",
        CAMERA + 'data: "C:\\data"\n',
        ("3: a backslash in double quotes: use single quotes, or double each backslash",),
    ),
    Situation(
        "a list among keys",
        CAMERA + "- type: opencv\n",
        ("3: a list item (-) among keys: indent it below its key",),
    ),
    Situation(
        "`cameras:` with a list",
        "cameras:\n  - type: opencv\n    source: 0\n",
        ("1: cameras: should have keys below it, not a list: " + DASHES,),
    ),
    Situation(
        "an anchor",
        "cameras:\n  porch: &usb {type: opencv, source: 0}\n",
        ("2: & and * repeat nothing here: write the keys out, or quote text that begins with one",),
    ),
    Situation(
        "`source: !secret porch`",
        "cameras:\n  porch: {type: opencv, source: !secret porch}\n",
        ("2: !secret works in Home Assistant only: write the value here, or put a password into a file",),
    ),
    Situation("a tag", CAMERA + "device: !!str hall\n", ("3: text that begins with ! must be in quotes",)),
    Situation(
        "two documents",
        CAMERA + "---\ndevice: hall\n",
        ("3: a second document begins here: one file is one configuration",),
    ),
    Situation(
        "a key twice",
        CAMERA + "  porch: {type: opencv, source: 1}\n",
        ("3: cameras.porch: given twice, first on line 2",),
    ),
    Situation(
        "nothing", "", ("1: empty or not a list of keys; the config.yaml that comes with edgeface has them all",)
    ),
    # Characters and encodings.
    Situation(
        "a non-breaking space in the indentation",
        "cameras:\n\u00a0\u00a0porch:\n\u00a0\u00a0\u00a0\u00a0type: opencv\n",
        ("2: a non-breaking space (U+00A0), which does not indent or separate: replace it with a space",),
    ),
    Situation(
        "a non-breaking space after the colon",
        CAMERA + "device:\u00a0hall\n",
        ("3: a non-breaking space (U+00A0), which does not indent or separate: replace it with a space",),
    ),
    Situation(
        "a non-breaking space before the value",
        CAMERA + "device: \u202fhall\n",
        ("3: device: a non-breaking space (U+202F), which does not indent or separate: replace it with a space",),
    ),
    Situation(
        "an invisible character",
        CAMERA + "device: ha\u200bll\n",
        ("3: device: an invisible character (U+200B): type this line again",),
    ),
    Situation(
        "an invisible character in a key",
        CAMERA + "dev\ufeffice: hall\n",
        ("3: an invisible character (U+FEFF): type this line again",),
    ),
    camera(
        "type: opencv\nsource: \u201crtsp://192.168.1.20/1\u201d",
        "cameras.porch.source: a curly quote (U+201C), which does not quote: use \" or '",
        name="curly quotes, as word processors make them",
    ),
    camera(
        "type: opencv\nsource: \u201ertsp://192.168.1.20/1\u201c",
        "cameras.porch.source: a curly quote (U+201E), which does not quote: use \" or '",
        name="German quotes",
    ),
    Situation(
        "a quoted key with curly quotes",
        "\u201ccameras\u201d:\n  porch: {type: opencv, source: 0}\n",
        ("1: a curly quote (U+201C), which does not quote: use \" or '",),
    ),
    Situation("a control character", CAMERA + "device: ha\x07ll\n", ("3: a control character: delete it",)),
    Situation("a byte order mark", b"\xef\xbb\xbf" + CAMERA.encode()),
    Situation("CR and LF", CAMERA.replace("\n", "\r\n").encode()),
    Situation("CR alone", CAMERA.replace("\n", "\r").encode()),
    Situation("letters with accents in a comment", "# T\u00fcr\n" + CAMERA),
    Situation("a sentence with a non-breaking space", CAMERA + "privacy: {consent_text: Je suis d'accord\u00a0!}\n"),
    Situation(
        "UTF-16",
        CAMERA.encode("utf-16"),
        ("1: not UTF-8 text but UTF-16, as some editors of Windows save it: save it again as UTF-8",),
    ),
    Situation(
        "Latin-1",
        f"{CAMERA}# T\u00fcr\n".encode("latin-1"),
        ("3: not UTF-8 text: a letter such as \u00e4 or \u00e9 is in an old encoding; save the file as UTF-8",),
    ),
    # Names of keys.
    Situation(
        "`Cameras:`",
        CAMERA.replace("cameras", "Cameras"),
        ("1: Cameras: unknown key: write it in small letters, cameras",),
    ),
    camera(
        "type: opencv\nSource: 0",
        "cameras.porch.Source: unknown key: write it in small letters, source",
        name="a key in capitals",
    ),
    Situation(
        "a camera with capitals",
        "cameras:\n  Front Door: {type: opencv, source: 0}\n",
        (f"2: cameras.Front Door: {NO_ID}",),
    ),
    section("device: FrontDoor", f"device: {NO_ID}", name="a device with capitals"),
    section(
        "mqtt:\n  username: front\n  password: hunter2",
        "mqtt.password: unknown key: secrets are not written here; put it into a file of its own that only edgeface can"
        " read, and name that file with password_file",
        name="`password:` below `mqtt:`",
    ),
    section("mqtt:\n  user: front", "mqtt.user: unknown key (did you mean username?)", name="`user:` below `mqtt:`"),
    camera(
        "type: opencv\nsource: 0\npassword: hunter2",
        "cameras.porch.password: unknown key: secrets are not written here; put it into a file of its own that only"
        " edgeface can read, and name that file with password_file",
        name="a password of a camera",
    ),
    section(
        "mqtt:\n  client_id: a",
        "mqtt.client_id: unknown key; the config.yaml that comes with edgeface explains every key",
        name="a key of other programs",
    ),
    section(
        "mqtt:\n  tls:\n    insecure: true",
        "mqtt.tls.insecure: unknown key here: it belongs one level further out: indent it as its section is",
        name="a key that is indented too much",
    ),
    section(
        "mqtt:\n  ca: /etc/ssl/ca.pem",
        "mqtt.ca: unknown key here: it belongs below tls",
        name="a key of the section below",
    ),
    section(
        "mqtt: {}\ndoors:\n  front: {camera: porch, allow: [alice]}",
        "doors.front.allow.0: should have keys, such as {group: everyone}",
        name="`allow: [alice]`",
    ),
    section(
        "recognition:\n  threshold: 0.6",
        "recognition.threshold: unknown key (did you mean level?)",
        name="`threshold:` below `recognition:`",
    ),
    # Values.
    camera(
        'type: opencv\nsource: 0\nfps: "15"',
        "cameras.porch.fps: should be a number from 0.5 to 240, without quotes",
        name='`fps: "15"`',
    ),
    camera(
        "type: opencv\nsource: 0\nfps: 15 fps",
        "cameras.porch.fps: should be a number from 0.5 to 240; write it without a unit",
        name="`fps: 15 fps`",
    ),
    camera(
        "type: opencv\nsource: 0\nfps: 2,5",
        "cameras.porch.fps: should be a number from 0.5 to 240; decimals have a point, such as 0.5",
        name="`fps: 2,5`",
    ),
    camera("type: opencv\nsource: 0\nfps: 500", "cameras.porch.fps: should be from 0.5 to 240", name="too many frames"),
    camera("type: opencv\nsource: 0\nfps:", name="a key without a value"),
    section(
        "mqtt:\n  port:",
        "mqtt.port: should be a whole number from 1 to 65535; it has no value",
        name="a port without a value",
    ),
    section("mqtt:\n  port: 1883.5", "mqtt.port: should be a whole number from 1 to 65535", name="a fraction"),
    camera(
        "type: opencv\nsource: 0\nsize: 1280x720",
        "cameras.porch.size: should be a list of 2 values, such as [1280, 720]",
        name="`size: 1280x720`",
    ),
    camera(
        "type: opencv\nsource: 0\nsize: [1280]",
        "cameras.porch.size: should be a list of 2 values, such as [1280, 720]",
        name="a size without height",
    ),
    camera(
        "type: opencv\nsource: 0\nregion: [100, 50, 1180, 700]",
        "cameras.porch.region: each should be from 0 to 1, as a fraction: 0.5 is half",
        name="`region:` in pixels",
    ),
    camera(
        "type: opencv\nsource: 0\nenabled: yes",
        "cameras.porch.enabled: should be true or false",
        name="`enabled: yes`",
    ),
    camera(
        'type: opencv\nsource: 0\nenabled: "true"',
        "cameras.porch.enabled: should be true or false, without quotes",
        name="true in quotes",
    ),
    camera(
        "type: opencv\nsource: 0\nrotation: 45",
        "cameras.porch.rotation: should be 0, 90, 180 or 270",
        name="a rotation of 45",
    ),
    camera(
        'type: opencv\nsource: 0\nrotation: "90"',
        "cameras.porch.rotation: should be 0, 90, 180 or 270, without quotes",
        name="a rotation in quotes",
    ),
    section(
        "recognition:\n  level: High",
        "recognition.level: should be 'low', 'normal' or 'high', in small letters",
        name="`level: High`",
    ),
    section(
        "recognition:\n  level: 0.6",
        "recognition.level: should be 'low', 'normal' or 'high'",
        name="a level as a number",
    ),
    section("mqtt:\n  username: 1234", "mqtt.username: should be text: put it in quotes", name="digits as a user name"),
    section("mqtt: localhost", "mqtt: should have keys below it", name="a section with a value"),
    section("readers: front", "readers: should be a list, such as [front-door]", name="a list without brackets"),
    section("groups:\n  family: []", "groups.family: should not be empty", name="an empty group"),
    Situation(
        "`type: usb`",
        "cameras:\n  porch: {type: usb, source: 0}\n",
        (f"2: cameras.porch: unknown type; known are {TYPES} (did you mean opencv?)",),
    ),
    Situation(
        "a type with a typing error",
        "cameras:\n  porch: {type: gstremer, preset: test}\n",
        (f"2: cameras.porch: unknown type; known are {TYPES} (did you mean gstreamer?)",),
    ),
    Situation(
        "no type",
        "cameras:\n  porch: {source: 0}\n",
        ("2: cameras.porch: needs a type: one of gray16, gstreamer, opencv, picamera, replay, rtsp, snapshot",),
    ),
    # Addresses.
    section(
        "mqtt:\n  host: 192.168.1.40:1883",
        f"mqtt.host: has a port in it: {ALONE}, and the port with the key port",
        name="`host: 192.168.1.40:1883`",
    ),
    section(
        "mqtt:\n  host: mqtt://192.168.1.40",
        f"mqtt.host: an address with ://: {ALONE}, and a port with the key port",
        name="`host: mqtt://192.168.1.40`",
    ),
    section(
        "mqtt:\n  host: mqtts://broker.example",
        f"mqtt.host: an address with ://: {ALONE} and add tls: {{}}, and a port with the key port",
        name="a scheme with TLS",
    ),
    section(
        'mqtt:\n  host: "[::1]"',
        "mqtt.host: an IPv6 address has no brackets here: write ::1, and a port with the key port",
        name='`host: "[::1]"`',
    ),
    section(
        'mqtt:\n  host: "[::1]:1883"',
        "mqtt.host: an IPv6 address has no brackets here: write ::1, and a port with the key port",
        name="brackets and a port",
    ),
    section(
        "mqtt:\n  host: front:hunter2@broker",
        f"mqtt.host: has more than a host in it: {ALONE}, without user name and path",
        name="a user name in the host",
    ),
    section(
        "mqtt:\n  host: 192.168.1.400",
        "mqtt.host: not an IP address: four numbers from 0 to 255, or an IPv6 address",
        name="an address that is none",
    ),
    section(
        'mqtt:\n  host: "fe80:::1"',
        "mqtt.host: not an IP address: four numbers from 0 to 255, or an IPv6 address",
        name="an IPv6 address that is none",
    ),
    section(
        "mqtt:\n  host: fe80::1",
        "mqtt.host: an address that begins with fe80 needs the interface to it, such as fe80::1%eth0",
        name="a link-local address without its interface",
    ),
    section('mqtt:\n  insecure: true\n  host: "fe80::1%eth0"', name="the interface of a link-local address"),
    section(
        'mqtt: {tls: {}, host: "fe80::1%eth0"}',
        "mqtt: TLS cannot check an address with %: write the broker's name as host",
        name="TLS with the interface of an address",
    ),
    section(
        'mqtt:\n  insecure: true\n  host: "2001:db8::1%eth0"',
        "mqtt.host: only an IPv6 address that begins with fe80 has % and an interface, such as fe80::1%eth0",
        name="the interface of another address",
    ),
    section(
        "mqtt:\n  host: \u00a0broker",
        "mqtt.host: a non-breaking space (U+00A0), which does not indent or separate: replace it with a space",
        name="a host after a non-breaking space",
    ),
    section(
        "mqtt:\n  host: my broker",
        "mqtt.host: not a host: an IP address, or a name of letters a-z, digits, dots and hyphens",
        name="a host with a blank",
    ),
    section('mqtt:\n  host: "::1"', name="IPv6 without brackets"),
    section(
        "mqtt:\n  prefix: Home/EdgeFace",
        "mqtt.prefix: should be small letters, digits, - and _, with / between parts, such as home/edgeface",
        name="`prefix: Home/EdgeFace`",
    ),
    section(
        "web:\n  host: http://127.0.0.1",
        f"web.host: an address with ://: {ALONE}, and a port with the key port",
        name="a page with a scheme",
    ),
    section(
        "web:\n  hosts: [https://edgeface.local]",
        "web.hosts.0: should be a host name alone, without https://, port or path, such as edgeface.local",
        name="a name with a scheme",
    ),
    section(
        "web:\n  trusted_proxies: [proxy.local]",
        "web.trusted_proxies.0: should be an IP address or a network, such as 192.168.1.2 or 10.0.0.0/24",
        name="a proxy by its name",
    ),
    camera('type: opencv\nsource: "0"', name='`source: "0"`'),
    camera(
        'type: opencv\nsource: "99"', "cameras.porch.source: should be from 0 to 63", name="a large number in quotes"
    ),
    camera(
        "type: opencv\nsource: rtsp:///stream1",
        "cameras.porch.source: the address names no camera: a host or an IP address belongs after :// and the password",
        name="`source: rtsp:///stream1`",
    ),
    camera(
        "type: gstreamer\npreset: rtsp\nurl: rtsp://user:hunter2@:554/1",
        "cameras.porch.url: the address names no camera: a host or an IP address belongs after :// and the password",
        name="an address with a password and no host",
    ),
    camera(
        "type: opencv\nsource: rstp://192.168.1.20/1",
        "cameras.porch.source: a stream's address begins with one of rtsp, rtsps, http, https",
        name="a scheme with a typing error",
    ),
    camera(
        "type: opencv\nsource: rtsp://u:p@ss@192.168.1.20/1",
        f"cameras.porch.source: {ADDRESS}",
        name="`@` in the password of an address",
    ),
    camera(
        "type: opencv\nsource: rtsp://u:p#ss@192.168.1.20/1",
        f"cameras.porch.source: {ADDRESS}",
        name="a hash in the password",
    ),
    section(
        "mqtt: {host: 192.168.1.40}",
        "mqtt: plaintext to 192.168.1.40, which is another machine: set tls: {} (or tls.ca), or insecure: true",
        name="a broker on another machine",
    ),
    section(
        "mqtt: {password_file: /etc/edgeface/mqtt}",
        "mqtt: a password needs a user name: add username",
        name="a password without a user name",
    ),
    # What does not fit together.
    section(
        "mqtt: {}\ndoors:\n  front: {camera: prch, allow: [{group: everyone}]}",
        "doors.front.camera: no such camera; there are porch",
        name="a door at a camera that there is not",
    ),
    section(
        "mqtt: {}\ndoors:\n  front: {camera: porch, allow: all}",
        "doors.front.allow: should be a list, such as [{group: everyone}]",
        name="`allow: all`",
    ),
    section(
        'schedules:\n  night:\n    zone: Europe/Berlin\n    week: {mon: ["22:00-06:00"]}',
        "schedules.night.week.mon.0: a span must end after it starts, on the same day; split it at midnight",
        name="a night",
    ),
)
