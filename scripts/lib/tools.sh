# shellcheck shell=bash
# Which programs a script needs, and one sentence when something is in its way.

# shellcheck source=scripts/lib/packages.sh
source scripts/lib/packages.sh

# fail SENTENCE: ends the script.
fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# has PROGRAM: whether it is installed. `command -v` would also find a function of the script with that name.
has() {
  type -P "$1" >/dev/null
}

# need PROGRAM HINT
need() {
  has "$1" || fail "'$1' is needed and was not found: $2."
}

# What it takes to build the services and to talk to them: as root, what is missing is installed before anything is built.
need_build_tools() {
  need cargo 'install Rust from https://rustup.rs, then open a new terminal'
  has cc && has curl ||
    install_packages 'gcc libc6-dev curl ca-certificates' 'gcc curl' 'gcc musl-dev curl' || true
  need cc 'install a C compiler (Debian: apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install)'
  need curl 'install the package curl'
}

# Prints the comment at the top of the script itself.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}
