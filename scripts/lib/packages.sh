# shellcheck shell=bash
# Installs packages of the operating system, where that is allowed: as root, on a system whose package manager we know.

# install_packages APT DNF APK: the names, separated by spaces, as each package manager has them. Fails when it may not
# or cannot install them; an empty list counts as "not there".
install_packages() {
  [[ $(id -u) == 0 ]] || return 1
  local names log
  log=$(mktemp)
  if command -v apt-get >/dev/null 2>&1 && [[ $1 ]]; then
    read -r -a names <<<"$1"
    announce_packages "${names[@]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${names[@]}"; } >"$log" 2>&1
  elif command -v dnf >/dev/null 2>&1 && [[ $2 ]]; then
    read -r -a names <<<"$2"
    announce_packages "${names[@]}"
    dnf install -y "${names[@]}" >"$log" 2>&1
  elif command -v apk >/dev/null 2>&1 && [[ $3 ]]; then
    read -r -a names <<<"$3"
    announce_packages "${names[@]}"
    apk add "${names[@]}" >"$log" 2>&1
  else
    rm -f "$log"
    return 1
  fi || {
    printf 'that failed; the last lines say why:\n' >&2
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  }
  rm -f "$log"
}

announce_packages() {
  printf 'installing %s\n' "$*" >&2
}
