#!/usr/bin/env bash
#
# Submits a training to Kubernetes as a JobSet, one pod a node.
#
#   launch/kubernetes.sh [--print] --name NAME --image IMAGE --claim CLAIM
#       [--nodes N] [--gpus N [--accelerator A]]
#       [--tpus N --accelerator A --topology T] [--spot] [--tries N]
#       -- --config configs/voc.py:r101_1_8 --workdir /mnt/runs/NAME ...
#
# --gpus or --tpus are a node's. A is GKE's name of the accelerator, such as
# nvidia-h100-80gb or tpu-v5-lite-podslice, and T the slice's, such as 4x4; on
# other clusters leave --accelerator out. --claim is a PersistentVolumeClaim
# that all pods can write (ReadWriteMany for several), at /mnt: the data and
# --workdir. IMAGE holds the checkout (see launch/Dockerfile). Needs JobSet 0.6
# or newer. A pod that was preempted, or saved on SIGTERM (143), starts the set
# again without limit; other failures at most --tries times (default 3) in all.
set -euo pipefail
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

name='' image='' claim='' nodes=1 gpus=0 tpus=0 accelerator='' topology=''
spot='' tries=3
while [[ $# -gt 0 ]]; do
  case $1 in
    --print) print=1; shift ;;
    --spot) spot=1; shift ;;
    --name) needs_value "$1" $#; name=$2; shift 2 ;;
    --image) needs_value "$1" $#; image=$2; shift 2 ;;
    --claim) needs_value "$1" $#; claim=$2; shift 2 ;;
    --nodes) needs_value "$1" $#; nodes=$2; shift 2 ;;
    --gpus) needs_value "$1" $#; gpus=$2; shift 2 ;;
    --tpus) needs_value "$1" $#; tpus=$2; shift 2 ;;
    --accelerator) needs_value "$1" $#; accelerator=$2; shift 2 ;;
    --topology) needs_value "$1" $#; topology=$2; shift 2 ;;
    --tries) needs_value "$1" $#; tries=$2; shift 2 ;;
    --help) usage; exit ;;
    --) shift; break ;;
    *) die "not understood: $1; flags of the training follow --." ;;
  esac
done
[[ $# -gt 0 ]] || die "no flags of the training after --."
[[ $name =~ ^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$ ]] ||
  die "--name '$name' is not lower-case letters, digits and hyphens (40)."
[[ $image ]] || die "no --image."
[[ $claim ]] || die "no --claim for the data and the workdir."
number --nodes "$nodes"
number --gpus "$gpus" 0
number --tpus "$tpus" 0
number --tries "$tries"
[[ $gpus -eq 0 || $tpus -eq 0 ]] || die "--gpus and --tpus exclude each other."
[[ $tpus -eq 0 || ($accelerator && $topology) ]] ||
  die "--tpus needs --accelerator and --topology."
[[ $tpus -gt 0 || -z $topology ]] || die "--topology goes with --tpus."

# A JSON string is a YAML one; Kubernetes would replace $(NAME).
quoted() {
  local word=${1//\\/\\\\}
  word=${word//\"/\\\"}
  word=${word//\$(/\$\$(}
  echo "\"$word\""
}

# The flags that say who is who; a TPU slice tells by itself.
places() {
  [[ $tpus -eq 0 ]] || return 0
  echo "--num_processes=$nodes"
  [[ $nodes -gt 1 ]] || return 0
  echo "--coordinator=$name-workers-0-0.$name:8476"
  echo "--process_id=\$(PROCESS_ID)"
}

selectors() {
  local kind=gke-accelerator
  [[ $tpus -eq 0 ]] || kind=gke-tpu-accelerator
  [[ $accelerator$spot ]] || return 0
  echo "            nodeSelector:"
  [[ -z $accelerator ]] ||
    echo "              cloud.google.com/$kind: $accelerator"
  [[ -z $topology ]] ||
    echo "              cloud.google.com/gke-tpu-topology: $topology"
  [[ -z $spot ]] || cat <<'END'
              cloud.google.com/gke-spot: "true"
            tolerations:
            - {key: cloud.google.com/gke-spot, operator: Equal, value: "true",
               effect: NoSchedule}
END
}

resources() {
  [[ $gpus -eq 0 ]] || echo "                limits: {nvidia.com/gpu: $gpus}"
  [[ $tpus -eq 0 ]] || echo "                limits: {google.com/tpu: $tpus}"
  [[ $((gpus + tpus)) -gt 0 ]] || echo "                limits: {}"
}

jobset() {
  cat <<END
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $name
spec:
  failurePolicy:
    maxRestarts: $((tries - 1))
    rules:
    # 143 and preemptions fail the job through its podFailurePolicy.
    - name: saved
      action: RestartJobSetAndIgnoreMaxRestarts
      onJobFailureReasons: [PodFailurePolicy]
  replicatedJobs:
  - name: workers
    replicas: 1
    template:
      spec:
        parallelism: $nodes
        completions: $nodes
        completionMode: Indexed
        backoffLimit: 0
        podFailurePolicy:
          rules:
          - action: FailJob
            onExitCodes: {operator: In, values: [143]}
          - action: FailJob
            onPodConditions: [{type: DisruptionTarget, status: "True"}]
        template:
          spec:
            restartPolicy: Never
            # Time for the save after SIGTERM.
            terminationGracePeriodSeconds: 120
$(selectors)
            containers:
            - name: training
              image: $(quoted "$image")
              command: [python, -m, ipixmatch_jax.main]
              args:
$(while read -r word; do echo "              - \"$word\""; done < <(places))
$(for word in "$@"; do echo "              - $(quoted "$word")"; done)
              env:
              - name: PROCESS_ID
                valueFrom:
                  fieldRef:
                    fieldPath: "metadata.annotations\
['batch.kubernetes.io/job-completion-index']"
              resources:
$(resources)
              volumeMounts:
              - {name: shared, mountPath: /mnt}
              - {name: memory, mountPath: /dev/shm}
            volumes:
            - name: shared
              persistentVolumeClaim: {claimName: $claim}
            # Data workers and NCCL hand arrays over in shared memory.
            - name: memory
              emptyDir: {medium: Memory}
END
}

if [[ $print ]]; then
  show kubectl apply --filename=- '<<END' | sed "s/'<<END'/<<'END'/"
  jobset "$@" | sed '/^$/d'
  echo END
else
  jobset "$@" | sed '/^$/d' | kubectl apply --filename=-
fi
