"""Which processes form one run; tests/survive joins real ones."""

import jax
import pytest

from ipixmatch_jax.distributed import mesh, processes
from ipixmatch_jax.distributed.processes import Place


def step(nodes, *, tasks="4", task="2", job="123456"):
    return {
        "SLURM_JOB_ID": job,
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_NUM_TASKS": tasks,
        "SLURM_PROCID": task,
    }


# 123456 = 30 * 4096 + 576, and 61440 + 576 = 62016.
@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("node7", "node7"),
        ("node001,other2", "node001"),
        ("node[001-004]", "node001"),
        ("node[001,003-005],other", "node001"),
        ("gpu-a[12,15]", "gpu-a12"),
        ("rack[1-2]n.site,x", "rack1n.site"),
        ("a,node[1-3]", "a"),
    ],
)
def test_slurm_lists_of_nodes(nodes, host):
    place = processes.from_slurm(step(nodes))
    assert place == Place(f"{host}:62016", 4, 2)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        step("node1", tasks="1", task="0"),
        # A plain command inside an allocation is not a step.
        {
            "SLURM_JOB_ID": "1",
            "SLURM_NTASKS": "4",
            "SLURM_PROCID": "0",
            "SLURM_JOB_NODELIST": "node[1-4]",
        },
    ],
)
def test_only_a_step_of_several_tasks_numbers_the_processes(environment):
    assert processes.from_slurm(environment) is None


def test_flags_that_fit():
    place = processes.from_flags("node1:8476", 2, 1)
    assert place == Place("node1:8476", 2, 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("node1:8476", None, None), "belong together"),
        ((None, 2, 0), "belong together"),
        (("node1:8476", 2, None), "belong together"),
        (("node1", 2, 0), "--coordinator=node1 is not host:port"),
        (("node1:8476", 2, 2), "--process_id=2 is not one of the 2"),
        (("node1:8476", 2, -1), "--process_id=-1 is not one of the 2"),
        (("node1:8476", 0, 0), "--num_processes=0"),
    ],
)
def test_flags_that_do_not_fit_are_one_sentence(given, words):
    with pytest.raises(ValueError, match=words) as error:
        processes.initialise(*given)
    assert "\n" not in str(error.value)


@pytest.fixture
def joined(monkeypatch):
    """The arguments of jax.distributed.initialize, which is not called."""
    calls = []
    monkeypatch.setattr(
        jax.distributed, "initialize", lambda *a, **k: calls.append((a, k))
    )
    for name in step("node1"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_a_single_process_joins_nothing(joined):
    processes.initialise()
    processes.initialise(num_processes=1)
    assert joined == []


def test_flags_take_precedence_over_slurm(joined, monkeypatch):
    for name, value in step("node1").items():
        monkeypatch.setenv(name, value)
    processes.initialise()
    processes.initialise("node9:1", 2, 1, heartbeat_seconds=7)
    processes.initialise(num_processes=1)
    (first, _), (second, options) = joined
    assert first == ("node1:62016", 4, 2)
    assert second == ("node9:1", 2, 1)
    assert options["heartbeat_timeout_seconds"] == 7


def test_a_tpu_host_is_left_to_jax(joined, monkeypatch):
    monkeypatch.setattr(processes, "on_tpu", lambda environment: True)
    processes.initialise()
    ((place, options),) = joined
    assert place == ()
    assert "cluster_detection_method" not in options


def test_a_tpu_that_jax_does_not_know_is_refused(monkeypatch):
    def refuse(**options):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", refuse)
    monkeypatch.setattr(processes, "on_tpu", lambda environment: True)
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS", raising=False)
    with pytest.raises(ValueError, match="give --num_processes=1"):
        processes.initialise()


def test_how_a_tpu_host_is_recognised(monkeypatch):
    monkeypatch.setattr(
        processes.glob,
        "glob",
        lambda pattern: ["/dev/accel0"] if "accel" in pattern else [],
    )
    monkeypatch.setattr(
        processes.importlib.util, "find_spec", lambda name: object()
    )
    assert processes.on_tpu({})
    assert processes.on_tpu({"JAX_PLATFORMS": ""})
    assert processes.on_tpu({"JAX_PLATFORMS": "tpu,cpu"})
    assert not processes.on_tpu({"JAX_PLATFORMS": "cpu"})
    monkeypatch.setattr(
        processes.importlib.util, "find_spec", lambda name: None
    )
    assert not processes.on_tpu({})


def test_a_single_process_waits_for_no_other():
    program = jax.jit(lambda x: x)
    assert processes.compile_together(program) is program


@pytest.mark.parametrize("kind", [ValueError, jax.errors.JaxRuntimeError])
@pytest.mark.parametrize(
    ("count", "words"),
    [
        (2, "process 1 of 2 cannot reach process 0: "),
        (3, "process 1 of 3 cannot reach another process: "),
    ],
)
def test_a_lost_process_is_reported_in_one_sentence(
    monkeypatch, kind, count, words
):
    monkeypatch.setattr(jax, "process_count", lambda: count)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    said = "UNKNOWN: Gloo AllGather failed: Connection closed by peer\nmore"
    with (
        pytest.raises(processes.ProcessLostError) as error,
        processes.report_lost_process(),
    ):
        raise kind(said)
    assert str(error.value).startswith(words)
    assert "Connection closed by peer)" in str(error.value)
    assert "\n" not in str(error.value)


def test_other_errors_are_raised_unchanged():
    with (
        pytest.raises(ValueError, match=r"^a mask is missing$"),
        processes.report_lost_process(),
    ):
        raise ValueError("a mask is missing")


def test_a_mesh_that_leaves_out_a_process_is_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ValueError, match="leaves out devices of the run's 2"):
        mesh.make_mesh(4, 1)


@pytest.mark.parametrize(
    ("coordinator", "bind"),
    [
        ("127.0.0.1:8476", "127.0.0.1:8476"),
        ("localhost:8476", "127.0.0.1:8476"),
        ("[::1]:8476", "[::1]:8476"),
        ("127.8.9.1:1", "127.8.9.1:1"),
        ("node001:8476", None),
        ("10.0.0.5:8476", None),
    ],
)
def test_a_loopback_coordinator_listens_on_loopback_alone(coordinator, bind):
    assert processes.loopback_bind(coordinator) == bind
