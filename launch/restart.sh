#!/usr/bin/env bash
#
# Runs a command again until it ends well.
#
#   launch/restart.sh [--tries N] [--pause SECONDS] [--end-when-saved]
#                     [--code-file FILE] -- COMMAND...
#
# 143 means saved on SIGTERM: the command starts again, as often as that
# happens, or with --end-when-saved this script ends with 143. 130 is a person
# (Ctrl-C) and ends it. Any other failure ends it at the Nth (default 3),
# --pause seconds (default 10) lie between. SIGTERM and SIGINT to this script
# go to the command, and nothing starts again after them. The exit code is the
# command's last one; --code-file gets it too.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

tries=3 pause=10 end_when_saved='' code_file=''
while [[ $# -gt 0 ]]; do
  case $1 in
    --tries) needs_value "$1" $#; tries=$2; shift 2 ;;
    --pause) needs_value "$1" $#; pause=$2; shift 2 ;;
    --end-when-saved) end_when_saved=1; shift ;;
    --code-file) needs_value "$1" $#; code_file=$2; shift 2 ;;
    --help) usage; exit ;;
    --) shift; break ;;
    *) die "not understood: $1; --help shows the options." ;;
  esac
done
[[ $# -gt 0 ]] || die "no command after --."
number --tries "$tries"
number --pause "$pause" 0

# In a process group of its own the command gets Ctrl-C once: from here. It
# alone gets the signal: what its data workers do is its own affair.
set -m
child='' stopped='' missed='' interrupted='' code=0

forward() {
  stopped=1 interrupted=1
  if [[ $child ]]; then kill -s "$1" "$child" || true; else missed=$1; fi
} 2>/dev/null
trap 'forward TERM' TERM
trap 'forward INT' INT

# Runs a command to its end, through signals; its exit code is in `code`.
attempt() {
  local now
  "$@" &
  child=$! code=127
  # A signal that came while there was no command is the next one's.
  [[ -z $missed ]] || kill -s "$missed" "$child" || true
  while :; do
    interrupted='' now=0
    wait "$child" || now=$?
    # 127: it had ended before the wait that a signal cut short.
    [[ $now -eq 127 && $code -ne 127 ]] || code=$now
    [[ $interrupted ]] || break
  done
  child=
}

finish() {
  [[ -z $code_file ]] || echo "$1" >"$code_file"
  exit "$1"
}

failures=0
while :; do
  attempt "$@"
  last=$code
  [[ -z $stopped && $last -ne 0 && $last -ne 130 ]] || finish "$last"
  if [[ $last -eq 143 ]]; then
    [[ -z $end_when_saved ]] || finish "$last"
    echo "restart: saved on a signal; starts again" >&2
  else
    failures=$((failures + 1))
    echo "restart: failed with $last, $failures of $tries" >&2
    [[ $failures -lt $tries ]] || finish "$last"
  fi
  attempt sleep "$pause"
  [[ -z $stopped ]] || finish "$last"
done
