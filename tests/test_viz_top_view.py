from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from PIL import Image

from robomem.errors import MissingExtraError
from robomem.geometry import pose
from robomem.spatial.octree import OccupancyGrid
from robomem.types import Entity, EntityState, Keyframe
from robomem.viz import top_view
from robomem.viz.top_view import Mark, draw_top_view


def _entity(number: int, label: str, p_map, state=EntityState.PRESENT) -> Entity:
    p = np.array(p_map, dtype=float)
    return Entity(number, label, state, 1, p, p, None, 0, 0, 3, 0.9)


def _memory(entities=(), values=None, keyframes=5) -> SimpleNamespace:
    if values is None:
        values = np.zeros((60, 80), np.int8)
        values[[0, -1], :] = values[:, [0, -1]] = 100
        values = np.pad(values, 10, constant_values=-1)
    track = [
        Keyframe(
            keyframe_id=i,
            stamp_ns=i * 10**9,
            until_ns=i * 10**9,
            T_map_kf=pose(np.eye(3), (0.5 * i, 1.0, 1.0)),
            source="robot",
        )
        for i in range(keyframes)
    ]
    grid = OccupancyGrid(values, (-1.0, -0.5), 0.05)
    return SimpleNamespace(
        map=SimpleNamespace(slice_2d=lambda low, high: grid),
        entities=lambda: list(entities),
        keyframes=lambda: track,
    )


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_picture_shows_unknown_free_occupied_and_the_route(tmp_path):
    path = tmp_path / "view.png"

    draw_top_view(_memory(), path, route=np.array([(0.0, 0.5, 0), (2.0, 0.5, 0)]), title="t")

    colors = {tuple(c) for c in _pixels(path).reshape(-1, 3)}
    route = tuple(bytes.fromhex(top_view.ROUTE[1:]))
    wanted = {top_view.UNKNOWN_RGB, top_view.FREE_RGB, top_view.OCCUPIED_RGB, route}
    assert wanted <= colors


def test_an_empty_memory_is_drawn(tmp_path):
    path = tmp_path / "view.png"

    draw_top_view(_memory(values=np.zeros((0, 0), np.int8), keyframes=0), path)

    assert path.stat().st_size > 0


def test_labels_hide_neither_each_other_nor_the_dots(tmp_path, monkeypatch):
    boxes = []
    original = top_view._draw_label

    def recorded(axes, entity, taken):
        box = original(axes, entity, taken)
        boxes.append((box, list(taken)))
        return box

    monkeypatch.setattr(top_view, "_draw_label", recorded)
    crowd = [
        _entity(i, f"thing number {i}", (1.5 + 0.05 * (i % 4), 1 + 0.1 * (i // 4), 0))
        for i in range(12)
    ]

    draw_top_view(_memory(crowd), tmp_path / "view.png")

    assert len(boxes) == 12
    assert not any(top_view._overlap(box, other) for box, taken in boxes for other in taken)


def test_marks_are_numbered_and_take_room_under_the_map(tmp_path):
    marks = [Mark(np.array([1.0, 1.0, 0.5]), "first?"), Mark(np.array([2.0, 2.0]), "second?")]
    missing = _entity(1, "red mug", (0.5, 0.5, 0.5), EntityState.MISSING)

    draw_top_view(_memory([missing]), tmp_path / "bare.png")
    draw_top_view(_memory([missing]), tmp_path / "marked.png", marks=marks)

    bare, marked = (_pixels(tmp_path / name) for name in ("bare.png", "marked.png"))
    assert marked.shape[0] > bare.shape[0]


def test_the_same_memory_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        draw_top_view(_memory([_entity(1, "red mug", (1, 1, 1))]), tmp_path / name)

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'robomem\[viz\]'"):
        draw_top_view(_memory(), tmp_path / "view.png")
