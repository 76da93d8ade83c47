"""The README is true: its commands and its code are run here, and print what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def block(language):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return text


def console():
    """Return the commands of the console block, each with the output shown below it."""
    parts = re.split(r"^\$ (.*)$", block("console"), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def run(command, cwd, *, env=None):
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def skeleton(text):
    """Blank the figures: another processor rounds another way, and a hash shows it."""
    text = re.sub(r"[0-9a-f]{32}", "#", text)
    return [re.sub(r"-?\d[\d.,]*", "#", line).split() for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder in which the README's first two commands were run."""
    folder = tmp_path_factory.mktemp("readme")
    return folder, [run_shown(command, folder) for command, _ in console()]


def run_shown(command, folder):
    words = shlex.split(command)
    bin_path = str(Path(sys.executable).parent)
    if words[0] == "python":
        words[0] = sys.executable
    env = os.environ | {"PATH": f"{bin_path}:{os.environ['PATH']}", "NO_COLOR": "1"}
    return run(words, folder, env=env)


def test_the_commands_print_what_is_shown(house):
    _, results = house

    for (command, shown), result in zip(console(), results, strict=True):
        assert result.returncode == ("unicorn" in command), (command, result.stderr)
        assert skeleton(result.stdout) == skeleton(shown), command


def test_the_code_prints_what_is_shown(house):
    folder, _ = house
    (folder / "quickstart.py").write_text(block("python"))

    result = run([sys.executable, "quickstart.py"], folder)

    assert result.returncode == 0, result.stderr
    assert skeleton(result.stdout) == skeleton(block("text"))


def test_every_path_it_names_is_there():
    root = Path(__file__).parents[1]

    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / path).exists(), path
