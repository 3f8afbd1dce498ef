"""restart.sh: when it restarts, when it ends, and that it passes signals on."""

import signal

import pytest

# Each run ends with the next exit code of $HOST/codes.
NEXT_CODE = """
code=$(head -n 1 "$HOST/codes")
sed -i 1d "$HOST/codes"
exit "$code"
"""


@pytest.mark.parametrize(
    ("codes", "options", "expected", "runs"),
    [
        ([0], [], 0, 1),
        # Saved on SIGTERM: started again, as often as needed.
        ([143, 143, 143, 143, 0], [], 0, 5),
        ([143, 0], ["--end-when-saved"], 143, 1),
        # Ctrl-C.
        ([130, 0], [], 130, 1),
        # Only failures are counted, not the saves between them.
        ([1, 0], [], 0, 2),
        ([1, 143, 134, 143, 7, 0], [], 7, 5),
        ([9, 0], ["--tries", "1"], 9, 1),
    ],
)
def test_which_exit_codes_start_the_command_again(
    host, codes, options, expected, runs
):
    command = host.program("training", NEXT_CODE)
    (host.folder / "codes").write_text("".join(f"{c}\n" for c in codes))
    file = host.folder / "code"
    options = [*options, "--pause", 0, "--code-file", file]
    code, _, _ = host.run("restart.sh", *options, "--", command, "a b", "")
    assert code == expected
    assert host.seen("training") == [["a b", ""]] * runs
    assert file.read_text() == f"{expected}\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_goes_to_the_command_once_and_ends_both(host, number, code):
    name = number.name.removeprefix("SIG")
    command = host.program(
        "training",
        # Saving takes a while; no second signal may arrive meanwhile.
        f"""
trap 'echo got; sleep 0.3; exit {code}' {name}
echo ready
while :; do sleep 0.05; done
""",
    )
    with host.start("restart.sh", "--", command) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (code, "got\n", "")
    assert len(host.seen("training")) == 1


def test_a_signal_in_the_pause_ends_the_script_with_the_last_code(host):
    command = host.program("training", "exit 5")
    with host.start("restart.sh", "--pause", 60, "--", command) as process:
        assert process.stderr.readline().startswith(
            "restart: failed with exit code 5"
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 5
    assert len(host.seen("training")) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tries", "3", "--"], "give a command after --."),
        (["--tries", "0", "--", "true"], "--tries=0 is not a whole number"),
        (["--tries"], "--tries needs a value"),
        (["--twice", "--", "true"], "unknown option --twice"),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(host, words, sentence):
    code, _, err = host.run("restart.sh", *words)
    assert code == 2
    assert err.startswith(f"restart.sh: {sentence}")
    assert err.count("\n") == 1
