# shellcheck shell=bash disable=SC2034 # its variables are for those who source it
# Tests over HTTP: a request, what is expected of the answer, one line for each.

# shellcheck source=scripts/lib/tools.sh
source scripts/lib/tools.sh

passed=0 failed=0
folder=$(mktemp -d) # has the last answer in its files `head` and `body`, and whatever else a test keeps
trap 'rm -rf "$folder"' EXIT
status=    # the last answer's status
patience=0 # for how many seconds a request is repeated that found no server
trust=()   # options of curl: which certificates are trusted

# expect STATUS NAME METHOD URL [OPTION VALUE]…: sends a request and checks the answer.
#   --json BODY, --form BODY   what is sent
#   --bearer TOKEN             who sends it
#   --user ID:SECRET           the same, in Basic credentials
#   --header LINE              what else is sent; may be repeated
#   --has TEXT                 must be in the answer's head or body, whatever its case; may be repeated
#   --repeated STATUS          is as good when the request had to be repeated: the first one may have arrived
expect() {
  local wanted=$1 name=$2 method=$3 url=$4 repeated_status='' text
  local options=(--request "$method") texts=()
  shift 4
  while (($# > 0)); do
    case $1 in
      --json) options+=(--header 'Content-Type: application/json' --data-binary "$2") ;;
      --form) options+=(--data "$2") ;;
      --bearer) options+=(--header "Authorization: Bearer $2") ;;
      --user) options+=(--user "$2") ;;
      --header) options+=(--header "$2") ;;
      --has) texts+=("$2") ;;
      --repeated) repeated_status=$2 ;;
      *) fail "expect does not know $1." ;;
    esac
    shift 2
  done
  send "$url" "${options[@]}"
  if [[ $repeated && $status == "$repeated_status" ]]; then
    pass "$name (when it was repeated)"
    return
  fi
  if [[ $status != "$wanted" ]]; then
    flunk "$name" "$method $url was answered with $status, not $wanted: $(body)"
    return
  fi
  for text in ${texts[@]+"${texts[@]}"}; do
    if ! grep -qiF -e "$text" "$folder/head" "$folder/body"; then
      flunk "$name" "$method $url was answered without $text: $(cat "$folder/head" "$folder/body")"
      return
    fi
  done
  pass "$name"
}

# check NAME COMMAND…: anything else that must succeed.
check() {
  if "${@:2}"; then pass "$1"; else flunk "$1" "failed: ${*:2}"; fi
}

equal() {
  [[ $1 == "$2" ]]
}

differ() {
  [[ $1 != "$2" ]]
}

skip() {
  printf 'skip  %s\n' "$1"
}

pass() {
  ((++passed))
  printf 'ok    %s\n' "$1"
}

flunk() {
  ((++failed))
  printf 'FAIL  %s\n      %s\n' "$1" "$(printf '%s' "$2" | tr -s '\r\n' '  ' | cut -c 1-600)"
}

# The last line; fails when a check did.
summary() {
  printf '%s passed, %s failed\n' "$passed" "$failed"
  ((failed == 0 && passed > 0))
}

# send URL CURL-OPTION…: sets `status`, and `repeated` when it took more than one try.
send() {
  local end=$((SECONDS + patience))
  repeated=
  while true; do
    : >"$folder/head"
    : >"$folder/body"
    status=$(curl --silent --max-time 10 ${trust[@]+"${trust[@]}"} --dump-header "$folder/head" \
      --output "$folder/body" --write-out '%{http_code}' "${@:2}" "$1") || status=000 # no answer at all
    case $status in
      000 | 502 | 503 | 504) ;;
      *) return 0 ;;
    esac
    if ((SECONDS >= end)); then
      patience=0 # the next request need not wait as long to find out
      return 0
    fi
    repeated=yes
    sleep 0.2
  done
}

# answers STATUS URL: for things that take their time, with `within`.
answers() {
  send "$2"
  [[ $status == "$1" ]]
}

body() {
  cat "$folder/body"
}

# header NAME: of the last answer; the name in small letters.
header() {
  awk -F ': ' -v name="$1" 'tolower($1) == name { sub(/\r$/, ""); print substr($0, length(name) + 3) }' "$folder/head"
}

# check_timed NAME SECONDS COMMAND…: a check of something that takes its time; says how long that was.
check_timed() {
  local start
  start=$(milliseconds)
  if within "$2" "${@:3}"; then
    pass "$1 ($(($(milliseconds) - start)) ms)"
  else
    flunk "$1" "not within $2 s: ${*:3}; the status of the last answer: $status"
  fi
}

# On a clock that goes on; whole seconds where bash is older than 5.
milliseconds() {
  local now=${EPOCHREALTIME:-$SECONDS.000} fraction
  fraction=${now#*[.,]}
  printf '%s' "$((${now%[.,]*} * 1000 + 10#${fraction:0:3}))"
}
