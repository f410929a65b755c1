#!/bin/bash
# Writes the data folder beside it. Run it in a checkout of edgeface 0.1 (README.md names the commit):
#   PYTHON=.venv/bin/python tests/data/v0.1/make.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
photos=$root/tests/data
python=$(realpath --no-symlinks "${PYTHON:-python3}")
work=$(mktemp -d)
broker=
finish() {
  [ -z "$broker" ] || kill "$broker"
  rm -rf "$work"
}
trap finish EXIT

export PYTHONPATH=$root
edgeface() { "$python" -m edgeface.cli "$@"; }
events() {
  "$python" - <<'COUNT'
import sqlite3
kinds = ("match", "unknown", "uncertain", "left")
db = sqlite3.connect("file:data/journal.db?mode=ro", uri=True)
print(db.execute("SELECT count(*) FROM rows WHERE kind IN (?, ?, ?, ?)", kinds).fetchone()[0])
COUNT
}

cp "$here/config.yaml" "$root/edgeface/demo_data/clip.mp4" "$work"
cd "$work"

edgeface keys new --kid 2026-10
edgeface keys new --kid 2026-11
edgeface keys rotate
edgeface keys new --kid 2026-12
echo "the fixture's password" | edgeface web password --role admin --name alice
edgeface web token --role viewer --name grafana

edgeface enroll barack_obama --name "Barack Obama" --given 2026-11-01 --expires 2099-12-31 "$photos/obama.jpg" "$photos/obama2.jpg"
edgeface enroll joe_biden --name "Joseph" "$photos/biden.jpg"
edgeface rename joe_biden "Joe Biden"
edgeface enroll grace_hopper --name "Grace Hopper" "$root/benchmarks/photos/hopper.jpg"
edgeface enroll visitor --name "Visitor" "$photos/astronaut.jpg"
edgeface forget visitor

# The whole clip with a broker: 12 events, which the broker acknowledges.
mosquitto -p 18839 2>/dev/null &
broker=$!
sleep 1
edgeface run
kill "$broker"
broker=
[ "$(events)" = 12 ]

# The clip without a broker, until 8 more events are in the journal: nobody has acknowledged those.
"$python" -m edgeface.cli run &
daemon=$!
until [ "$(events)" -ge 20 ]; do sleep 0.1; done
kill -TERM "$daemon"
wait "$daemon"
[ "$(events)" = 20 ]

edgeface audit verify
edgeface people
edgeface people --unknown
edgeface audit show --last 100
rm -rf "$here/data"
cp -r data "$here/data"
