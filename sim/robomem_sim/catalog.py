"""What stands in the house: pieces of furniture, how they are grouped, and small things.

A piece is drawn in its own frame: origin on the floor in the middle, front towards +y, back to -y.
"""

from dataclasses import dataclass, field

from robomem_sim.shapes import Color, Part, Surface, ball, box, cylinder

BLACK: Color = (40, 40, 44)
BLUE: Color = (45, 85, 190)
BROWN: Color = (120, 80, 50)
GREEN: Color = (50, 140, 70)
GREY: Color = (130, 135, 140)
ORANGE: Color = (225, 125, 40)
PINK: Color = (225, 130, 160)
PURPLE: Color = (120, 70, 160)
RED: Color = (190, 40, 40)
SILVER: Color = (185, 190, 195)
WHITE: Color = (235, 235, 230)
WOOD: Color = (170, 120, 70)
YELLOW: Color = (225, 190, 50)


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind of thing: what it is called, what it is made of, where things can stand on it."""

    label: str
    parts: tuple[Part, ...]
    surfaces: tuple[Surface, ...] = ()
    is_small: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A piece in a group, in the frame of the group."""

    piece: Piece
    x: float = 0.0
    y: float = 0.0
    quarter_turns: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """Pieces that stand together, and how: with the back to a wall, or in the middle of the room."""

    members: tuple[Member, ...]
    is_against_wall: bool = True
    front_m: float = 0.65  # kept clear before it (all round it in the middle) to walk and to look


@dataclass(frozen=True, slots=True)
class Furnishing:
    """What the house holds: the groups of each named room, and small things spread over all."""

    groups: dict[str, tuple[Group, ...]] = field(default_factory=lambda: _groups())
    on_floor: tuple[Piece, ...] = field(default_factory=lambda: _floor_pieces())
    on_furniture: tuple[Piece, ...] = field(default_factory=lambda: _top_pieces())


def _groups() -> dict[str, tuple[Group, ...]]:
    return {
        "kitchen": (
            _alone(_counter("kitchen counter", 2.0)),
            _alone(_cupboard("white fridge", (0.62, 0.62, 1.75), WHITE, has_top=False)),
            _dining_group(),
        ),
        "living room": (
            _alone(_sofa("grey sofa", GREY)),
            _alone(_shelf("white shelf", WHITE)),
            _alone(_floor_lamp("floor lamp")),
            Group((Member(_table("low table", (0.9, 0.55, 0.42), BLACK)),), is_against_wall=False),
        ),
        "bedroom": (
            _alone(_bed("double bed", BLUE)),
            _alone(_cupboard("wooden nightstand", (0.45, 0.4, 0.5), WOOD)),
            _alone(_cupboard("white wardrobe", (1.2, 0.6, 1.95), WHITE, has_top=False)),
        ),
        "study": (
            _desk_group(),
            _alone(_shelf("wooden shelf", WOOD)),
            _alone(_bin("paper bin")),
        ),
        "hall": (_alone(_cupboard("shoe cabinet", (0.9, 0.32, 0.7), BROWN)),),
    }


def _alone(piece: Piece) -> Group:
    return Group((Member(piece),))


def _dining_group() -> Group:
    chair = _chair("wooden chair", WOOD)
    table = _table("wooden table", (1.3, 0.8, 0.74), WOOD)
    members = Member(table), Member(chair, y=0.72, quarter_turns=2), Member(chair, y=-0.72)
    return Group(members, is_against_wall=False)


def _desk_group() -> Group:
    desk = _table("black desk", (1.4, 0.7, 0.74), BLACK)
    return Group((Member(desk), Member(_office_chair("office chair"), y=0.7, quarter_turns=2)))


