#!/bin/sh
# The tests of the page in Chromium, or with `screenshots` its pictures in target/screenshots. Installs what is missing
# where this is Debian and root; steps aside with a line where Chromium or node can't be had.
set -eu
cd "$(dirname "$0")/.."

missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "browser: installing$missing"
  apt-get update -qq || true
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || true
fi
for program in chromium node npm; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "browser: skipped, $program can't be had here"
    exit 0
  fi
done
# Debian 12 has node 18, which is enough for the tests but not for the library that drives Chromium.
if [ "$(node -p 'Number(process.versions.node.split(".")[0])')" -lt 20 ]; then
  echo "browser: skipped, node 20 or newer is needed and $(node --version) is here"
  exit 0
fi

cd tests/browser
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --silent || { echo "browser: skipped, npm can't fetch the packages"; exit 0; }
fi
case "${1:-test}" in
  screenshots) node screenshots.js ;;
  *) node --test --test-concurrency=2 --test-reporter=spec test/ ;;
esac
