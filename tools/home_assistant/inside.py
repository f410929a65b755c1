"""Home Assistant core in one process, without its page: the MQTT integration, automations and a notification service.

Runs in an environment of its own, with nothing of edgeface: `python inside.py FOLDER PORT`. It writes a line of JSON
for each notification, and for each line that it reads: `states` asks for the state of all entities, `press ENTITY`
presses a button, `stop` ends it.
What it needs of Home Assistant is internal there: it runs with 2025.4 to 2026.11.
"""

import asyncio
import hashlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from homeassistant import auth, bootstrap, config_entries, core, loader
from homeassistant.components.image import DATA_COMPONENT
from homeassistant.const import __version__
from homeassistant.helpers import device_registry, entity, translation
from homeassistant.setup import async_setup_component

NOW = "2026-01-01T00:00:00+00:00"
SERVICE = "phone"
ENTRY = "broker"
"""The integration MQTT, in Home Assistant's registry."""


def prepare(folder: Path, port: int) -> None:
    """Configure the broker, as the page of Home Assistant would."""
    storage = folder / ".storage"
    storage.mkdir(exist_ok=True)
    (folder / "configuration.yaml").touch()
    entry: dict[str, Any] = {
        "created_at": NOW, "data": {"broker": "127.0.0.1", "port": port, "protocol": "5"}, "disabled_by": None,
        "discovery_keys": {}, "domain": "mqtt", "entry_id": ENTRY, "minor_version": 2, "modified_at": NOW,
        "options": {}, "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user",
        "subentries": [], "title": "broker", "unique_id": None, "version": 1,
    }  # fmt: skip
    stored = {"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": [entry]}}
    path = storage / "core.config_entries"
    if not path.exists():
        path.write_text(json.dumps(stored))


async def start(folder: Path, automations: list[dict[str, Any]]) -> core.HomeAssistant:
    """Everything that the test needs, running."""
    hass = core.HomeAssistant(str(folder))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    entity.async_setup(hass)
    translation.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    hass.services.async_register("notify", SERVICE, partial(notified, hass))
    for domain, configured in (("homeassistant", {}), ("mqtt", {}), ("automation", automations)):
        if not await async_setup_component(hass, domain, {domain: configured}):
            raise SystemExit(f"{domain} cannot be set up")
    await hass.async_start()
    return hass


async def notified(hass: core.HomeAssistant, call: core.ServiceCall) -> None:
    """Write down a notification, with the picture that Home Assistant would serve for it at this moment."""
    data = dict(call.data.get("data") or {})
    pictures = {}
    for image in hass.data[DATA_COMPONENT].entities if DATA_COMPONENT in hass.data else ():
        content = await image.async_image()
        pictures[image.entity_id] = None if content is None else hashlib.sha256(content).hexdigest()
    write({"sent": {**{key: call.data.get(key) for key in ("title", "message")}, "data": data, "pictures": pictures}})


def states(hass: core.HomeAssistant) -> dict[str, Any]:
    """All entities, and the devices by name with the one that they are connected via."""
    registry = device_registry.async_get(hass)
    devices = device_registry.async_entries_for_config_entry(registry, ENTRY)
    names = {one.id: one.name for one in devices}
    return {
        "states": {one.entity_id: one.state for one in hass.states.async_all()},
        "devices": {one.name: names.get(one.via_device_id or "") for one in devices},
        "ids": {one.name: one.id for one in devices},
        "links": sorted({one.configuration_url or "" for one in devices}),
    }


def write(value: dict[str, Any]) -> None:
    """One line for the driver."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Serve the driver until it says stop, or goes."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    prepare(folder, port)
    automations = folder / "automations.json"
    hass = await start(folder, json.loads(automations.read_text()) if automations.exists() else [])
    write({"version": __version__})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while (line := (await reader.readline()).decode().strip()) and line != "stop":
        word, _, button = line.partition(" ")
        if word == "press":
            await hass.services.async_call("button", "press", {"entity_id": button}, blocking=True)
        write(states(hass))
    await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main())
