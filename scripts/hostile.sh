#!/bin/sh
# Sends the hostile cases to Sluice and to Debian's nginx and HAProxy, and writes docs/hostile.md. Peers that can't be
# installed are left out, and the output says so. No service of the machine is started.
set -eu
cd "$(dirname "$0")/.."

missing=""
[ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
[ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq || true
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing || echo "hostile: without$missing"
fi

cargo build --locked -p sluice-proxy -p sluice-cli
cargo build --locked -p sluice-tests --bin hostile
SLUICE_BIN_DIR=target/debug target/debug/hostile
