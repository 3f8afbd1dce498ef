#!/usr/bin/env bash
#
# Trains on TPU VMs (a single host or a pod slice) through gcloud.
#
#   launch/tpu.sh [--print] ACTION --name NAME --zone ZONE --type TYPE
#                 [--version RUNTIME] [--spot] [--project P] [--setup COMMAND]
#                 [--worker N] [--tries N] [--pause SECONDS]
#                 [-- --config FILE ...]
#
#   create   requests the slice as a queued resource (--spot: preemptible)
#   state    prints the state of the request; ACTIVE means the slice is ready
#   install  copies the last commit to all workers and installs it
#   run      starts the training on all workers, in the background
#   logs     follows the log of one worker (--worker, default 0)
#   result   prints "running", "none" or the exit code of worker 0
#   stop     sends SIGTERM to the training on all workers: it saves and ends
#   delete   gives the slice back
#   watch    does all of this: create, install and run, and the same again after
#            a preemption, until the training ends; then prints the end of the
#            log
#
# TYPE is an accelerator type such as v5litepod-16, RUNTIME its TPU software
# version (default v2-alpha-tpuv5-lite). --workdir must be the same folder on
# all hosts of a slice, and still be there after a preemption. --setup runs on
# every worker before the training and can mount it. Each worker runs
# launch/restart.sh with --tries (default 3). `watch` checks every --pause
# seconds (default 60). It gives up after --tries requests with the state
# FAILED, or if gcloud fails ten times in a row. End `watch` before you use
# `stop`, because it restarts a training that ended with 143.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

action='' name='' zone='' type='' version=v2-alpha-tpuv5-lite spot=''
project='' setup='' worker=0 tries=3 pause=60
while [[ $# -gt 0 ]]; do
  case $1 in
    --print) print=1; shift ;;
    --spot) spot=1; shift ;;
    --name) needs_value "$1" $#; name=$2; shift 2 ;;
    --zone) needs_value "$1" $#; zone=$2; shift 2 ;;
    --type) needs_value "$1" $#; type=$2; shift 2 ;;
    --version) needs_value "$1" $#; version=$2; shift 2 ;;
    --project) needs_value "$1" $#; project=$2; shift 2 ;;
    --setup) needs_value "$1" $#; setup=$2; shift 2 ;;
    --worker) needs_value "$1" $#; worker=$2; shift 2 ;;
    --tries) needs_value "$1" $#; tries=$2; shift 2 ;;
    --help) usage; exit ;;
    --pause) needs_value "$1" $#; pause=$2; shift 2 ;;
    --) shift; break ;;
    [a-z]*) action=$1; shift ;;
    *) die "unknown option $1; put the flags of the training after --." ;;
  esac
done
[[ $action =~ ^(create|state|install|run|logs|result|stop|delete|watch)$ ]] ||
  die "unknown action '$action'; --help lists the actions."
[[ $name =~ ^[a-z]([a-z0-9-]*[a-z0-9])?$ ]] ||
  die "--name '$name' is not lower-case letters, digits and hyphens."
[[ $zone ]] || die "--zone is missing, for example europe-west4-b."
[[ $type || ! $action =~ ^(create|watch)$ ]] ||
  die "--type is missing, for example v5litepod-16."
