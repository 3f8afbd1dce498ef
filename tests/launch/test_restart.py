"""What starts again, what ends, and that signals reach the command once."""

import signal

import pytest

# Ends with the next code of $HOST/codes each time that it runs.
NEXT_CODE = """
code=$(head -n 1 "$HOST/codes")
sed -i 1d "$HOST/codes"
exit "$code"
"""


@pytest.mark.parametrize(
    ("codes", "options", "expected", "runs"),
    [
        ([0], [], 0, 1),
        # Saved on a signal: again, however often.
        ([143, 143, 143, 143, 0], [], 0, 5),
        ([143, 0], ["--end-when-saved"], 143, 1),
        # A person.
        ([130, 0], [], 130, 1),
        # Failures are counted, saves between them are not.
        ([1, 0], [], 0, 2),
        ([1, 143, 134, 143, 7, 0], [], 7, 5),
        ([9, 0], ["--tries", "1"], 9, 1),
    ],
)
def test_what_starts_again(host, codes, options, expected, runs):
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
        # Saving takes a while, during which nobody may ask again.
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


def test_a_signal_in_the_pause_ends_it_with_the_last_code(host):
    command = host.program("training", "exit 5")
    with host.start("restart.sh", "--pause", 60, "--", command) as process:
        assert process.stderr.readline().startswith("restart: failed with 5")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 5
    assert len(host.seen("training")) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tries", "3", "--"], "no command after --."),
        (["--tries", "0", "--", "true"], "--tries=0 is not a whole number"),
        (["--tries"], "--tries needs a value"),
        (["--twice", "--", "true"], "not understood: --twice"),
    ],
)
def test_what_is_wrong_is_one_sentence(host, words, sentence):
    code, _, err = host.run("restart.sh", *words)
    assert code == 2
    assert err.startswith(f"restart.sh: {sentence}")
    assert err.count("\n") == 1
