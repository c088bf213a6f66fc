# shellcheck shell=bash disable=SC2034,SC2154 # it is a part of scripts/integration-test, and shares its variables
# What is published of revoked tokens, and POST /revoke.

status_lists() {
  local list
  list=$(list_of "$alice_access")
  expect 200 'all status lists are named' GET "$status_list_aggregation_endpoint" --has "\"$list\""
  expect 200 'a status list can be fetched' GET "$list" --has 'content-type: application/statuslist+jwt' --has etag:
  check 'it is a signed status list' is_status_list "$(body)"
  check 'one that has not changed is not sent again' within 5 is_unchanged "$list"
  expect 200 'a status list comes compressed to those who take that' GET "$list" \
    --header 'Accept-Encoding: gzip' --has 'content-encoding: gzip'
  check 'it is the same when inflated' is_status_list "$(gzip -dc "$folder/body")"
}

is_status_list() {
  token_part 1 "$1" | grep -qF '"typ":"statuslist+jwt"' && contains "$key_set" "\"kid\":\"$(kid_of "$1")\""
}

# May fail when another user logs out in between.
is_unchanged() {
  send "$1" && send "$1" --header "If-None-Match: $(header etag)"
  [[ $status == 304 && ! -s $folder/body ]]
}

events() {
  local list before
  log_in 'logs in beside a listener' "$alice"
  list=$(list_of "$access")
  listen "$status_list_events_endpoint"
  check_timed 'a listener gets the current state immediately' "$revocation_takes" heard_of "$list"
  check 'as a stream of events' grep -qi '^content-type: text/event-stream' "$folder/events.head"
  before=$(revision_of "$list")
  expect 204 'a logout beside a listener' POST "$auth/logout" --bearer "$access" --repeated 401
  check_timed 'a listener gets a logout' "$revocation_takes" heard_after "$before" "$list"
  stop_listening
}

revoking() {
  log_in 'logs in, to revoke the access token' "$alice"
  revoke 'revokes an access token' "token=$access&token_type_hint=access_token"
  is_revoked_soon 'resource-service refuses it' "$access"
}

# revoke NAME FORM
revoke() {
  expect 200 "$1" POST "$revocation_endpoint" --form "$2"
}
