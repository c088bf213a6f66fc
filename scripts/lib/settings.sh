# shellcheck shell=bash
# What a service will take for a setting, before it is started: a top-level string, such as `setting auth listen`.

# shellcheck source=scripts/lib/text.sh
source scripts/lib/text.sh

# setting SERVICE KEY
setting() {
  local value
  value=$(given_setting "$1" "$2")
  printf '%s' "${value:-$(toml_string "$2" "$1-service/config.default.toml")}"
}

# given_setting SERVICE KEY: nothing when it was left to the defaults. Looks at the variable, the file that the variable
# with _FILE names, and the configuration file, in the order of service-kit/src/settings/load.rs.
given_setting() {
  local prefix variable from_file config
  prefix=$(upper_case "$1")
  variable=${prefix}__$(upper_case "$2")
  from_file=${variable}_FILE
  config=${prefix}_CONFIG
  if [[ -n ${!variable:-} ]]; then
    printf '%s' "${!variable}"
  elif [[ -r ${!from_file:-} ]]; then
    cat "${!from_file}"
  elif [[ -r ${!config:-} ]]; then
    toml_string "$2" "${!config}"
  fi
}

toml_string() {
  sed -n "/^$1 *= *\"/{s/^[^\"]*\"\([^\"]*\)\".*/\1/p;q;}" "$2"
}
