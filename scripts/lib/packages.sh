# shellcheck shell=bash
# Installs packages of the operating system, where that is allowed: as root, on a system whose package manager we know.

# install_packages APT DNF APK: the names, separated by spaces, as each package manager has them. Fails when it may not
# or cannot install them; an empty list counts as "not there".
install_packages() {
  [[ $EUID == 0 ]] || return 1
  local manager names log
  if type -P apt-get >/dev/null && [[ $1 ]]; then
    manager=apt names=$1
  elif type -P dnf >/dev/null && [[ $2 ]]; then
    manager=dnf names=$2
  elif type -P apk >/dev/null && [[ $3 ]]; then
    manager=apk names=$3
  else
    return 1
  fi
  printf 'installing %s\n' "$names" >&2
  read -r -a names <<<"$names"
  log=$(mktemp)
  if ! "install_by_$manager" "${names[@]}" >"$log" 2>&1; then
    printf 'that failed; the last lines say why:\n' >&2
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

install_by_apt() {
  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

install_by_dnf() {
  dnf install -y "$@"
}

install_by_apk() {
  apk add "$@"
}
