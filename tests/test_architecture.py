"""What may be said about the package as a whole."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import robomem
from robomem import errors
from robomem.config import Config
from robomem.errors import ConfigError, RobomemError


def test_importing_robomem_loads_nothing_heavy():
    heavy = {"numpy", "numba", "torch", "rclpy", "onnxruntime", "rosbags", "PIL", "pydantic"}
    script = "import sys, robomem; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not heavy & set(loaded)


def test_using_a_memory_loads_no_ros_no_torch_and_no_simulator():
    script = "import sys, robomem; robomem.Memory; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"torch", "rclpy", "onnxruntime", "robomem_sim", "matplotlib"} & set(loaded)


def test_a_question_about_things_loads_no_compiler(tmp_path):
    path = str(tmp_path / "a.rmem")
    with robomem.Memory.open(path) as memory:
        memory.observe(robomem.Observation(stamp_ns=0, text="the mail came"))
    script = (
        "import sys, robomem\n"
        "with robomem.Memory.open(sys.argv[1], 'r') as memory:\n"
        "    print(memory.ask('what was I told about the mail').text)\n"
        "print('numba' in sys.modules)\n"
    )

    told = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert "the mail came" in told[0]
    assert told[1] == "False"


def test_every_public_name_is_there():
    for name in robomem.__all__:
        assert getattr(robomem, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = robomem.Nothing


def test_every_module_imports():
    names = [m.name for m in pkgutil.walk_packages(robomem.__path__, "robomem.")]

    assert len(names) > 30
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)


def test_every_error_has_a_docstring_and_an_exit_code():
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type)]
    classes = [cls for cls in classes if issubclass(cls, RobomemError)]

    assert len(classes) > 10
    for cls in classes:
        assert cls.__doc__
        assert cls.exit_code in {2, 3, 4, 5, 6, 7, 8, 70}
        assert f"{cls.__name__} " in errors.__doc__


def test_settings_survive_json_and_refuse_unknown_keys(tmp_path):
    config = Config.from_json('{"spatial": {"voxel_size_m": 0.1}}')

    assert Config.from_json(config.model_dump_json()) == config
    with pytest.raises(ConfigError, match=r"spatial\.voxel_size"):
        Config.from_json('{"spatial": {"voxel_size": 0.1}}')
    with pytest.raises(ConfigError, match=r"spatial\.voxel_size_m"):
        Config.from_json('{"spatial": {"voxel_size_m": -1}}')
    (tmp_path / "bad.toml").write_text("spatial = [")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        Config.from_toml(tmp_path / "bad.toml")
