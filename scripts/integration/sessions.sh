# shellcheck shell=bash disable=SC2034,SC2154 # it is a part of scripts/integration-test, and shares its variables
# /me: one's own sessions, names and password.

sessions() {
  local phone phone_refresh tablet tablet_refresh laptop
  register 'registers an account for several devices' "$dora"
  log_in 'logs in with a phone' "$dora"
  phone=$access phone_refresh=$refresh
  log_in 'logs in with a tablet' "$dora"
  tablet=$access tablet_refresh=$refresh
  log_in 'logs in with a laptop' "$dora"
  laptop=$access
  expect 403 'a token that resource-service is sent opens no sessions' GET "$auth/me/sessions" --bearer "$laptop" \
    --has '"code":"audience_missing"' --has "resource=$auth"
  refresh_here 'gets a token for auth-service alone' "$refresh"
  expect 401 'which resource-service refuses' GET "$resource/protected" --bearer "$access" --has invalid_token
  expect 200 'lists its sessions' GET "$auth/me/sessions" --bearer "$access" --has "$(session_of "$phone")" \
    --has "$(session_of "$tablet")" --has "$(session_of "$access")" --has '"user_agent":"curl/'
  check 'one of them is the current one' equal "$(body | grep -o '"current":true' | wc -l | tr -d ' ')" 1
  expect 404 "cannot end another account's session" DELETE "$auth/me/sessions/$(session_of "$alice_access")" --bearer "$access"
  expect 200 'which goes on' GET "$resource/protected" --bearer "$alice_access"
  expect 204 'ends one of its own' DELETE "$auth/me/sessions/$(session_of "$phone")" --bearer "$access" --repeated 404
  is_revoked_soon 'resource-service learns of it' "$phone"
  is_over 'that session cannot be refreshed' "$phone_refresh"
  expect 200 'the others go on' GET "$resource/protected" --bearer "$tablet"
  expect 204 'ends all but the current one' DELETE "$auth/me/sessions" --bearer "$access"
  is_revoked_soon 'resource-service learns of that' "$tablet"
  is_over 'those sessions cannot be refreshed' "$tablet_refresh"
  expect 200 'the current one goes on' GET "$resource/protected" --bearer "$laptop"
  expect 200 'and is the only one' GET "$auth/me/sessions" --bearer "$access" --has '"next":null'
  check 'there is no other' equal "$(body | grep -o '"id":' | wc -l | tr -d ' ')" 1
  access=$laptop
}

# session_of TOKEN
session_of() {
  token_part 2 "$1" | json_string sid
}

changing_an_account() {
  local other other_refresh first first_refresh new_password
  expect 403 'a change of names needs the password' PATCH "$auth/me" --bearer "$access" \
    --json "{\"username\":\"$dora-2\",\"current_password\":\"not $password\"}" --has '"code":"invalid_credentials"'
  expect 409 'a name that is taken stays taken' PATCH "$auth/me" --bearer "$access" \
    --json "{\"username\":\"$alice\",\"current_password\":\"$password\"}" --has '"code":"username_taken"'
  expect 200 'changes the user name' PATCH "$auth/me" --bearer "$access" \
    --json "{\"username\":\"$dora-2\",\"current_password\":\"$password\"}" --has "\"username\":\"$dora-2\"" --repeated 401
  is_revoked_soon 'resource-service refuses a token with the old name' "$access"
  expect 409 'the name that was given up rests' POST "$auth/register" --json "$(account "$dora")" --has '"code":"username_taken"'
  refresh 'the session goes on' "$refresh"
  expect 200 'under the new name' GET "$resource/protected" --bearer "$access" --has "Welcome, $dora-2!"

  first=$access first_refresh=$refresh new_password=$(random_password)
  log_in 'logs in by the new name' "$dora-2"
  other=$access other_refresh=$refresh
  expect 422 'a new password has to be a good one' PUT "$auth/me/password" --bearer "$first" \
    --json "$(passwords "$password" short)" --has '"field":"new_password"'
  expect 403 'a new password needs the old one' PUT "$auth/me/password" --bearer "$first" \
    --json "$(passwords "not $password" "$new_password")" --has '"code":"invalid_credentials"'
  expect 200 'changes the password' PUT "$auth/me/password" --bearer "$first" \
    --json "$(passwords "$password" "$new_password")" --has 'cache-control: no-store'
  take_tokens
  is_revoked_soon 'resource-service refuses the session that changed the password' "$first"
  is_revoked_soon 'and every other one from before' "$other"
  is_over 'the session that changed it cannot be refreshed' "$first_refresh"
  is_over 'nor can the other one' "$other_refresh"
  expect 200 'the change was answered with new tokens' GET "$resource/protected" --bearer "$access"
  expect 401 'the old password is over' POST "$auth/login" --json "$(account "$dora-2")" --has '"code":"invalid_credentials"'

  expect 403 'to delete an account needs the password' DELETE "$auth/me" --bearer "$access" \
    --json "{\"current_password\":\"$password\"}" --has '"code":"invalid_credentials"'
  expect 204 'deletes the account' DELETE "$auth/me" --bearer "$access" \
    --json "{\"current_password\":\"$new_password\"}" --repeated 401
  is_revoked_soon 'resource-service learns of it' "$access"
  is_over 'its session cannot be refreshed' "$refresh"
  expect 409 'its name rests' POST "$auth/register" --json "$(account "$dora-2")" --has '"code":"username_taken"'
  expect 401 'nobody can log in to it' POST "$auth/login" \
    --json "{\"username\":\"$dora-2\",\"password\":\"$new_password\"}" --has '"code":"invalid_credentials"'
}

# passwords CURRENT NEW
passwords() {
  printf '{"current_password":"%s","new_password":"%s"}' "$1" "$2"
}
