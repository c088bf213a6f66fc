# shellcheck shell=bash
# Which programs a script needs, and one sentence when something is in its way.

# fail SENTENCE: ends the script.
fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# need PROGRAM HINT
need() {
  command -v "$1" >/dev/null 2>&1 || fail "'$1' is needed and was not found: $2."
}

# What it takes to build the services and to talk to them.
need_build_tools() {
  need cargo 'install Rust from https://rustup.rs, then open a new terminal'
  need cc 'install a C compiler (Debian: apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install)'
  need curl 'install the package curl'
}

# Prints the comment at the top of the script itself.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}
