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
  expect 200 'a client gets a token by its secret' POST "$auth/token" --user "$client" \
    --form grant_type=client_credentials --has 'cache-control: no-store'
  access=$(body | json_string access_token)
  expect 200 'resource-service accepts it, under its own name' GET "$resource/protected" \
    --bearer "$access" --has "\"sub\":\"${client%:*}\""
  expect 200 "a client asks about a user's access token" POST "$introspection_endpoint" --user "$client" \
    --form "token=$alice_access" --has '"active":true' --has "\"username\":\"$alice\"" --has '"token_type":"Bearer"'
  expect 200 'a client revokes its token' POST "$revocation_endpoint" --user "$client" --form "token=$access"
  is_revoked_soon 'resource-service refuses it' "$access"
  expect 200 'a revoked token is inactive' POST "$introspection_endpoint" --user "$client" --form "token=$access"
  check 'and nothing else is said about it' equal "$(body)" '{"active":false}'
}
