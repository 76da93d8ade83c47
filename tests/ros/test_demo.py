"""What keeps the demonstration in hand: its flow of frames and its child processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from robomem_ros.children import Child
from robomem_ros.flow import Flow, StoppedError

from robomem.errors import RobomemError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes as Linux has them")
TIMEOUT_S = 20.0
POLL_S = 0.02


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Child]:
    """Start a child that runs a program and has written "ready"."""

    def start(program: str) -> Child:
        (tmp_path / "program_of_a_test.py").write_text(f"import signal, sys, time\n{program}")
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        log = tmp_path / "child.log"
        child = Child("program_of_a_test", [], log=log, environment=environment)
        _poll(lambda: "ready" in log.read_text())
        return child

    return start


def _poll(is_it: Callable[[], bool]) -> None:
    waiting = Flow(stall_s=TIMEOUT_S)
    for _ in range(round(TIMEOUT_S / POLL_S)):
        if is_it():
            return
        waiting.pause(POLL_S)
    pytest.fail("waited in vain")


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_a_sender_waits_for_the_receiver():
    flow = Flow(stall_s=TIMEOUT_S)
    flow.hear(100)
    flow.sent()
    flow.sent()
    sender = Thread(target=lambda: flow.wait(at_most=0))

    sender.start()
    flow.hear(101)
    is_waiting = sender.is_alive()
    flow.hear(102)
    sender.join(TIMEOUT_S)

    assert is_waiting
    assert not sender.is_alive()
    assert flow.lost == 0


def test_what_is_not_counted_in_time_is_lost():
    flow = Flow(stall_s=0.01)
    flow.hear(7)
    flow.sent()
    flow.sent()
    flow.hear(8)

    flow.wait(at_most=0)

    assert flow.lost == 1


def test_a_receiver_that_is_never_heard_is_an_error():
    with pytest.raises(RobomemError, match="no memory node"):
        Flow(stall_s=0.01).wait(at_most=3)


def test_a_stopped_sender_goes_no_further():
    flow = Flow(stall_s=TIMEOUT_S)
    flow.stop()

    with pytest.raises(StoppedError):
        flow.wait(at_most=3)
    with pytest.raises(StoppedError):
        flow.pause(TIMEOUT_S)


def test_a_child_ends_with_its_context(start):
    with start("signal.signal(2, lambda *_: sys.exit(0))\nprint('ready')\ntime.sleep(60)") as child:
        pid = child._process.pid

    assert not _is_alive(pid)


def test_a_child_that_fails_names_its_log_and_last_words(start):
    child = start("print('ready')\nsys.exit('the disk is full')")

    _poll(lambda: child._process.poll() is not None)

    with pytest.raises(RobomemError, match=r"exit code 1(.|\n)*child\.log(.|\n)*the disk is full"):
        child.check()


def test_a_child_that_does_not_end_is_killed(start, monkeypatch):
    monkeypatch.setattr("robomem_ros.children.STOP_TIMEOUT_S", 0.1)
    child = start("signal.signal(2, signal.SIG_IGN)\nprint('ready')\ntime.sleep(60)")

    with pytest.raises(RobomemError, match="was killed"):
        child.stop()

    assert not _is_alive(child._process.pid)


def test_the_shared_memory_of_a_killed_child_is_removed(start):
    leftover = Path(f"/dev/shm/fastrtps_of_a_test_{os.getpid()}")
    child = start(f"held = open({str(leftover)!r}, 'w')\nprint('ready')\ntime.sleep(60)")

    child.kill()

    assert not leftover.exists()


def test_the_first_error_survives_a_child_that_fails_too(start):
    child = start("print('ready')\nsys.exit(3)")

    with pytest.raises(ValueError, match="first"), child:
        raise ValueError("first")


def test_a_child_dies_with_its_parent(tmp_path):
    program = (
        "import os, sys, time; from pathlib import Path; from robomem_ros.children import Child\n"
        f"child = Child('http.server', ['0'], log=Path({str(tmp_path / 'log')!r}), environment=os.environ)\n"
        "print(child._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(parent.stdout.readline())

        parent.send_signal(signal.SIGKILL)
        parent.wait(TIMEOUT_S)

    _poll(lambda: not _is_alive(pid))
    assert not _is_alive(pid)
