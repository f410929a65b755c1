"""Writes build/home-assistant-app: python -m tools.home_assistant_app --image REGISTRY/NAME --url ADDRESS.

The repository has a folder of its own, because the Supervisor takes every config.yaml in a repository for an app.
"""

from __future__ import annotations

import argparse
import sys

from tools.home_assistant_app.repository import OUT, ROOT, write


def main() -> int:
    """Returns 0 with a repository; 1, with one line, if a parameter is missing or cannot be used."""
    parser = argparse.ArgumentParser(prog="tools.home_assistant_app", description=__doc__)
    parser.add_argument("--image", default="", help="the image of the app in a registry, without a tag")
    parser.add_argument("--url", default="", help="where people read about the app, https://...")
    arguments = parser.parse_args()
    if not arguments.image or not arguments.url:
        print("give IMAGE=REGISTRY/NAME, without a tag, and URL=https://... of its page", file=sys.stderr)
        return 1
    try:
        files = write(arguments.image, arguments.url)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for path in files:
        print(path.relative_to(ROOT))
    print(f"{OUT.relative_to(ROOT)}: push the content of this folder to a separate git repository")
    return 0


if __name__ == "__main__":
    sys.exit(main())
