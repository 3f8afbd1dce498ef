"""With --print the launchers show their commands and run none."""

import shlex

import pytest
import yaml

from tests.launch.launch_host import LAUNCH

ROOT = LAUNCH.parent
TRAINING = ["--config", "configs/shapes.py", "--workdir", "/m n/it's"]
CACHE = "--compilation_cache=/m n/it's/compiled"
MAIN = ["-m", "ipixmatch_jax.main"]
CLUSTER = ("sbatch", "srun", "gcloud", "kubectl")


@pytest.fixture
def dry(host):
    for name in CLUSTER:
        host.program(name)

    def run(script, *words):
        code, out, err = host.run(script, *words, "--print", "--", *TRAINING)
        assert (code, err) == (0, "")
        assert not host.calls.exists()
        return out

    return run


def commands(out):
    return [
        shlex.split(line) for line in out.splitlines() if line[:1] not in "#"
    ]


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], []),
        (["--platform", "cpu"], ["env", "JAX_PLATFORMS=cpu"]),
        (["--platform", "cuda"], ["env", "JAX_PLATFORMS=cuda"]),
        (
            ["--gpus", "0,2"],
            ["env", "JAX_PLATFORMS=cuda", "CUDA_VISIBLE_DEVICES=0,2"],
        ),
    ],
)
def test_local_prints_the_restarted_training(dry, words, settings):
    out = dry("local.sh", *words, "--tries", "5")
    training = [".venv/bin/python", *MAIN, "--num_processes=1", *TRAINING]
    restart = ["launch/restart.sh", "--tries", "5", "--", *settings]
    assert commands(out) == [["cd", str(ROOT)], restart + training]


def test_slurm_prints_its_sbatch_command(dry):
    out = dry("slurm.sh", "--nodes", "4", "--gpus", "8", "--notice", "120")
    (words,) = commands(out)
    assert words[0] == "sbatch"
    assert words[-6:] == [f"{LAUNCH}/slurm_job.sh", "3", *TRAINING]
    assert {
        f"--chdir={ROOT}",
        "--nodes=4",
        "--ntasks-per-node=1",
        "--gpus-per-node=8",
        "--signal=TERM@120",
        "--requeue",
    } < set(words)


def test_tpu_prints_its_gcloud_commands(dry):
    place = ["--name", "mine", "--zone", "z-b", "--project", "p"]
    where = ["--zone=z-b", "--project=p"]
    queue = ["gcloud", "compute", "tpus", "queued-resources"]
    vm = ["gcloud", "compute", "tpus", "tpu-vm"]
    out = dry("tpu.sh", "create", *place, "--type", "v5litepod-16", "--spot")
    assert commands(out) == [
        [
            *[*queue, "create", "mine", *where, "--node-id=mine"],
            "--accelerator-type=v5litepod-16",
            "--runtime-version=v2-alpha-tpuv5-lite",
            "--spot",
        ]
    ]
    out = dry("tpu.sh", "delete", *place)
    assert commands(out) == [
        [*queue, "delete", "mine", *where, "--force", "--quiet"]
    ]
    archive = str(ROOT / ".cache" / "ipixmatch_jax.tar.gz")
    _, archived, copied, unpacked = commands(dry("tpu.sh", "install", *place))
    assert archived[:4] == ["git", "-C", str(ROOT), "archive"]
    assert copied == [*vm, "scp", archive, "mine:", *where, "--worker=all"]
    assert unpacked[:-1] == [*vm, "ssh", "mine", *where, "--worker=all"]
    setup, started = commands(
        dry("tpu.sh", "run", *place, "--setup", "sudo mount -a")
    )
    assert setup[-2:] == ["--worker=all", "--command=sudo mount -a"]
    assert shlex.join([*TRAINING, CACHE]) in started[-1].replace(
        "'\\''", "'\"'\"'"
    )
    (logs,) = commands(dry("tpu.sh", "logs", *place, "--worker", "3"))
    assert "--worker=3" in logs


def test_tpu_watch_prints_everything_that_it_may_do(dry):
    words = ["--name", "mine", "--zone", "z-b", "--type", "v5litepod-16"]
    out = dry("tpu.sh", "watch", *words)
    actions = [words[4] for words in commands(out) if words[0] == "gcloud"]
    assert actions[:3] == ["list", "create", "delete"]
    assert actions[3:] == ["ssh", "scp", "ssh", "ssh", "ssh"]