def _table(label: str, size: tuple[float, float, float], color: Color) -> Piece:
    w, d, h = size
    legs = [
        box((x * (w / 2 - 0.05), y * (d / 2 - 0.05), (h - 0.04) / 2), (0.05, 0.05, h - 0.04), color)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    top = box((0, 0, h - 0.02), (w, d, 0.04), color)
    return Piece(label, (top, *legs), (_top(w, d, h),))


def _chair(label: str, color: Color) -> Piece:
    seat = box((0, 0, 0.44), (0.42, 0.42, 0.04), color)
    back = box((0, -0.19, 0.68), (0.42, 0.04, 0.44), color)
    legs = [
        box((x * 0.18, y * 0.18, 0.21), (0.04, 0.04, 0.42), color) for x in (-1, 1) for y in (-1, 1)
    ]
    return Piece(label, (seat, back, *legs))


def _office_chair(label: str) -> Piece:
    return Piece(
        label,
        (
            cylinder((0, 0, 0), 0.5, 0.06, BLACK),
            cylinder((0, 0, 0.06), 0.06, 0.36, SILVER),
            box((0, 0, 0.46), (0.46, 0.46, 0.08), GREY),
            box((0, -0.21, 0.73), (0.44, 0.06, 0.46), GREY),
        ),
    )


def _sofa(label: str, color: Color) -> Piece:
    w, d = 1.8, 0.85
    parts = (
        box((0, 0, 0.2), (w, d, 0.4), color),
        box((0, -d / 2 + 0.1, 0.6), (w, 0.2, 0.4), color),
        box((-w / 2 + 0.09, 0.1, 0.5), (0.18, d - 0.2, 0.2), color),
        box((w / 2 - 0.09, 0.1, 0.5), (0.18, d - 0.2, 0.2), color),
    )
    return Piece(label, parts, (Surface(-0.65, -0.15, 0.65, 0.4, 0.4),))


def _bed(label: str, color: Color) -> Piece:
    w, d = 1.5, 2.0
    parts = (
        box((0, 0, 0.15), (w, d, 0.3), WOOD),
        box((0, 0.03, 0.39), (w - 0.06, d - 0.1, 0.18), color),
        box((0, -d / 2 + 0.02, 0.65), (w, 0.04, 0.7), WOOD),
        box((0, -0.72, 0.53), (1.2, 0.4, 0.1), WHITE),
    )
    return Piece(label, parts, (Surface(-0.68, -0.4, 0.68, 0.93, 0.48),))


def _shelf(label: str, color: Color) -> Piece:
    w, d, h = 0.9, 0.32, 0.95
    boards = [box((0, 0, z), (w - 0.06, d, 0.03), color) for z in (0.06, 0.36, 0.66)]
    parts = (
        box((-w / 2 + 0.015, 0, (h - 0.03) / 2), (0.03, d, h - 0.03), color),
        box((w / 2 - 0.015, 0, (h - 0.03) / 2), (0.03, d, h - 0.03), color),
        box((0, 0, h - 0.015), (w, d, 0.03), color),
        *boards,
    )
    return Piece(label, parts, (_top(w, d, h),))


def _counter(label: str, width_m: float) -> Piece:
    parts = (
        box((0, -0.02, 0.43), (width_m, 0.56, 0.86), WHITE),
        box((0, 0, 0.88), (width_m, 0.6, 0.04), GREY),
    )
    return Piece(label, parts, (_top(width_m, 0.6, 0.9),))


def _cupboard(
    label: str, size: tuple[float, float, float], color: Color, *, has_top: bool = True
) -> Piece:
    w, d, h = size
    body = box((0, -0.01, h / 2), (w, d - 0.02, h), color)
    handle = box((w / 2 - 0.08, d / 2 - 0.01, h / 2), (0.03, 0.02, h / 4), BLACK)
    return Piece(label, (body, handle), (_top(w, d - 0.02, h),) if has_top else ())


def _floor_lamp(label: str) -> Piece:
    parts = (
        cylinder((0, 0, 0), 0.3, 0.03, BLACK),
        cylinder((0, 0, 0.03), 0.04, 1.27, BLACK),
        cylinder((0, 0, 1.3), 0.36, 0.26, YELLOW),
    )
    return Piece(label, parts)


def _bin(label: str) -> Piece:
    return Piece(label, (cylinder((0, 0, 0), 0.28, 0.34, GREEN),))


def _top(w: float, d: float, z: float) -> Surface:
    return Surface(-w / 2, -d / 2, w / 2, d / 2, z)


def _top_pieces() -> tuple[Piece, ...]:
    return (
        _mug("red mug", RED),
        _mug("blue mug", BLUE),
        _box("blue box", (0.24, 0.18, 0.14), BLUE),
        _box("red book", (0.17, 0.24, 0.05), RED),
        _box("green book", (0.15, 0.22, 0.06), GREEN),
        _bottle("green bottle", GREEN),
        _box("white bowl", (0.2, 0.2, 0.08), WHITE, is_round=True),
        _box("purple vase", (0.13, 0.13, 0.26), PURPLE, is_round=True),
        _laptop("silver laptop"),
        _desk_lamp("yellow lamp", YELLOW),
        _box("black radio", (0.26, 0.1, 0.15), BLACK),
        _box("red cushion", (0.3, 0.24, 0.13), RED),
        _bear("brown bear"),
        _box("orange kettle", (0.17, 0.17, 0.22), ORANGE, is_round=True),
        _box("pink clock", (0.13, 0.08, 0.13), PINK),
        _ball("orange ball", 0.12, ORANGE),
    )


def _floor_pieces() -> tuple[Piece, ...]:
    return (
        _plant("green plant"),
        _ball("yellow ball", 0.22, YELLOW),
        _backpack("black backpack"),
        _box("brown basket", (0.34, 0.34, 0.24), BROWN, is_round=True),
        _shoes("white shoes"),
        _box("grey suitcase", (0.4, 0.22, 0.55), GREY),
    )


def _small(label: str, *parts: Part) -> Piece:
    return Piece(label, parts, is_small=True)


def _box(
    label: str, size: tuple[float, float, float], color: Color, *, is_round: bool = False
) -> Piece:
    solid = box((0, 0, size[2] / 2), size, color)
    return _small(label, cylinder((0, 0, 0), size[0], size[2], color) if is_round else solid)


def _mug(label: str, color: Color) -> Piece:
    return _small(
        label,
        cylinder((0, 0, 0), 0.09, 0.11, color),
        box((0.055, 0, 0.06), (0.03, 0.015, 0.06), color),
    )


def _bottle(label: str, color: Color) -> Piece:
    return _small(
        label, cylinder((0, 0, 0), 0.08, 0.2, color), cylinder((0, 0, 0.2), 0.03, 0.08, color)
    )


def _laptop(label: str) -> Piece:
    return _small(
        label,
        box((0, 0, 0.01), (0.32, 0.22, 0.02), SILVER),
        box((0, -0.105, 0.12), (0.32, 0.01, 0.2), SILVER),
    )


def _desk_lamp(label: str, color: Color) -> Piece:
    return _small(
        label,
        cylinder((0, 0, 0), 0.14, 0.02, BLACK),
        cylinder((0, 0, 0.02), 0.03, 0.2, BLACK),
        cylinder((0, 0, 0.22), 0.16, 0.12, color),
    )


def _bear(label: str) -> Piece:
    return _small(label, ball((0, 0, 0.09), 0.18, BROWN), ball((0, 0, 0.22), 0.13, BROWN))


def _ball(label: str, diameter_m: float, color: Color) -> Piece:
    return _small(label, ball((0, 0, diameter_m / 2), diameter_m, color))


def _plant(label: str) -> Piece:
    return _small(
        label,
        cylinder((0, 0, 0), 0.26, 0.24, BROWN),
        cylinder((0, 0, 0.24), 0.03, 0.16, GREEN),
        ball((0, 0, 0.56), 0.36, GREEN),
    )


def _backpack(label: str) -> Piece:
    return _small(
        label,
        box((0, 0, 0.21), (0.3, 0.18, 0.42), BLACK),
        box((0, 0.12, 0.13), (0.22, 0.06, 0.2), GREY),
    )


def _shoes(label: str) -> Piece:
    return _small(
        label,
        box((-0.07, 0, 0.05), (0.1, 0.28, 0.1), WHITE),
        box((0.07, 0, 0.05), (0.1, 0.28, 0.1), WHITE),
    )
