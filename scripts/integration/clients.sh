# shellcheck shell=bash disable=SC2034,SC2154 # it is a part of scripts/integration-test, and shares its variables
# Services with a secret of their own: client_credentials, POST /introspect, and POST /revoke of their own tokens.

# By the command line, as an operator would.
make_client() {
  check 'an operator makes a client' operator_makes_a_client
}

operator_makes_a_client() {
  "$binaries/auth-service" client create --name integration-test 2>>"$folder/operator.log" >"$folder/client" || return
  client=$(json_string client_id <"$folder/client"):$(json_string client_secret <"$folder/client")
}

clients() {
  local id=${client%:*} secret=${client##*:}
  expect 200 'a client gets a token by its secret' POST "$auth/token" --user "$client" \
    --form grant_type=client_credentials --has 'cache-control: no-store'
  access=$(body | json_string access_token)
  check 'and no refresh token' equal "$(body | json_string refresh_token)" ''
  expect 200 'resource-service accepts it, under its own name' GET "$resource/protected" \
    --bearer "$access" --has "\"sub\":\"$id\""
  expect 403 'it has no account' GET "$auth/me" --bearer "$access"
  expect 401 'a wrong secret gets nothing' POST "$auth/token" --user "$id:wrong" \
    --form grant_type=client_credentials --has '"error":"invalid_client"' --has 'www-authenticate: Basic'

  expect 401 'nobody asks about tokens without proving who asks' POST "$introspection_endpoint" \
    --form "token=$alice_access" --has '"error":"invalid_client"'
  expect 200 "a client asks about a user's access token" POST "$introspection_endpoint" --user "$client" \
    --form "token=$alice_access" --has '"active":true' --has "\"username\":\"$alice\"" --has '"token_type":"Bearer"'
  expect 200 'and, its secret in the form, learns nothing of a refresh token' POST "$introspection_endpoint" \
    --form "client_id=$id&client_secret=$secret&token=$alice_refresh" --has '{"active":false}'
  is_inactive 'nothing is said about a token that never was' nonsense
  log_in 'logs in, to end the session' "$alice"
  expect 204 'logs out by the refresh token' POST "$auth/logout" --json "{\"refresh_token\":\"$refresh\"}"
  is_inactive 'nothing is said about the access token of a session that is over' "$access"
  is_inactive 'nor about its refresh token' "$refresh"

  expect 200 'a client gets another token, its secret in the form' POST "$auth/token" \
    --form "grant_type=client_credentials&client_id=$id&client_secret=$secret"
  access=$(body | json_string access_token)
  expect 200 'a client asks about its own token' POST "$introspection_endpoint" --user "$client" \
    --form "token=$access" --has '"active":true' --has "\"client_id\":\"$id\""
  expect 200 'a client takes its token back' POST "$revocation_endpoint" --user "$client" --form "token=$access"
  is_revoked_soon 'resource-service learns of it' "$access"
  is_inactive 'nothing is said about it any more' "$access"
}

# is_inactive NAME TOKEN
is_inactive() {
  expect 200 "$1" POST "$introspection_endpoint" --user "$client" --form "token=$2"
  check 'nothing but that it is not active' equal "$(body)" '{"active":false}'
}
