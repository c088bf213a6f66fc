# shellcheck shell=bash
# Certificates for development and tests: an authority of its own signs one for localhost, and its key is deleted, so
# that nothing else can be signed with it.

# shellcheck source=scripts/lib/tools.sh
source scripts/lib/tools.sh

# make_certificate DAYS [KEY-OPTION]…: ca.pem, certificate.pem and certificate.key in the working directory, all or none of
# them new. The key is one of P-256, or what these options of `openssl genpkey` say.
make_certificate() {
  local days=$1 work
  shift
  (($# > 0)) || set -- -algorithm EC -pkeyopt ec_paramgen_curve:P-256
  work=$(mktemp -d)
  new_key "$work/ca.key" -algorithm EC -pkeyopt ec_paramgen_curve:P-256
  openssl req -x509 -new -key "$work/ca.key" -days "$days" -subj '/CN=Development authority of token-auth' \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign' -out "$work/ca.pem"
  new_key "$work/certificate.key" "$@"
  openssl req -new -key "$work/certificate.key" -subj '/CN=localhost' -out "$work/request"
  cat >"$work/extensions" <<'EXTENSIONS'
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
EXTENSIONS
  openssl x509 -req -in "$work/request" -CA "$work/ca.pem" -CAkey "$work/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$days" -extfile "$work/extensions" -out "$work/certificate.pem" 2>"$work/messages" || fail "$(cat "$work/messages")"
  chmod 644 "$work/ca.pem" "$work/certificate.pem" "$work/certificate.key"
  mv "$work/ca.pem" "$work/certificate.pem" "$work/certificate.key" .
  rm -rf "$work"
}

# new_key FILE OPTION…
new_key() {
  openssl genpkey -quiet "${@:2}" -out "$1"
}
