# shellcheck shell=bash
# Shared by the launchers: help, errors, and printing or running a command.
# shellcheck disable=SC2034  # the scripts that source this file use them

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
print=''  # --print sets it: commands are printed and not run

# Prints the comment at the top of the script as its help.
usage() {
  sed -n '3,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}

die() {
  echo "${0##*/}: $*" >&2
  exit 2
}

# Prints a command, quoted so that a shell can run it.
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

# cache_flag FLAGS_OF_THE_TRAINING...: the flag that keeps compiled programs in
# the workdir, where a new machine finds them, unless the flags say otherwise.
cache_flag() {
  local word workdir='' next=''
  for word in "$@"; do
    [[ ! $word =~ ^--?compilation_cache ]] || return 0
    [[ -z $next ]] || workdir=$word
    next=''
    case $word in
      --workdir=* | -workdir=*) workdir=${word#*=} ;;
      --workdir | -workdir) next=1 ;;
    esac
  done
  [[ -z $workdir ]] || echo "--compilation_cache=$workdir/compiled"
}

# number FLAG VALUE [LEAST]: refuses a value that is not a whole number or is
# below LEAST (default 1).
number() {
  [[ $2 =~ ^[0-9]+$ && $2 -ge ${3:-1} ]] ||
    die "$1=$2 is not a whole number of at least ${3:-1}."
}

# needs_value OPTION WORDS_LEFT: refuses an option without its value.
needs_value() {
  [[ $2 -ge 2 ]] || die "$1 needs a value; --help shows all options."
}
