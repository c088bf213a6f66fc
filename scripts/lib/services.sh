# shellcheck shell=bash disable=SC2034 # its variables are for those who source it
# Builds the two services, starts them, waits for them, stops them.
# For scripts that work in the repository's top folder.

# shellcheck source=scripts/lib/openssl.sh
source scripts/lib/openssl.sh

binaries=${CARGO_TARGET_DIR:-target}/release

build_services() {
  provide_openssl
  cargo build --release --locked -p auth-service -p resource-service ${openssl_features[@]+"${openssl_features[@]}"} ||
    fail 'the build failed; the messages above say why.'
}

# launch NAME OUTPUT: starts a service, its output appended to a file or written to a pipe.
launched= # the process id of the last one
launch() {
  set -m # in a process group of its own, so that Ctrl-C reaches the script alone, which then stops it in order
  "$binaries/$1" >>"$2" 2>&1 </dev/null &
  launched=$!
  set +m
}

# stop PID: asks a service to end, and insists after 12 seconds (it drains for at most 10). Gives its exit code.
stop() {
  kill -TERM "$1" 2>/dev/null || true
  within 12 gone "$1" || kill -KILL "$1" 2>/dev/null || true
  exit_code_of "$1"
}

# exit_code_of PID: waits for a process of ours, without the shell's remark about how it ended.
exit_code_of() {
  wait "$1" 2>/dev/null
}

gone() {
  ! kill -0 "$1" 2>/dev/null
}

# within SECONDS COMMAND…: repeats a command until it succeeds; fails when it never did.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# port_is_taken HOST PORT: whether something answers there.
port_is_taken() {
  (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# A free port of the loopback, below those that the kernel gives to outgoing connections.
free_port() {
  local port
  for _ in 1 2 3 4 5 6 7 8 9; do
    port=$((20000 + RANDOM % 10000))
    port_is_taken 127.0.0.1 "$port" || break
  done
  printf '%s' "$port"
}