def jobset(out):
    head, _, text = out.partition("\n")
    assert head == "kubectl apply --filename=- <<'END'"
    return yaml.safe_load(text.removesuffix("END\n"))


PLACE = ["--name", "mine", "--image", "r/i:1", "--claim", "disk"]


def test_kubernetes_with_gpus(dry):
    more = ["--nodes", "2", "--gpus", "8", "--spot", "--tries", "4"]
    made = jobset(dry("kubernetes.sh", *PLACE, *more))
    assert made["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
    assert made["spec"]["failurePolicy"]["maxRestarts"] == 3
    (rule,) = made["spec"]["failurePolicy"]["rules"]
    assert rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]
    job = made["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert (job["parallelism"], job["completions"]) == (2, 2)
    assert job["backoffLimit"] == 0
    saved, disrupted = job["podFailurePolicy"]["rules"]
    assert saved["onExitCodes"] == {"operator": "In", "values": [143]}
    assert disrupted["onPodConditions"][0]["type"] == "DisruptionTarget"
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["nodeSelector"] == {"cloud.google.com/gke-spot": "true"}
    assert len(pod["tolerations"]) == 1
    (container,) = pod["containers"]
    assert container["command"] == ["python", *MAIN]
    assert container["args"] == [
        "--num_processes=2",
        "--coordinator=mine-workers-0-0.mine:8476",
        "--process_id=$(PROCESS_ID)",
        *TRAINING,
        CACHE,
    ]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 8}}


def test_kubernetes_with_a_tpu_slice(dry):
    more = ["--nodes", "4", "--tpus", "4", "--accelerator"]
    more += ["tpu-v5-lite-podslice", "--topology", "4x4"]
    made = jobset(dry("kubernetes.sh", *PLACE, *more))
    job = made["spec"]["replicatedJobs"][0]["template"]["spec"]
    pod = job["template"]["spec"]
    assert pod["nodeSelector"] == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "4x4",
    }
    (container,) = pod["containers"]
    assert container["args"] == [*TRAINING, CACHE]
    assert container["resources"] == {"limits": {"google.com/tpu": 4}}


def test_flags_are_not_expanded_as_kubernetes_variables(host):
    words = ["--print", "--", '--x=$(HOME) "q" \\']
    code, out, _ = host.run("kubernetes.sh", *PLACE, *words)
    assert code == 0
    job = jobset(out)["spec"]["replicatedJobs"][0]["template"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert container["args"] == ["--num_processes=1", '--x=$$(HOME) "q" \\']


@pytest.mark.parametrize(
    ("training", "added"),
    [
        (
            ["--config=c", "--workdir=/a b"],
            ["--compilation_cache=/a b/compiled"],
        ),
        (["--config=c"], []),
        (["--workdir=/a", "--compilation_cache", "off"], []),
    ],
)
def test_compiled_programs_lie_in_the_workdir_unless_told(
    host, training, added
):
    _, out, _ = host.run("kubernetes.sh", *PLACE, "--print", "--", *training)
    job = jobset(out)["spec"]["replicatedJobs"][0]["template"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert container["args"] == ["--num_processes=1", *training, *added]


@pytest.mark.parametrize(
    ("script", "words", "sentence"),
    [
        ("local.sh", ["--gpus", "all", "--", "x"], "--gpus=all is not like"),
        ("local.sh", ["--platform", "x", "--", "x"], "--platform must be cpu"),
        ("local.sh", ["--platform", "cpu"], "give the flags of the training"),
        ("local.sh", ["--config=x"], "unknown option --config=x; put the"),
        ("slurm.sh", ["--nodes", "two", "--", "x"], "--nodes=two is not a"),
        ("slurm.sh", [], "give the flags of the training after --."),
        ("tpu.sh", ["fly"], "unknown action 'fly'; --help lists"),
        ("tpu.sh", ["run"], "--name '' is not lower-case"),
        ("tpu.sh", ["state", "--name", "a"], "--zone is missing, for example"),
        ("tpu.sh", ["create", "--name=a"], "unknown option --name=a"),
        ("kubernetes.sh", ["--", "x"], "--name '' is not lower-case"),
        ("kubernetes.sh", ["--name", "a", "--", "x"], "--image is missing."),
        (
            "kubernetes.sh",
            [*PLACE, "--tpus", "4", "--", "x"],
            "--tpus needs --accelerator and --topology.",
        ),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(
    host, script, words, sentence
):
    code, out, err = host.run(script, *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"{script}: {sentence}")
    assert err.count("\n") == 1
