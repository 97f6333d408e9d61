#!/bin/sh
# Makes sure that what the build needs is there. Installs Debian packages only where they are missing and this is
# Debian and root; anywhere else it says what is missing.
set -eu

missing=""
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v cmake >/dev/null 2>&1 || missing="$missing cmake"
command -v make >/dev/null 2>&1 || missing="$missing make"
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"

if ! command -v cargo >/dev/null 2>&1; then
  echo "setup: cargo is missing; install Rust (rust-toolchain.toml names the version)" >&2
  exit 1
fi
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "setup: installing$missing"
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
else
  echo "setup: please install:$missing" >&2
  exit 1
fi
