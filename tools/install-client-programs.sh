#!/usr/bin/env bash
# Installs what `npm run test:clients` drives from Debian: a browser for the page, and the Python client library. Needs root; running it again changes nothing.
set -euo pipefail

missing=()
for package in chromium python3-kubernetes; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || { echo "tools/install-client-programs.sh needs root" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "install by hand: ${missing[*]}" >&2; exit 1; }
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
