# shellcheck shell=bash disable=SC2034,SC2154 # it is a part of scripts/compose-test, and shares its variables
# Revocations and keys, over replicas and through nginx: how soon each replica of resource-service knows.

events_pass_nginx() {
  local version list before
  for version in 1.1 2; do
    log_in "logs in beside a listener over HTTP/$version"
    list=$(list_of "$token")
    listen "$auth/status-lists/events" "--http$version"
    check_timed 'it gets the current state immediately' 2 heard_of "$list"
    check "over HTTP/$version" grep -q "^HTTP/$version 200" "$folder/events.head"
    before=$(revision_of "$list")
    expect 204 'a logout' POST "$auth/logout" --bearer "$token"
    check_timed 'it gets the logout' 2 heard_after "$before" "$list"
    [[ $version == 1.1 ]] || check 'it hears that the stream lives' within 11 grep -q '^: alive' "$folder/events"
    stop_listening
  done
}

logout_at_one_replica() {
  local replica
  for replica in auth-1 auth-2; do
    log_in "logs in, to log out at $replica"
    logout_at "$replica"
  done
}

# logout_at REPLICA: ends the session of `token` at one replica of auth-service, and checks that every replica knows.
logout_at() {
  local logged_out
  watch_refusals
  logged_out=$(ask_at "$1" POST /logout "$token" | sed -n 1p)
  check "$1 accepts a logout" equal "${logged_out% *}" 204
  refused_everywhere 'both replicas of resource-service know of it' 2000 "${logged_out#* }"
}

leaked_key() {
  local rotated
  log_in 'logs in before an emergency'
  watch_refusals
  # shellcheck disable=SC2016 # for the shell in the container
  rotated=$(docker compose exec -T auth-1 bash -c 'auth-service key rotate --emergency >&2 && echo "$EPOCHREALTIME"' 2>"$folder/said") || cat "$folder/said"
  for _ in 1 2 3 4 5 6; do # both replicas of each
    expect 200 'a refresh gives a token of the new key' POST "$auth/token" \
      --form "grant_type=refresh_token&refresh_token=$refresh"
    refresh=$(body | json_string refresh_token)
    expect 200 'which is accepted' GET "$resource/protected" --bearer "$(body | json_string access_token)"
  done
  refused_everywhere 'both replicas of resource-service refuse the withdrawn key' 5000 "$rotated"
  expect 401 'so does auth-service' GET "$auth/me" --bearer "$token" --has 'error="invalid_token"'
  log_in 'users continue by logging in or refreshing'
  access=$token
}

# One replica of auth-service stops, and then nginx, with listeners on all of them.
listeners_move() {
  local number
  for number in {1..6}; do # one address may have 8 at each replica
    (curl --silent --no-buffer "${trust[@]}" "$auth/status-lists/events" >"$folder/stream.$number" && : >"$folder/ended.$number") &
    streams+=($!)
  done
  check_timed 'six listeners get the current state' 5 all_streams_hear
  check_stop 'a replica of auth-service stops at once, with listeners' auth-1 2500
  check 'its listeners got the end of the stream, and the others keep listening' some_streams_ended
  check_timed 'resource-service listens to the other replica' 5 resource_listens
  log_in 'logs in at the other replica'
  logout_at auth-2
  check_stop 'nginx stops in time, with listeners' nginx 8000
  wait "${streams[@]}" 2>/dev/null || true
  streams=()
  quietly docker start "$(container auth-1)" "$(container nginx)"
  check 'everything is healthy again' within 60 everything_is_healthy
}

all_streams_hear() {
  (($(grep -ls '^event: keys' "$folder"/stream.* | wc -l) == 6))
}

some_streams_ended() {
  local ended
  ended=$(find "$folder" -name 'ended.*' | wc -l)
  ((ended > 0 && ended < 6)) && (($(jobs -rp | wc -l) >= 6 - ended))
}

# check_stop NAME SERVICE MILLISECONDS: it ends with 0, in that time.
check_stop() {
  local start took
  start=$(milliseconds)
  quietly docker stop --time 15 "$(container "$2")"
  took=$(($(milliseconds) - start))
  check "$1 ($took ms)" equal "$(state "$2" '{{.State.ExitCode}}') $((took > $3))" '0 0'
}

# Each replica gets revocations by a stream.
resource_listens() {
  local replica
  for replica in resource-1 resource-2; do
    ask_at "$replica" GET /readyz | grep -q '"streaming":true' || return
  done
}

# log_in NAME: sets `token` and `refresh`.
log_in() {
  expect 200 "$1" POST "$auth/login" --json "$account"
  token=$(body | json_string access_token)
  refresh=$(body | json_string refresh_token)
}

# Asks each replica of resource-service, over and over, with the token; what changes goes to a file for each.
watch_refusals() {
  local replica
  watching=()
  for replica in resource-1 resource-2; do
    watch_at "$replica" >"$folder/answers.$replica" 2>/dev/null <<<"$token" &
    watching+=($!)
  done
  check 'both replicas of resource-service accept the token' within 5 both_accept
}

both_accept() {
  equal "$(sed 's/ .*//' "$folder"/answers.* | tr '\n' ' ')" '200 200 '
}

# Prints each new status, and when it came, until it is 401.
watch_at() {
  # shellcheck disable=SC2016 # for the shell in the container
  docker exec -i "$(container "$1")" timeout 20 bash -c '
    read -r token
    until [[ ${status:-} == 401 ]]; do
      exec 3<>/dev/tcp/127.0.0.1/8081
      printf "GET /protected HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n" "$token" >&3
      read -r _ now _ <&3
      [[ $now == "${status:-}" ]] || echo "$now $EPOCHREALTIME"
      status=$now
      sleep 0.02
    done'
}

# refused_everywhere NAME MILLISECONDS SINCE: each replica came to refuse the token that is watched, soon; says how soon.
refused_everywhere() {
  local replica at since=${3:-0} soon=yes times=()
  wait "${watching[@]}" || true
  for replica in resource-1 resource-2; do
    at=$(sed -n 's/^401 //p' "$folder/answers.$replica")
    at=${at:-0} # never
    times+=("$(((${at/./} - ${since/./}) / 1000)) ms")
    ((${at/./} > 0 && ${at/./} - ${since/./} <= $2 * 1000)) || soon=no
  done
  check "$1 (${times[0]}, ${times[1]})" equal "$soon" yes
}

# ask_at SERVICE METHOD PATH [TOKEN]: asks one replica, from inside its container, as there is no curl. Prints the
# status and the time in the first line, then all that was answered.
ask_at() {
  local port=8080
  [[ $1 != resource-* ]] || port=8081
  # shellcheck disable=SC2016 # for the shell in the container
  docker exec -i "$(container "$1")" timeout 10 bash -c '
    read -r port method path token
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    printf "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n" "$method" "$path" >&3
    [[ -z $token ]] || printf "Authorization: Bearer %s\r\n" "$token" >&3
    printf "\r\n" >&3
    read -r _ status _ <&3
    echo "$status $EPOCHREALTIME"
    cat <&3' <<<"$port $2 $3 ${4:-}"
}
