# shellcheck shell=bash
# The server programs of PostgreSQL, which the store's tests start for themselves.

# shellcheck source=scripts/lib/tools.sh
source scripts/lib/tools.sh

# Uses those that are there, or installs them.
provide_postgresql() {
  postgresql_is_there && return
  install_packages postgresql postgresql-server '' && postgresql_is_there && return
  fail "PostgreSQL's server programs (initdb, postgres) are needed for the tests: install the package postgresql (Fedora: postgresql-server; macOS: brew install postgresql)."
}

# In the folders where auth-service/tests/database/postgresql.rs looks for them.
postgresql_is_there() {
  local folder
  for folder in /usr/lib/postgresql/*/bin /usr/bin /usr/local/bin /opt/homebrew/bin; do
    [[ -x $folder/initdb && -x $folder/postgres ]] && return
  done
  return 1
}
