#!/usr/bin/env bash
# Unpacks the programs that tests and benchmarks run, from Debian and npm, without installing any of them on the machine:
#   DIR/stores    s3rver, an S3 server, from npm          DIR/azure   azurite, an Azure Blob server, from npm (360 MB)
#   DIR/bookworm  etcd, etcdctl 3.4      DIR/trixie  etcd, etcdctl, etcdutl 3.5, kubectl 1.32      DIR/sid  the newest of them, promtool
# usage: tools/install-test-programs.sh [DIR]     DIR defaults to $KUBEMEND_TEST_PROGRAMS, then .cache/test-programs
# As root it also installs Debian's openssh-server where there is none, and starts nothing.
# Runs again at no cost once everything is there. Needs apt-get and dpkg of a Debian machine; the mirror is the machine's own.
set -euo pipefail

root="$(cd "$(dirname "$0")/.." && pwd)"
dir="${1:-${KUBEMEND_TEST_PROGRAMS:-$root/.cache/test-programs}}"
suites=(bookworm trixie sid)
packages=(etcd-server etcd-client)

from_npm() {
  [ -f "$dir/$1/.done" ] && return
  mkdir -p "$dir/$1"
  echo "unpacking $2 from npm into $dir/$1" >&2
  npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$dir/$1" "$2"
  touch "$dir/$1/.done"
}
from_npm stores s3rver@3.7.1
from_npm azure azurite@3.37.0

# An sshd cannot be run from a folder: it is installed, where that is possible.
if [ ! -x /usr/sbin/sshd ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing openssh-server" >&2
  [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && ours=yes; }
  apt-get update -qq || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 openssh-server openssh-client >/dev/null ||
    echo "openssh-server cannot be installed: the tests of SFTP are skipped" >&2
  [ "${ours:-}" != yes ] || rm -f /usr/sbin/policy-rc.d
fi

missing=()
for suite in "${suites[@]}"; do
  # kubectl and promtool came later than the rest: a directory of before is made anew.
  { [ -f "$dir/$suite/.done" ] && { [ "$suite" = bookworm ] || [ -f "$dir/$suite/usr/bin/kubectl" ]; } &&
    { [ "$suite" != sid ] || [ -f "$dir/sid/usr/bin/promtool" ]; }; } || missing+=("$suite")
done
[ ${#missing[@]} -gt 0 ] || exit 0
for program in apt-get dpkg; do
  command -v "$program" >/dev/null || { echo "error: $program is missing: these programs come from Debian" >&2; exit 1; }
done

# The address and the options (signed-by) of the machine's own Debian archive, security and third-party archives aside.
own_archive() {
  local codename
  codename="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"
  shopt -s nullglob
  for file in /etc/apt/sources.list.d/*.sources; do
    awk -v codename="$codename" '
      function emit() { if (deb && suite && uri != "") print uri, key; uri = key = ""; deb = suite = 0 }
      /^#/ { next }
      /^[[:space:]]*$/ { emit(); next }
      { name = tolower($1) }
      name == "types:" { for (i = 2; i <= NF; i++) if ($i == "deb") deb = 1 }
      name == "uris:" { uri = $2 }
      name == "suites:" { for (i = 2; i <= NF; i++) if ($i == codename || $i == "stable" || $i == "sid" || $i == "unstable") suite = 1 }
      name == "signed-by:" && $2 ~ /^\// { key = $2 }
      END { emit() }
    ' "$file"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$file" ] || continue
    awk -v codename="$codename" '
      $1 == "deb" {
        key = ""; i = 2
        if ($2 ~ /^\[/) {
          for (; i <= NF; i++) {
            option = $i; gsub(/[][]/, "", option)
            if (option ~ /^signed-by=\//) key = substr(option, 11)
            if ($i ~ /\]$/) { i++; break }
          }
        }
        if ($(i + 1) == codename || $(i + 1) == "stable" || $(i + 1) == "sid" || $(i + 1) == "unstable") print $i, key
      }' "$file"
  done
}

read -r uri key < <(own_archive | head -n 1) || { echo "error: no Debian archive in this machine's apt sources" >&2; exit 1; }
[ -n "$key" ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -f "$key" ] && signed="[signed-by=$key] " || signed=""

for suite in "${missing[@]}"; do
  apt="$dir/.apt/$suite"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
  echo "deb ${signed}$uri $suite main" >"$apt/sources.list"
  : >"$apt/status"
  options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=/dev/null" -o "Dir::State::lists=$apt/lists"
    -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=root" -o "Acquire::Languages=none"
    -o "Acquire::Retries=3")
  wanted=("${packages[@]}")
  [ "$suite" = bookworm ] || wanted+=(kubectl)
  [ "$suite" != sid ] || wanted+=(promtool)
  echo "unpacking ${wanted[*]} from Debian $suite into $dir/$suite" >&2
  apt-get "${options[@]}" update
  (cd "$apt/packages" && apt-get "${options[@]}" download "${wanted[@]}")
  staged="$dir/.staged-$suite"
  rm -rf "$staged" && mkdir -p "$staged"
  for package in "$apt/packages"/*.deb; do dpkg -x "$package" "$staged"; done
  touch "$staged/.done"
  rm -rf "${dir:?}/$suite" && mv "$staged" "$dir/$suite"
  rm -rf "$apt"
done
