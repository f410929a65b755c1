"""The texts of the pages in other languages than English.

The English texts are the constants of the modules in edgeface/web/texts. Each catalogue is a file LANGUAGE.json in this
folder, with the same constants by module and name; what it lacks stays English.
"""

from __future__ import annotations

import json
import sys
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ENGLISH = "en"
"""The language of the constants."""
FOLDER = Path(__file__).parent

language: ContextVar[str] = ContextVar("language", default=ENGLISH)
"""The language of the request that is being answered: `en`, or one that has a catalogue."""

_MODULES: dict[str, dict[str, Any]] = {}


class _TranslatedModule(ModuleType):
    """A module whose constants are read in the language of the request."""

    def __getattribute__(self, name: str) -> Any:
        if name.isupper() and (chosen := language.get()) != ENGLISH:
            texts = _texts(chosen, ModuleType.__getattribute__(self, "__name__"))
            if name in texts:
                return texts[name]
        return ModuleType.__getattribute__(self, name)


def translate(name: str) -> None:
    """Have the constants of a module read in the language of the request; call it at the end of the module.

    Other modules must then read them as attributes: `from strings import LIVE` would stay English.
    """
    module = sys.modules[name]
    _MODULES[name] = {key: value for key, value in vars(module).items() if key.isupper() and _is_text(value)}
    # "Customizing module attribute access" in Python's data model.
    module.__class__ = _TranslatedModule


@cache
def languages() -> frozenset[str]:
    """The languages that have a catalogue, and English."""
    return frozenset({ENGLISH, *(file.stem for file in FOLDER.glob("*.json"))})


@cache
def catalogue(chosen: str) -> dict[str, dict[str, Any]]:
    """A language's own texts, by module and constant."""
    content: dict[str, dict[str, Any]] = json.loads((FOLDER / f"{chosen}.json").read_text(encoding="utf-8"))
    return content


def english() -> dict[str, dict[str, Any]]:
    """The English constants by the short name of their module, for those that are loaded."""
    return {name.rpartition(".")[2]: texts for name, texts in _MODULES.items()}


def _is_text(value: Any) -> bool:
    # A NamedTuple is something else, such as the kinds of events that a module imports.
    if isinstance(value, str):
        return True
    parts = value.values() if isinstance(value, dict) else value if type(value) is tuple else ()
    return any(parts) and all(map(_is_text, parts))


@cache
def _texts(chosen: str, module: str) -> dict[str, Any]:
    own = catalogue(chosen).get(module.rpartition(".")[2], {})
    return {name: _over(text, own[name]) for name, text in _MODULES[module].items() if name in own}


def _over(text: Any, translated: Any) -> Any:
    """The translated value in the shape of the English one, in the order of its keys."""
    if isinstance(text, dict):
        # A key of JSON is always text; one of the English texts may be a number, such as the status of an answer.
        return {key: _over(value, translated.get(str(key), value)) for key, value in text.items()}
    if isinstance(translated, list):
        return tuple(_tuples(one) for one in translated)
    return translated


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
