"""Where everything is said: the topics of one device."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below `prefix/device`; docs/events.md says what is on them."""

    prefix: str
    device: str

    @property
    def root(self) -> str:
        """What all topics of the device start with, without a slash at its end."""
        return f"{self.prefix}/{self.device}"

    @property
    def client(self) -> str:
        """The name by which the broker knows the device."""
        return f"edgeface-{self.device}"

    @property
    def status(self) -> str:
        """Online, offline; retained, and the last will."""
        return f"{self.root}/status"

    @property
    def state(self) -> str:
        """The JSON of the device's health; retained."""
        return f"{self.root}/state"

    @property
    def audit(self) -> str:
        """What could not be said in time, and what people did to the gallery."""
        return f"{self.root}/audit"

    def camera_status(self, camera: str) -> str:
        """Online, stalled, offline, disabled; retained."""
        return f"{self.root}/{camera}/status"

    def event(self, camera: str) -> str:
        """One JSON event a message; never retained."""
        return f"{self.root}/{camera}/event"

    def people(self, camera: str) -> str:
        """Names in view; retained."""
        return f"{self.root}/{camera}/people"

    def snapshot(self, camera: str) -> str:
        """JPEG of the last event's face."""
        return f"{self.root}/{camera}/snapshot"

    def enabled_set(self, camera: str) -> str:
        """ON or OFF, from others."""
        return f"{self.root}/{camera}/enabled/set"

    def enabled_state(self, camera: str) -> str:
        """ON or OFF; retained."""
        return f"{self.root}/{camera}/enabled/state"
