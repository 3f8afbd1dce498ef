#!/usr/bin/env bash
#
# Submits a training to Kubernetes as a JobSet with one pod per node.
#
#   launch/kubernetes.sh [--print] --name NAME --image IMAGE --claim CLAIM
#       [--nodes N] [--gpus N [--accelerator A]]
#       [--tpus N --accelerator A --topology T] [--spot] [--tries N]
#       -- --config configs/voc.py:r101_1_8 --workdir /mnt/runs/NAME ...
#
# --gpus or --tpus is the number per node. --accelerator is GKE's name, such as
# nvidia-h100-80gb or tpu-v5-lite-podslice, and --topology the shape of the TPU
# slice, such as 4x4; on clusters other than GKE leave --accelerator out.
# --claim is a PersistentVolumeClaim for the data and --workdir, mounted at
# /mnt. All pods must be able to write to it (ReadWriteMany for several pods).
# --image holds the checkout (see launch/Dockerfile). Needs JobSet 0.6 or newer.
#
# After a preemption, or an exit with 143 (saved on SIGTERM), the set starts
# again, as often as needed. After other failures the set is tried --tries times
# (default 3) in all.
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
    *) die "unknown option $1; put the flags of the training after --." ;;
  esac
done
[[ $# -gt 0 ]] || die "give the flags of the training after --."
[[ $name =~ ^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$ ]] ||
  die "--name '$name' is not lower-case letters, digits and hyphens (max. 40)."
[[ $image ]] || die "--image is missing."
[[ $claim ]] ||
  die "--claim is missing: the volume for the data and the workdir."
number --nodes "$nodes"
number --gpus "$gpus" 0
number --tpus "$tpus" 0
number --tries "$tries"
[[ $gpus -eq 0 || $tpus -eq 0 ]] || die "use --gpus or --tpus, not both."
[[ $tpus -eq 0 || ($accelerator && $topology) ]] ||
  die "--tpus needs --accelerator and --topology."
[[ $tpus -gt 0 || -z $topology ]] || die "--topology is for --tpus only."

# Quotes a word as a JSON string, which is also valid YAML. Kubernetes would
# replace $(NAME), so that is written as $$(NAME).
quoted() {
  local word=${1//\\/\\\\}
  word=${word//\"/\\\"}
  word=${word//\$(/\$\$(}
  echo "\"$word\""
}

# The flags that identify the processes. On a TPU slice jax finds them itself.
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
  local cache
  cache=$(cache_flag "$@")
  cat <<END
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $name
spec:
  failurePolicy:
    maxRestarts: $((tries - 1))
    rules:
    # Exit code 143 and preemptions fail the job through podFailurePolicy.
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
            # Seconds to save after SIGTERM.
            terminationGracePeriodSeconds: 120
$(selectors)
            containers:
            - name: training
              image: $(quoted "$image")
              command: [python, -m, ipixmatch_jax.main]
              args:
$(while read -r word; do echo "              - \"$word\""; done < <(places))
$(for word in "$@" ${cache:+"$cache"}; do echo "              - $(quoted "$word")"; done)
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
            # Data workers and NCCL pass arrays through shared memory.
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
