# shellcheck shell=bash disable=SC2034 # its variables are for those who source it
# OpenSSL's headers, with which libpq (PostgreSQL's client, built from source) speaks TLS to the database.

# shellcheck source=scripts/lib/tools.sh
source scripts/lib/tools.sh

# Options of cargo that build OpenSSL itself from source.
openssl_features=()

# Sees to it that a build will find them: uses those that are there, installs them, or has them built.
provide_openssl() {
  openssl_headers_are_there && return
  install_packages 'libssl-dev pkg-config' 'openssl-devel pkgconf-pkg-config' 'openssl-dev pkgconf' &&
    openssl_headers_are_there && return
  if has perl && has make; then
    printf 'OpenSSL has no headers here: it is built from source, which takes some minutes more (libssl-dev and pkg-config would spare them)\n' >&2
    openssl_features=(--features auth-service/vendored-openssl)
    return
  fi
  fail "OpenSSL's headers are needed: install libssl-dev and pkg-config (Fedora: openssl-devel; macOS: brew install openssl@3), or perl and make to build OpenSSL from source."
}

# In the places where the crate openssl-sys looks for them.
openssl_headers_are_there() {
  [[ -n ${OPENSSL_DIR:-}${OPENSSL_INCLUDE_DIR:-} ]] && return
  if [[ $(uname -s) == Darwin ]]; then
    local folder
    for folder in {/opt/homebrew,/usr/local}/opt/openssl@{4,3} /opt/{pkg,local}/include/openssl; do
      [[ -e $folder ]] && return
    done
  fi
  if has pkg-config; then
    pkg-config --exists openssl
  else
    tell_where_openssl_is
  fi
}

# Without pkg-config the crate needs the folders in variables; the C compiler knows them.
tell_where_openssl_is() {
  local library
  library=$(cc -print-file-name=libssl.so)
  [[ -e /usr/include/openssl/ssl.h && -e $library ]] || return 1
  OPENSSL_LIB_DIR=$(cd "$(dirname "$library")" && pwd)
  export OPENSSL_LIB_DIR OPENSSL_INCLUDE_DIR=/usr/include
}
