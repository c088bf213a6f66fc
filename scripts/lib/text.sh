# shellcheck shell=bash
# Text that goes to our services and comes from them.

# json_string NAME: the string of that name in the compact JSON on standard input. Enough for our own answers.
json_string() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

# Tokens in full help nobody to read an answer.
shorten_tokens() {
  sed -E 's/(eyJ[A-Za-z0-9_-]{8})[A-Za-z0-9_.-]{20,}/\1…/g; s/(rt_[A-Za-z0-9_-]{8})[A-Za-z0-9_.-]{12,}/\1…/g'
}

upper_case() {
  printf '%s' "$1" | tr '[:lower:]' '[:upper:]'
}

# A new one for every run, because the account stays.
random_password() {
  head -c 64 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | cut -c 1-24
}
