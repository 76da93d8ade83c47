import json
import os
import subprocess
import sys

import numpy as np
import pytest

from robomem import __version__
from robomem.claims import ClaimKind, Level
from robomem.cli import main
from robomem.cli.parser import CLAIMS, KINDS, LEVELS
from robomem.memory import Memory
from robomem.types import Detection, Happening, Observation, QueryKind

SECOND_NS = 10**9
START = 1767603_600 * SECOND_NS  # 2026-01-05 09:00 UTC
MUG = np.array([1.0, 2.0, 0.5])
CHAIRS = np.array([[-3.0, -1.0, 0.4], [-3.0, 3.0, 0.4]])


def fill(path):
    """Ten seconds beside a mug and two chairs."""
    with Memory.open(path, "w") as memory:
        for i in range(10):
            T_map_cam = np.eye(4)
            T_map_cam[:3, 3] = 0.1 * i, 0, 1
            things = [("red mug", MUG), ("chair", CHAIRS[0]), ("chair", CHAIRS[1])]
            memory.observe(
                Observation(
                    stamp_ns=START + i * SECOND_NS,
                    T_map_cam=T_map_cam,
                    detections=tuple(
                        Detection(label=label, score=0.9, p_cam=p - T_map_cam[:3, 3])
                        for label, p in things
                    ),
                    text="the keys are in the drawer" if i == 5 else None,
                )
            )
    return str(path)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("cli") / "house.rmem")


@pytest.fixture
def cli(capsys):
    """Run a command in this process; the answer has rc, out and err."""

    def run(*argv):
        try:
            rc = main([str(part) for part in argv])
        except SystemExit as err:
            rc = err.code
        captured = capsys.readouterr()
        return subprocess.CompletedProcess(argv, rc, captured.out, captured.err)

    return run


def spawn(*argv, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "robomem.cli", *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **kwargs,
    )


def test_an_answer_has_its_evidence_and_what_was_understood(cli, house):
    done = cli("ask", house, "where is my mug?")

    assert done.returncode == 0
    assert done.stdout.startswith(
        "I last saw the red mug at (1.00, 2.00, 0.50) m in map, at 09:00:09"
    )
    assert "red mug, seen 10 times" in done.stdout
    assert done.stdout.endswith("understood as: where did you last see the mug\n")


def test_a_question_needs_no_quotes(cli, house):
    assert cli("ask", house, "how", "many", "chairs").stdout.startswith("I have seen 2 chairs.")


def test_an_unknown_thing_has_not_been_seen(cli, house):
    done = cli("ask", house, "where is the unicorn?")

    assert done.returncode == 1
    assert done.stdout.startswith("I have not seen a unicorn.\n")


def test_an_answer_as_json_has_units_in_its_keys(cli, house):
    done = cli("ask", house, "how many chairs", "--json")
    told = json.loads(done.stdout)

    assert (told["schema"], told["value"], told["is_found"]) == (1, 2, True)
    assert told["understood_as"] == "how many chairs"
    assert told["hits"][0]["evidence"]["position_m"] == pytest.approx(CHAIRS[0], abs=1e-6) or (
        told["hits"][0]["evidence"]["position_m"] == pytest.approx(CHAIRS[1], abs=1e-6)
    )
    assert isinstance(told["hits"][0]["evidence"]["stamp_ns"], int)


def test_now_and_the_zone_can_be_chosen(cli, house):
    question = "what did you see", "in the last 5 seconds"

    assert cli("ask", house, *question).returncode == 0
    assert cli("ask", house, *question, "--now", "10:00").returncode == 1
    assert cli("ask", house, *question, "--now", "2026-01-05 10:00").returncode == 1
    berlin = cli("ask", house, "where is the mug", "--timezone", "Europe/Berlin")
    assert "at 10:00:09 on 5 Jan 2026" in berlin.stdout


def test_a_question_that_is_not_understood_lists_the_forms(cli, house):
    done = cli("ask", house, "please sing")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("robomem: I do not understand 'sing': ask \"where is X\"")
    assert done.stderr.count("\n") == 1


