import io
import json

import numpy as np
import pytest
from PIL import Image

from robomem.cli import main
from robomem.cli.progress import ProgressLine
from robomem.replay import Progress


@pytest.fixture
def recording(tmp_path):
    """Three depth images in the layout of 7-Scenes, the last one torn."""
    path = tmp_path / "recording"
    path.mkdir()
    for i in range(3):
        depth_mm = np.full((48, 64), 1500, dtype=np.uint16)
        Image.fromarray(depth_mm).save(path / f"frame-{i:06d}.depth.png")
        T_map_cam = np.eye(4)
        T_map_cam[0, 3] = 0.1 * i
        np.savetxt(path / f"frame-{i:06d}.pose.txt", T_map_cam)
    torn = path / "frame-000002.depth.png"
    torn.write_bytes(torn.read_bytes()[:60])
    return path


def test_a_replay_tells_its_streams_and_what_became_of_them(recording, tmp_path, capsys):
    rc = main(["replay", str(recording), "-o", str(tmp_path / "m.rmem"), "--json"])
    captured = capsys.readouterr()
    told = json.loads(captured.out)

    assert rc == 0
    assert "uses depth as depth" in captured.err
    assert "lacks detections" in captured.err
    assert (told["schema"], told["observed"], told["keyframes"]) == (1, 2, 1)
    assert told["rejected"] == sum(told["rejections"].values()) == 1


def test_a_second_replay_adds_nothing(recording, tmp_path, capsys):
    argv = ["replay", str(recording), "-o", str(tmp_path / "m.rmem")]
    main(argv)
    capsys.readouterr()

    rc = main([*argv, "-q"])
    captured = capsys.readouterr()

    assert rc == 0
    assert captured.err == ""
    assert "skipped    3 known from before" in captured.out


class Terminal(io.StringIO):
    def isatty(self):
        return True


def clock_of(*times_s):
    return iter(times_s).__next__


def test_progress_on_a_terminal_is_one_line_with_rate_and_time_left():
    terminal = Terminal()
    line = ProgressLine(terminal, clock_of(0.0, 0.0, 10.0))

    line(Progress(fraction=0.0, items=1, observed=1, rejected=0))
    line(Progress(fraction=0.25, items=1000, observed=998, rejected=2))
    line.finish()

    assert terminal.getvalue() == (
        "\r 25%  998 observed, 2 rejected  100/s  0:30 left\x1b[K\r\x1b[K"
    )


def test_progress_elsewhere_is_a_line_every_ten_seconds():
    log = io.StringIO()
    line = ProgressLine(log, clock_of(0.0, *range(30)))

    for i in range(30):
        line(Progress(fraction=i / 30, items=i + 1, observed=i + 1, rejected=0))
    line.finish()

    assert log.getvalue().count("\n") == 2
