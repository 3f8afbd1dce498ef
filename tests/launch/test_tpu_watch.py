"""tpu.sh with a stand-in for gcloud: preempted, restarted, ended."""

import shlex
import time

import pytest

from tests.launch.launch_host import LAUNCH

PLACE = ["--name", "mine", "--zone", "z-b"]
TRAINING = ["--config", "a b.py", "--workdir", "it's"]
CACHE = "--compilation_cache=it's/compiled"

# `list` answers with the next line of $HOST/states; an ssh that asks for the
# exit code answers with the next line of $HOST/results.
ANSWERS = """
next() { head -n 1 "$HOST/$1"; sed -i 1d "$HOST/$1"; }
case "$4 $*" in
  list*) next states ;;
  ssh*run.code*echo\\ none*) next results ;;
esac
"""

# ssh runs its command here, in a folder that stands for a worker's home.
WORKER = """
for word in "$@"; do
  case $word in
    --command=*) cd "$HOST/home" && bash -c "${word#--command=}" ;;
  esac
done
"""


def actions(host):
    """The actions that gcloud was asked for, without the queries."""
    names = []
    for words in host.seen("gcloud"):
        command = words[-1] if words[3] == "ssh" else ""
        if "tpu_install" in command:
            names.append("install")
        elif "run.pid; }" in command:
            names.append("start")
        elif "tail" in command:
            names.append("logs")
        elif words[3] in ("create", "delete"):
            names.append(words[3])
    return names


@pytest.mark.parametrize(
    ("states", "results", "expected", "done"),
    [
        (
            [
                *["", "WAITING_FOR_RESOURCES", "ACTIVE", "ACTIVE"],
                *["SUSPENDING", "SUSPENDED", "", "ACTIVE", "ACTIVE", "ACTIVE"],
            ],
            ["none", "running", "none", "running", "0"],
            0,
            [
                *["create", "install", "start", "delete"],
                *["create", "install", "start", "logs"],
            ],
        ),
        (
            ["ACTIVE", "ACTIVE"],
            ["143", "3"],
            3,
            ["start", "logs"],
        ),
        (
            ["FAILED", "", "FAILED"],
            [],
            2,
            ["delete", "create"],
        ),
    ],
    ids=["preempted", "saved and failed", "no capacity"],
)
def test_watch_acts_on_each_state(host, states, results, expected, done):
    host.program("gcloud", ANSWERS)
    host.program("git")
    (host.folder / "states").write_text("".join(f"{s}\n" for s in states))
    (host.folder / "results").write_text("".join(f"{r}\n" for r in results))
    code, _, _ = host.run(
        *["tpu.sh", "watch", *PLACE, "--type", "v5litepod-16", "--spot"],
        *["--pause", 0, "--tries", 2, "--", *TRAINING],
    )
    assert code == expected
    assert actions(host) == done


def test_a_failing_gcloud_is_not_taken_for_a_missing_slice(host):
    host.program("gcloud", "exit 1")
    words = ["watch", *PLACE, "--type", "v5litepod-16", "--pause", 0]
    code, _, err = host.run("tpu.sh", *words, "--", *TRAINING)
    assert code == 2
    assert err == "tpu.sh: gcloud has failed ten times in a row.\n"
    assert len(host.seen("gcloud")) == 10
    assert actions(host) == []


@pytest.mark.parametrize("action", ["create", "run", "result", "stop"])
def test_the_printed_commands_are_those_that_run(host, action):
    host.program("gcloud")
    words = [action, *PLACE, "--type", "v5litepod-16", "--spot"]
    words += ["--setup", "echo 'x'"]
    _, out, _ = host.run("tpu.sh", *words, "--print", "--", *TRAINING)
    assert host.seen("gcloud") == []
    code, _, _ = host.run("tpu.sh", *words, "--", *TRAINING)
    assert code == 0
    printed = [shlex.split(line)[1:] for line in out.splitlines()]
    assert printed == host.seen("gcloud")


def ask_until(host, expected):
    for _ in range(100):
        _, out, _ = host.run("tpu.sh", "result", *PLACE)
        if out == f"{expected}\n":
            return
        time.sleep(0.05)
    raise AssertionError(f"{out!r} instead of {expected}")


def test_a_training_on_a_worker_runs_in_the_background(host):
    home = host.folder / "home"
    checkout = home / "ipixmatch_jax"
    host.program("gcloud", WORKER)
    home.mkdir()
    ask_until(host, "none")
    checkout.mkdir()
    (checkout / "launch").symlink_to(LAUNCH)
    (checkout / ".venv" / "bin").mkdir(parents=True)
    training = host.program(
        "training",
        "trap 'sleep 0.1; exit 143' TERM\n"
        'touch "$HOST/ready"\n'
        "while :; do sleep 0.05; done\n",
    )
    (checkout / ".venv" / "bin" / "python").symlink_to(training)
    ask_until(host, "none")
    # The second start ends the first training.
    for _ in range(2):
        code, _, _ = host.run("tpu.sh", "run", *PLACE, "--", *TRAINING)
        assert code == 0
        ask_until(host, "running")
        while not (host.folder / "ready").exists():
            time.sleep(0.05)
        (host.folder / "ready").unlink()
    assert host.run("tpu.sh", "stop", *PLACE)[0] == 0
    ask_until(host, "143")
    main = ["-m", "ipixmatch_jax.main"]
    assert host.seen("training") == [[*main, *TRAINING, CACHE]] * 2
