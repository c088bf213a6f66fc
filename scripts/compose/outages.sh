# shellcheck shell=bash disable=SC2034,SC2154 # it is a part of scripts/compose-test, and shares its variables
# Parts of the stack are away, and the others make do.

# Without any auth-service, resource-service goes on, also when it is started anew.
auth_service_away() {
  local replica revoked
  log_in 'logs in, to stay'
  access=$token
  log_in 'logs in, to log out before auth-service stops'
  revoked=$token
  logout_at auth-1
  quietly docker compose stop auth-1 auth-2
  expect 503 'without any auth-service, nginx says so' GET "$auth/readyz" --has 'retry-after' --has application/problem+json

  : >"$folder/rolling"
  (while [[ -e $folder/rolling ]]; do ask 200 'protected resource' "$resource/protected?[1-50]" --header "Authorization: Bearer $access"; done) >"$folder/asked" 2>&1 &
  asking=$!
  for replica in resource-1 resource-2; do
    quietly docker restart --time 15 "$(container "$replica")"
    check "$replica starts without auth-service, and is ready" within 30 is_healthy "$replica"
  done
  rm "$folder/rolling"
  check 'the requests went on meanwhile' exit_code_of "$asking"
  asking=''
  sort "$folder/asked" | uniq -c | sed 's/^/   /'
  check 'none of them failed' all_were_answered 500
  for replica in resource-1 resource-2; do
    check "$replica knows keys" answers_at 200 "$replica"
    check "$replica knows what was revoked" answers_at 401 "$replica" "$revoked" 'revoked'
    check "$replica gives no verdict about an unknown key" answers_at 503 "$replica" "$(with_unknown_key "$access")" 'Retry-After'
  done
  quietly docker compose start auth-1 auth-2
  check_timed 'auth-service is there again' 30 answers 200 "$auth/readyz"
  log_in 'logs in when auth-service is there again'
  expect 200 'resource-service accepts the new token' GET "$resource/protected" --bearer "$token"
  check_timed 'resource-service hears of revocations again' 60 resource_listens
  logout_at auth-2
}

# answers_at STATUS REPLICA [TOKEN [TEXT]]: to the protected resource, with a good token if none is given.
answers_at() {
  ask_at "$2" GET /protected "${3:-$access}" >"$folder/answer"
  [[ $(head -n 1 "$folder/answer") == "$1 "* ]] && grep -qi "${4:-}" "$folder/answer"
}

# Replicas are stopped and started one by one, each twice at least, while the integration test runs again and again; and
# beside it go requests of which none is repeated.
replicas_come_and_go() {
  local start=$SECONDS
  : >"$folder/rolling"
  : >"$folder/rolled"
  (roll) >"$folder/roll.log" 2>&1 &
  rolling=$!
  (ask_on) >"$folder/asked" 2>&1 &
  asking=$!
  until (($(wc -l <"$folder/rolled") >= 2 * ${#replicas[@]})) || gone "$rolling"; do
    integration_test 'the integration test passes while replicas are stopped and started'
  done
  rm "$folder/rolling"
  check 'every replica ended with 0, and came back' exit_code_of "$rolling"
  check 'the other requests went on' exit_code_of "$asking"
  rolling='' asking=''
  sort "$folder/asked" | uniq -c | sed 's/^/   /'
  check 'no request met a stopped replica' all_were_answered 1000
  timings+="$(printf '%4d s  integration test, again and again, during %d stops and starts' $((SECONDS - start)) "$(wc -l <"$folder/rolled")")\n"
}

roll() {
  local replica
  while true; do
    for replica in "${replicas[@]}"; do
      [[ -e $folder/rolling ]] || return 0
      docker compose stop "$replica"
      equal "$(state "$replica" '{{.State.ExitCode}}')" 0
      docker compose start "$replica"
      within 30 is_healthy "$replica"
      printf '%s\n' "$replica" >>"$folder/rolled"
    done
  done
}

ask_on() {
  local bearer="Authorization: Bearer $access"
  while [[ -e $folder/rolling ]]; do
    ask 200 'key set' "$auth/.well-known/jwks.json?[1-50]"
    ask 200 'own account' "$auth/me?[1-50]" --header "$bearer"
    ask 200 'protected resource' "$resource/protected?[1-50]" --header "$bearer"
    ask 400 'refresh with an unknown token' "$auth/token?[1-50]" --data 'grant_type=refresh_token&refresh_token=rt_unknown'
    ask 200 'login' "$auth/login" --header 'Content-Type: application/json' --data "$account"
  done
}

# ask STATUS NAME URL CURL-OPTION…: a line for each request: what was asked, which answer is due, and which came.
ask() {
  curl --silent --max-time 20 "${trust[@]}" --output /dev/null --write-out "$2: $1 is due, came %{http_code}\n" "${@:4}" "$3" || true
}

# all_were_answered NUMBER: as they were to be, and there were so many at least.
all_were_answered() {
  (($(wc -l <"$folder/asked") >= $1)) && ! grep -qvE ': ([0-9]{3}) is due, came \1$' "$folder/asked"
}

database_away() {
  local start
  quietly docker compose stop postgres
  start=$SECONDS
  expect 503 'without the database, auth-service says that it is not ready' GET "$auth/readyz" --has 'retry-after'
  expect 503 'it refuses what needs the database' POST "$auth/login" --json "$account" --has 'retry-after'
  check 'both within 12 s' within_seconds "$start" 12
  expect 200 'the key set is there without it' GET "$auth/.well-known/jwks.json"
  expect 200 'resource-service goes on' GET "$resource/protected" --bearer "$access"
  quietly docker compose start postgres
  start=$SECONDS
  check 'auth-service is ready again when it is back' within 30 answers 200 "$auth/readyz"
  timings+="$(printf '%4d s  from the start of PostgreSQL to auth-service being ready' $((SECONDS - start)))\n"
  expect 200 'the account is there' POST "$auth/login" --json "$account"
  expect 200 'the session too' GET "$auth/me" --bearer "$access"
  quietly docker compose kill postgres
  quietly docker compose start postgres
  check 'auth-service is ready again after PostgreSQL was killed' within 30 answers 200 "$auth/readyz"
  expect 200 'the account is there still' POST "$auth/login" --json "$account"
  check 'everything is healthy again' within 60 everything_is_healthy
}
