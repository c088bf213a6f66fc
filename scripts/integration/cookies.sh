# shellcheck shell=bash disable=SC2034,SC2154 # it is a part of scripts/integration-test, and shares its variables
# Cookie mode, through any proxy before auth-service. scripts/browser-test uses a browser.

cookies() {
  local origin evil=https://evil.example with=() own=()
  origin=$(grep -oE '^https?://[^/]+' <<<"$auth")
  expect 200 'logs in with cookies' POST "$auth/login" --json "$(account_with_cookies)" --header "Origin: $origin" \
    --has 'set-cookie: __Host-access=' --has 'Path=/token' --has 'x-csrf-token: '
  take_cookies
  expect 200 'the cookie opens /me' GET "$auth/me" "${with[@]}" --has "\"username\":\"$bob\""
  expect 403 'but not to a foreign page' GET "$auth/me" "${with[@]}" --header "Origin: $evil" --has '"code":"foreign_origin"'
  expect 200 'refreshes by the cookie' POST "$auth/token" "${own[@]}" --json '{"grant_type":"refresh_token"}'
  take_cookies
  expect 204 'logs out, and takes the cookies back' POST "$auth/logout" "${own[@]}" --repeated 401 \
    --has '__Host-access=;' --has '__Secure-refresh=;' --has '__Host-csrf=;'
  expect 401 'the session is over' GET "$auth/me" "${with[@]}" --has '"code":"token_revoked"'
}

account_with_cookies() {
  printf '{"username":"%s","password":"%s","cookies":true}' "$bob" "$password"
}

# Of the last answer: sets what goes `with` a request of the browser, and what a page of its `own` adds.
take_cookies() {
  local pairs
  pairs=$(header set-cookie | cut -d ';' -f 1 | tr '\n' ';')
  with=(--header "Cookie: ${pairs//;/; }")
  own=("${with[@]}" --header "Origin: $origin" --header "X-CSRF-Token: $(header x-csrf-token)")
}
