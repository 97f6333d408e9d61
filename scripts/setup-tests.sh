#!/bin/sh
# Fetches what only tests need: the Prometheus of Debian's packages, which reads the dashboard's queries and the alerts.
# It is unpacked below target/tools and not installed, so no service of the machine starts. Where it can't be had the
# tests that need it say so and step aside.
set -eu
cd "$(dirname "$0")/.."

tools=target/tools/prometheus
if ! command -v prometheus >/dev/null 2>&1 && [ ! -x "$tools/usr/bin/prometheus" ]; then
  mkdir -p "$tools"
  fetch() { (cd "$tools" && apt-get download -qq prometheus >/dev/null 2>&1 && dpkg -x prometheus_*.deb . && rm -f prometheus_*.deb); }
  if command -v apt-get >/dev/null 2>&1 && { fetch || { [ "$(id -u)" = 0 ] && apt-get update -qq && fetch; }; }; then
    echo "setup-tests: unpacked Prometheus in $tools"
  else
    echo "setup-tests: without Prometheus: the dashboard's queries and the alerts are not tested"
  fi
fi
