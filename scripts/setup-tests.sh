#!/bin/sh
# Installs what some tests run against: each is a Debian package, and a test whose peer is missing says so and steps
# aside. One line for each program.
set -eu

missing=""
[ -x /usr/bin/prometheus ] || missing="$missing prometheus" # queries and formats of the metrics

[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "setup-tests: installing$missing"
  # Packages start their services; the tests start their own.
  [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; added=1; }
  apt-get update -qq || true
  # shellcheck disable=SC2086 # a list of names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    || echo "setup-tests: without$missing"
  [ -z "${added:-}" ] || rm -f /usr/sbin/policy-rc.d
else
  echo "setup-tests: without$missing"
fi