[[ $# -gt 0 || ! $action =~ ^(run|watch)$ ]] ||
  die "give the flags of the training after --."
number --worker "$worker" 0
number --tries "$tries"
number --pause "$pause" 0

archive=$root/.cache/ipixmatch_jax.tar.gz
where=("--zone=$zone")
[[ -z $project ]] || where+=("--project=$project")
queue=(gcloud compute tpus queued-resources)
vm=(gcloud compute tpus tpu-vm)

on_workers() {
  run "${vm[@]}" ssh "$name" "${where[@]}" "--worker=$1" "--command=$2"
}

create() {
  local options=("--node-id=$name" "--accelerator-type=$type"
    "--runtime-version=$version")
  [[ -z $spot ]] || options+=(--spot)
  run "${queue[@]}" create "$name" "${where[@]}" "${options[@]}"
}

# Uses `list`, which prints nothing if there is no request and fails only if
# gcloud does not answer.
state() {
  run "${queue[@]}" list "${where[@]}" "--filter=name~(^|/)$name\$" \
    '--format=value(state.state)'
}

install() {
  run mkdir -p "${archive%/*}" &&
    run git -C "$root" archive --format=tar.gz "--output=$archive" HEAD &&
    run "${vm[@]}" scp "$archive" "$name:" "${where[@]}" --worker=all &&
    on_workers all "mkdir -p ipixmatch_jax &&\
 tar -xzf ipixmatch_jax.tar.gz -C ipixmatch_jax &&\
 bash ipixmatch_jax/launch/tpu_install.sh"
}

# restart.sh runs in a session of its own, so it goes on after the connection
# ends. If it is still running, for example because only one other worker was
# lost, it is ended first.
start() {
  local training cache
  cache=$(cache_flag "$@")
  training=$(show "$@" ${cache:+"$cache"})
  [[ -z $setup ]] || on_workers all "$setup" || return 1
  on_workers all "cd ipixmatch_jax || exit 1;\
 while kill -s TERM \$(cat run.pid); do sleep 2; done 2>/dev/null;\
 rm -f run.code;\
 { setsid nohup bash launch/restart.sh --tries $tries --code-file run.code --\
 .venv/bin/python -m ipixmatch_jax.main $training\
 >>run.log 2>&1 </dev/null & echo \$! >run.pid; }"
}

# Prints "none" if the process has gone without an exit code, as it does when
# its host is lost.
result() {
  on_workers 0 "cd ipixmatch_jax 2>/dev/null && { cat run.code 2>/dev/null ||\
 { kill -0 \$(cat run.pid) && echo running; } 2>/dev/null; } || echo none"
}

delete() {
  run "${queue[@]}" delete "$name" "${where[@]}" --force --quiet
}

# With --print, shows what `watch` may do.
show_watch() {
  echo "# every $pause seconds:"
  state
  echo "# if there is no request:"
  create
  echo "# if it is SUSPENDED (preempted) or FAILED, before a new request:"
  delete
  echo "# if it is ACTIVE:"
  result
  echo "# if that prints none (if it prints 143, without the installation):"
  install
  start "$@"
  echo "# if it prints another exit code, at the end:"
  on_workers 0 "tail -n 30 ipixmatch_jax/run.log"
}

# Acts on the state of the slice; fails if gcloud does not answer.
requests=0
look() {
  local now
  now=$(state) || return 1
  case $now in
    "") create ;;
    ACTIVE) look_inside "$@" ;;
    SUSPENDED) delete ;;
    FAILED)
      requests=$((requests + 1))
      [[ $requests -lt $tries ]] ||
        die "$requests requests for the slice have failed."
      delete
      ;;
  esac
}

# Ends the watch with the exit code of the training; 143 starts it again.
look_inside() {
  local now
  now=$(result) || return 1
  case $now in
    running) ;;
    none) install && start "$@" ;;
    143) start "$@" ;;
    *)
      on_workers 0 "tail -n 30 ipixmatch_jax/run.log" || true
      echo "tpu: the training ended with $now; the slice still exists" >&2
      exit "$now"
      ;;
  esac
}

watch() {
  local silent=0
  while [[ $silent -lt 10 ]]; do
    if look "$@"; then silent=0; else silent=$((silent + 1)); fi
    sleep "$pause"
  done
  die "gcloud has failed ten times in a row."
}

case $action in
  run) start "$@" ;;
  logs) on_workers "$worker" "tail -n 100 -f ipixmatch_jax/run.log" ;;
  stop) on_workers all "kill -s TERM \$(cat ipixmatch_jax/run.pid)" ;;
  watch) if [[ $print ]]; then show_watch "$@"; else watch "$@"; fi ;;
  *) "$action" ;;
esac
