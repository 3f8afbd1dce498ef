#!/usr/bin/env bash
#
# Runs a command, and runs it again after a failure.
#
#   launch/restart.sh [--tries N] [--pause SECONDS] [--end-when-saved]
#                     [--code-file FILE] -- COMMAND...
#
# What happens next depends on the command's exit code:
#   0      the script ends.
#   129, 130  closed terminal or Ctrl-C: the script ends.
#   143    saved on SIGTERM: the command is started again, as often as needed.
#          With --end-when-saved the script ends instead.
#   other  a failure: the command is started again; after --tries failures
#          (default 3) the script ends.
# Between two starts the script waits --pause seconds (default 10). SIGTERM and
# SIGINT to the script are passed to the command, and then nothing is started
# again. The script ends with the command's last exit code and writes it to
# --code-file.
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
    *) die "unknown option $1; --help shows the options." ;;
  esac
done
[[ $# -gt 0 ]] || die "give a command after --."
number --tries "$tries"
number --pause "$pause" 0

# With job control the command runs in a process group of its own, so it gets
# Ctrl-C only once, from here. The signal goes to the command alone, not to its
# data workers.
set -m
child='' stopped='' missed='' interrupted='' code=0

forward() {
  stopped=1 interrupted=1
  if [[ $child ]]; then kill -s "$1" "$child" || true; else missed=$1; fi
} 2>/dev/null
trap 'forward TERM' TERM
trap 'forward INT' INT

# Runs a command until it ends, also if signals arrive; sets `code`.
attempt() {
  local now
  "$@" &
  child=$! code=127
  # A signal that came while no command was running goes to this one.
  [[ -z $missed ]] || kill -s "$missed" "$child" || true
  while :; do
    interrupted='' now=0
    wait "$child" || now=$?
    # 127: the command had ended before a signal interrupted the wait.
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
  [[ -z $stopped && ! $last =~ ^(0|129|130)$ ]] || finish "$last"
  if [[ $last -eq 143 ]]; then
    [[ -z $end_when_saved ]] || finish "$last"
    echo "restart: saved on SIGTERM; starting again" >&2
  else
    failures=$((failures + 1))
    echo "restart: failed with exit code $last, failure $failures of $tries" >&2
    [[ $failures -lt $tries ]] || finish "$last"
  fi
  attempt sleep "$pause"
  [[ -z $stopped ]] || finish "$last"
done
