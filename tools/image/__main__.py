"""`make image`: builds the container image on a Debian root made here, and prints its size."""

from __future__ import annotations

import argparse

from tools.image import podman


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser(prog="make image", description=__doc__)
    parser.add_argument("--arch", choices=("amd64", "arm64"), default="amd64")
    parser.add_argument("--tag", default="localhost/edgeface:latest", help="default: %(default)s")
    parser.add_argument("--extras", default="", help="more parts: heic,door-nfc")
    arguments = parser.parse_args()
    podman.require("image", arm64=arguments.arch == "arm64")
    podman.build(arguments.arch, arguments.tag, "--build-arg", f"EXTRAS={arguments.extras}")
    unpacked, compressed = podman.sizes(arguments.tag)
    print(f"{arguments.tag}: {unpacked:.0f} MB unpacked, {compressed:.1f} MB compressed")


if __name__ == "__main__":
    main()
