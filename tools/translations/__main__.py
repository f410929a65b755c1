"""Prints the texts of the pages that a catalogue lacks, in English, as JSON to be translated and merged into it.

    python -m tools.translations LANGUAGE [--all]

The format is that of edgeface/web/languages/LANGUAGE.json. {braces} and `backquotes` must stay as they are; a list of
one or two words is a noun, and becomes its singular and its plural.
"""

from __future__ import annotations

import argparse
import json

from edgeface.web.languages import catalogues
from edgeface.web.pages import render

NEEDS = render
"""Every page is loaded, and with it every text."""


def main() -> None:
    """Print the texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language")
    parser.add_argument("--all", action="store_true", help="those that the catalogue has, too, as they are there")
    arguments = parser.parse_args()
    known = catalogues.catalogue(arguments.language) if arguments.language in catalogues.languages() else {}
    found = {
        module: {name: own.get(name, text) for name, text in texts.items() if arguments.all or name not in own}
        for module, texts in catalogues.english().items()
        for own in [known.get(module, {})]
    }
    print(json.dumps({module: texts for module, texts in found.items() if texts}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
