# shellcheck shell=bash disable=SC2154 # `folder` and `trust` are those of lib/checks.sh
# Listens to auth-service's events as a verifier does: in the background, and again when the stream ends.

# shellcheck source=scripts/lib/text.sh
source scripts/lib/text.sh

listening='' # the group of processes that listen
trap 'stop_listening; rm -rf "$folder"' EXIT

# listen URL [CURL-OPTION…]: from now on, $folder/events has what is heard, and $folder/events.head how it was answered.
listen() {
  : >"$folder/events"
  set -m # a group of its own, which can be ended as a whole
  (listen_again_and_again "$@") >>"$folder/events" 2>/dev/null </dev/null &
  listening=$!
  set +m
}

listen_again_and_again() {
  while true; do
    curl --silent --no-buffer --dump-header "$folder/events.head" ${trust[@]+"${trust[@]}"} "${@:2}" "$1" || true
    sleep 0.2
  done
}

stop_listening() {
  [[ $listening ]] || return 0
  kill -- "-$listening" 2>/dev/null || true
  wait "$listening" 2>/dev/null || true
  listening=
}

# list_of TOKEN: the status list in which its place is.
list_of() {
  token_part 2 "$1" | json_string uri
}

# revision_of LIST: the last one that was heard of, or -1.
revision_of() {
  local revision
  revision=$(grep -A 1 '^event: list' "$folder/events" | grep -F "\"uri\":\"$1\"" | json_number revision | tail -n 1) || true
  printf '%s' "${revision:--1}"
}

# heard_of LIST: its present state, and that of the keys.
heard_of() {
  grep -q '^event: keys' "$folder/events" && heard_after -1 "$1"
}

# heard_after REVISION LIST: a newer one.
heard_after() {
  (($(revision_of "$2") > $1))
}
