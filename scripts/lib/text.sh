# shellcheck shell=bash
# Text that goes to our services and comes from them.

# json_string NAME: the string of that name in the compact JSON on standard input. Enough for our own answers.
json_string() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# json_number NAME: the same for a whole number.
json_number() {
  sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p"
}

# Shortens tokens, so that an answer is readable.
shorten_tokens() {
  sed -E 's/(eyJ[A-Za-z0-9_-]{8})[A-Za-z0-9_.-]{20,}/\1…/g; s/(rt_[A-Za-z0-9_-]{8})[A-Za-z0-9_.-]{12,}/\1…/g'
}

# token_part NUMBER TOKEN: the head (1) or the claims (2) of a token, as JSON.
token_part() {
  local part
  part=$(printf '%s' "$2" | cut -d . -f "$1")
  while ((${#part} % 4)); do part+='='; done
  printf '%s' "$part" | tr -- '-_' '+/' | base64 -d
}

base64url() {
  base64 | tr -d '=\n' | tr '+/' '-_'
}

# with_unknown_key TOKEN: the token with an unknown key id.
with_unknown_key() {
  printf '%s.%s' "$(token_part 1 "$1" | sed 's/"kid":"[^"]*"/"kid":"unknown"/' | base64url)" "${1#*.}"
}

upper_case() {
  printf '%s' "$1" | tr '[:lower:]' '[:upper:]'
}

# A new one for every run, because the account stays.
random_password() {
  head -c 64 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | cut -c 1-24
}
