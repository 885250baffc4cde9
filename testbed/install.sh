#!/bin/sh
# Installs the Debian packages that the test bed runs: etcd, containerd and its tools. Run it as root; running it again changes nothing.
# None of the packages' own services is started: the test bed starts its own, inside its namespaces.
set -eu

packages="etcd-server etcd-client containerd runc containernetworking-plugins iptables iproute2 conntrack socat busybox-static xz-utils openssl procps openssh-server openssh-client"

[ "$(id -u)" = 0 ] || { echo "testbed/install.sh needs root" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "testbed/install.sh needs a Debian system: install by hand: $packages" >&2; exit 1; }

missing=""
for package in $packages; do
  case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" in
    installed) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

# Packages start their services after they are unpacked, unless this file says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $missing

# Nor shall they start at the next boot, if it was this script that brought them.
if command -v systemctl >/dev/null; then
  for package in $missing; do
    case "$package" in
      etcd-server) systemctl disable etcd.service >/dev/null 2>&1 || true ;;
      openssh-server) systemctl disable ssh.service >/dev/null 2>&1 || true ;;
      containerd) systemctl disable containerd.service >/dev/null 2>&1 || true ;;
    esac
  done
fi