def test_recall_takes_negative_coordinates(cli, house):
    for near in (["--near", "-3,-1"], ["--near=-3,-1,0.4"]):
        done = cli("recall", house, *near, "--radius", 1)

        assert done.returncode == 0
        assert done.stdout.count("chair") == 1


def test_recall_narrows_by_label_time_and_limit(cli, house):
    assert cli("recall", house, "--label", "the Mugs").stdout.count("red mug") == 1
    assert cli("recall", house, "--until", "08:59:59").returncode == 1
    assert cli("recall", house, "--since", "t=5s", "--limit", 1).stdout.count("seen") == 1
    told = cli("recall", house, "--kind", "told", "--text", "keys", "--json")
    assert json.loads(told.stdout)["hits"][0]["event"]["text"] == "the keys are in the drawer"


def test_info_tells_what_is_held(cli, house):
    told = json.loads(cli("info", house, "--json").stdout)

    assert (told["observations"], told["entities"], told["rejected"]) == (10, 3, 0)
    assert told["first_stamp_ns"] == START
    text = cli("info", house).stdout
    assert "2026-01-05 09:00:00 to 2026-01-05 09:00:09 UTC, 0:00:09 h" in text
    assert told["content_hash"] in text


def test_an_empty_memory_has_nothing_to_tell(cli, tmp_path):
    Memory.open(tmp_path / "new.rmem", "w").close()

    assert "nothing observed yet" in cli("info", tmp_path / "new.rmem").stdout
    assert cli("ask", tmp_path / "new.rmem", "where is the mug").returncode == 1


def test_forgotten_is_gone(cli, tmp_path):
    memory = fill(tmp_path / "house.rmem")
    hits = json.loads(cli("recall", memory, "--label", "mug", "--json").stdout)["hits"]

    done = cli("forget", memory, hits[0]["entity"]["entity_id"], "--yes")

    assert (done.returncode, done.stdout) == (0, "forgot red mug (1)\n")
    assert cli("ask", memory, "where is the mug").returncode == 1


def test_forgetting_what_is_not_there_says_so(cli, house):
    done = cli("forget", house, 99, "--yes", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["absent_ids"] == [99]
    assert "there is no entity 99" in done.stderr


def test_forgetting_asks_first(house):
    done = spawn("forget", house, 1, stdin=subprocess.DEVNULL)

    assert done.returncode == 2
    assert "say --yes" in done.stderr


def test_doctor_finds_a_working_core(cli):
    done = cli("doctor")
    told = json.loads(cli("doctor", "--json").stdout)

    assert done.returncode == 0
    assert "the core works" in done.stdout
    assert told["is_well"]
    assert {"numpy", "numba jit", "sqlite", "viz", "slam", "ROS 2"} <= {
        f["name"] for f in told["findings"]
    }


def test_doctor_fails_when_the_core_is_broken(cli, monkeypatch):
    from robomem.cli import doctor

    monkeypatch.setattr(doctor, "CORE", (("no-such-package", "no_such_package"),))
    done = cli("doctor")

    assert done.returncode == 5
    assert "MISSING no-such-package" in done.stdout
    assert "pip install no-such-package" in done.stdout


def test_doctor_works_where_nothing_is_installed():
    script = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['numpy', 'numba', 'pydantic', 'PIL', 'rosbags'])\n"
        "from robomem.cli import main\n"
        "sys.exit(main(['doctor', '--json']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 5
    assert not json.loads(done.stdout)["is_well"]


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        ((), "COMMAND: see `robomem --help`"),
        (("fly",), "invalid choice: 'fly'"),
        (("ask",), "MEM, QUESTION: see `robomem ask --help`"),
        (("info", "x", "--bogus"), "--bogus"),
        (("recall", "x", "--near", "1"), "expected x,y or x,y,z"),
        (("recall", "x", "--kind", "why"), "invalid choice: 'why'"),
        (("forget", "x", "mug"), "invalid int value: 'mug'"),
        (("replay", "x"), "-o"),
    ],
)
def test_a_wrong_argument_is_one_line(cli, argv, hint):
    done = cli(*argv)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("robomem: ")
    assert hint in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("--since", "the flood"), "no time: say"),
        (("--radius", "-1"), "positive number of metres"),
        (("--limit", "0"), "at least 1"),
        (("--timezone", "Mars/Olympus", "--since", "09:00"), "no time zone"),
        (("--since", "09:10", "--until", "09:05"), "ends before it begins"),
    ],
)
def test_a_wrong_query_is_one_line(cli, house, argv, hint):
    done = cli("recall", house, *argv)

    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr


