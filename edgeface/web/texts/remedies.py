"""The texts of the device's problems, and how to fix each, in one place for review and translation.

How to fix faults of the broker and of cameras is in mqtt/advice.py and cameras/advice.py, which the doctor reads too.
"""

from edgeface.cameras import advice as camera_advice
from edgeface.mqtt import advice as broker_advice
from edgeface.web.languages.catalogues import translate

# Words in a problem and how to fix it; the first match counts.
REMEDIES = {
    "repeat": "Is this a recording? Check camera, cable and address; 5 minutes without a repetition end it.",
    "dark": "Is the lens covered, or is the light off?",
    "pictures per second": "Raise fps in config.yaml or in the camera's own menu. If pictures are dropped, lower size.",
    "gallery: cannot be written": "The disk is full or read-only: see df -h, and dmesg for a worn card.",
    "space": "Free some disk space: df -h shows what is full.",
    "read-only": "See dmesg for the reason: a worn card becomes read-only. Save the data, then replace the card.",
    "list of device keys": "docs/owner-key.md has the steps. `edgeface keys list` shows the list.",
    "no signing key": "Run `edgeface keys new` on the device.",
    "not enrolled": "Enroll them, or remove them from config.yaml.",
    "notify ": "`edgeface notify test` tries it. docs/notifications.md explains each problem.",
    "level": "Allow fewer people, name a group, or use a lower level. docs/doors.md has the ways out.",
    "journal": "Check the disk: df -h and dmesg. Matching continues meanwhile.",
}
REMEDY_ELSE = "Run `edgeface doctor` on the device, and see the log: `journalctl -u edgeface`."
CAMERA = "Camera {camera}: {problem}"
STATUS = "Camera {camera} is {status}."
BROKER = "Broker: {problem}"
JOURNAL = "Journal: {problem}"
ASIDE = "A damaged journal was put aside: {name}"
ASIDE_DO = "Keep a copy, examine it with `edgeface audit`, then delete it: it names people."
THROTTLED = "The board is throttled."
THROTTLED_DO = "It is too hot, or its power supply is too weak: cool it, and use the power supply made for it."
CLOCK = "The clock is not synchronised."
CLOCK_DO = "Give the device access to a time server, or fit a clock module: door schedules need it."
LOST = "{rows} lost: accepted by neither the broker nor the disk."
DISK = "The disk is nearly full: {free} GB free."
DISK_DO = "Free some disk space: df -h shows what is full."
CAMERA_ADVICE = dict(camera_advice.TEXTS)
BROKER_ADVICE = dict(broker_advice.TEXTS)

translate(__name__)
