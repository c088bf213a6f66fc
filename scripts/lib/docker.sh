# shellcheck shell=bash
# A Docker engine: the one that the environment names, or else the laboratory's, where that is beside this checkout.

# shellcheck source=scripts/lib/tools.sh
source scripts/lib/tools.sh

provide_engine() {
  local lab=../shared/compose-lab/lab
  if docker info >/dev/null 2>&1; then
    [[ -S /var/run/docker.sock && -s /var/tmp/compose-lab/dockerd.pid && -x $lab ]] || return 0
  elif [[ -x $lab ]]; then
    printf '\n== starting an engine\n'
    "$lab" up || fail 'the laboratory started no Docker engine; the messages above say why.'
  else
    fail 'no Docker engine answers: start Docker, then try again.'
  fi
  eval "$("$lab" env)"
}

provide_compose() {
  provide_engine
  docker compose version >/dev/null 2>&1 || fail "'docker compose' is needed: install Docker's compose plugin."
}
