#!/bin/sh
# Runs each fuzz target for FUZZ_SECONDS; steps aside where the nightly toolchain or cargo-fuzz is missing.
set -eu
cd "$(dirname "$0")/.."

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  echo "fuzz: skipped, needs the nightly toolchain and 'cargo install cargo-fuzz --locked'"
  exit 0
fi
for target in config replay plan admin_json; do
  echo "fuzz: $target"
  cargo +nightly fuzz run "$target" -- -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536
done