def test_a_path_that_is_no_memory_is_a_store_error(cli, tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("mine")
    commands = [("ask", "where is X"), ("recall",), ("info",), ("forget", "1", "--yes")]

    for path in (tmp_path / "absent", tmp_path / "foreign", tmp_path / "foreign" / "thesis.txt"):
        for name, *rest in commands:
            done = cli(name, path, *rest)
            assert done.returncode == 4, (name, path)
            assert done.stderr.startswith("robomem: ")
    assert not (tmp_path / "absent").exists()
    assert [p.name for p in (tmp_path / "foreign").iterdir()] == ["thesis.txt"]


def test_a_locked_memory_can_be_read_and_not_written(cli, tmp_path):
    memory = fill(tmp_path / "house.rmem")

    with Memory.open(memory, "w"):
        read, write = cli("ask", memory, "where is the mug"), cli("forget", memory, 1, "--yes")

    assert read.returncode == 0
    assert write.returncode == 4
    assert str(os.getpid()) in write.stderr


def test_a_recording_that_is_none_makes_no_memory(cli, tmp_path):
    done = cli("replay", tmp_path / "absent.mcap", "-o", tmp_path / "house.rmem")

    assert done.returncode == 3
    assert "absent.mcap" in done.stderr
    assert not (tmp_path / "house.rmem").exists()


def test_a_wrong_setting_is_named(cli, tmp_path):
    (tmp_path / "robomem.toml").write_text("[spatial]\nvoxel_size = 1\n")

    done = cli("replay", tmp_path, "-o", tmp_path / "m", "--config", tmp_path / "robomem.toml")

    assert done.returncode == 2
    assert "spatial.voxel_size" in done.stderr


def test_poses_from_a_file_move_what_is_remembered(cli, tmp_path):
    house, poses = fill(tmp_path / "a.rmem"), tmp_path / "poses.g2o"
    poses.write_text("VERTEX_SE3:QUAT 1 0 0 2 0 0 0 1\n")
    before = json.loads(cli("recall", house, "--label", "mug", "--json").stdout)

    moved = cli("correct", house, "--poses", poses, "--json")
    again = cli("correct", house, "--poses", poses)

    after = json.loads(cli("recall", house, "--label", "mug", "--json").stdout)
    assert (moved.returncode, again.returncode) == (0, 1)
    assert json.loads(moved.stdout)["moved"] == 1
    assert before != after


@pytest.mark.parametrize(
    ("text", "code"),
    [("VERTEX_SE3:QUAT 77 0 0 0 0 0 0 1\n", 2), ("VERTEX_SE3:QUAT 1 0 0\n", 3), (None, 3)],
)
def test_poses_that_do_not_fit_are_refused(cli, tmp_path, text, code):
    house, poses = fill(tmp_path / "a.rmem"), tmp_path / "poses.g2o"
    if text is not None:
        poses.write_text(text)

    refused = cli("correct", house, "--poses", poses)

    assert refused.returncode == code
    assert len(refused.stderr.strip().splitlines()) == 1


def test_where_nothing_was_seen_twice_nothing_moves(cli, tmp_path):
    pytest.importorskip("small_gicp")
    pytest.importorskip("gtsam")

    result = cli("correct", fill(tmp_path / "a.rmem"))

    assert (result.returncode, result.stderr) == (1, "")
    assert "loops      0" in result.stdout


@pytest.fixture
def broken(monkeypatch):
    """Make a command raise what is given."""

    def break_with(err):
        def run(args):
            raise err

        monkeypatch.setattr("robomem.cli.info.run", run)

    return break_with


def test_a_bug_is_one_line_that_says_so(cli, broken):
    broken(ValueError("two\nlines"))

    done, with_trace = cli("info", "x"), cli("--debug", "info", "x")

    assert done.returncode == with_trace.returncode == 70
    assert done.stderr == (
        "robomem: a bug, ValueError: two lines: run again with --debug and report it\n"
    )
    assert "Traceback" in with_trace.stderr


def test_an_interrupt_ends_quietly(cli, broken):
    broken(KeyboardInterrupt())

    done = cli("info", "x")

    assert (done.returncode, done.stderr) == (130, "robomem: interrupted\n")


def test_a_full_disk_is_no_bug(cli, broken):
    broken(OSError(28, "No space left on device", "house.rmem"))

    assert cli("info", "x").returncode == 4


def test_common_options_stand_before_or_after_the_command(cli, broken):
    broken(ValueError())

    assert "Traceback" in cli("info", "x", "--debug").stderr
    assert "Traceback" in cli("--debug", "info", "x", "-q").stderr


def test_a_reader_that_had_enough_is_no_error(house):
    script = f"{sys.executable} -m robomem.cli recall {house} --json | true"

    done = subprocess.run(script, shell=True, capture_output=True, text=True, check=False)

    assert done.stderr == ""


def test_help_and_usage_errors_import_nothing_heavy():
    script = (
        "import sys; from robomem.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "sys.exit('numpy' in sys.modules or 'numba' in sys.modules)"
    )

    for argv in (["--help"], ["recall", "--help"], ["fly"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, argv


def test_the_version_is_told(cli):
    assert cli("--version").stdout == f"robomem {__version__}\n"


def test_every_command_has_help_with_json(cli):
    for command in (
        "replay",
        "ask",
        "recall",
        "info",
        "export",
        "correct",
        "forget",
        "bench",
        "doctor",
    ):
        assert "--json" in cli(command, "--help").stdout


def test_what_is_held_is_listed_and_let_out_when_people_are_introduced(cli, tmp_path):
    path = str(tmp_path / "a.rmem")
    with Memory.open(path) as memory:
        told = Happening(
            kind="told", stamp_ns=10**9, source="anna", text="the keys are in the drawer"
        )
        memory.log([told])

    listed = cli("held", path).stdout
    fields = json.loads(cli("held", path, "--json").stdout)
    after = cli("held", path, "--trust", "anna=known").stdout

    assert "anna" in listed
    assert "the keys are in the drawer" in listed
    assert [held["kind"] for held in fields["held"]] == ["event"]
    assert after == "nothing is held back\n"
    assert "drawer" in cli("ask", path, "what was I told about the keys?").stdout


def test_a_person_may_rule_on_what_is_held(cli, tmp_path):
    path = str(tmp_path / "a.rmem")
    with Memory.open(path) as memory:
        texts = ("the keys are in the drawer", "the lamp is in the hall")
        memory.log(
            Happening(kind="told", stamp_ns=(1 + i) * 10**9, source="guest", text=text)
            for i, text in enumerate(texts)
        )

    cli("held", path, "--release", "event:1", "--reject", "event:2")

    assert cli("ask", path, "what was I told about the keys?").returncode == 0
    assert cli("ask", path, "what was I told about the lamp?").returncode == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ("--trust", "anna"),
        ("--trust", "anna=friend"),
        ("--release", "event"),
        ("--reject", "dream:1"),
        ("--release", "event:99"),
    ],
)
def test_a_ruling_on_nothing_is_refused(cli, tmp_path, wrong):
    with Memory.open(tmp_path / "a.rmem"):
        pass

    done = cli("held", str(tmp_path / "a.rmem"), *wrong)

    assert done.returncode == 2
    assert done.stderr.startswith("robomem: ")


def test_the_kinds_on_the_command_line_are_those_of_the_memory():
    assert tuple(kind.value for kind in QueryKind) == KINDS
    assert tuple(kind.value for kind in ClaimKind) == CLAIMS
    assert tuple(level.value for level in Level) == LEVELS
