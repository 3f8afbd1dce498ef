# shellcheck shell=bash
# Sourced by the launchers: usage, errors, and commands shown or run.
# shellcheck disable=SC2034  # used by those who source it

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
print=''  # set by --print: show every command, run none

# The comment at the head of the script, as its help.
usage() {
  sed -n '3,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}

die() {
  echo "${0##*/}: $*" >&2
  exit 2
}

# Shows a command as a line that a shell would read back.
show() {
  local word line=
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@%+~-]+$ ]]; then
      line+=" $word"
    else
      line+=" '${word//\'/\'\\\'\'}'"
    fi
  done
  echo "${line# }"
}

run() {
  if [[ $print ]]; then show "$@"; else "$@"; fi
}

# number FLAG VALUE [LEAST]: refuses what is not a whole number.
number() {
  [[ $2 =~ ^[0-9]+$ && $2 -ge ${3:-1} ]] ||
    die "$1=$2 is not a whole number of at least ${3:-1}."
}

# needs_value OPTION COUNT_OF_WORDS: refuses an option without its value.
needs_value() {
  [[ $2 -ge 2 ]] || die "$1 needs a value; --help shows all options."
}
