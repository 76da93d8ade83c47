"""Every setting, with its unit in its name and its bounds in its type. A default for everything."""

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from robomem.claims import Level
from robomem.errors import ConfigError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class IntakeConfig(_Section):
    """What an observation must satisfy to be let in."""

    max_stamp_regress_s: float = Field(default=0.5, ge=0)
    """An observation may be this much older than the newest one of its source."""
    max_stamp_jump_s: PositiveFloat = 30 * 86400.0
    """A stamp further ahead is taken for corrupt, until the next one confirms it."""
    max_log_regress_s: float = Field(default=600.0, ge=0)
    """What is logged may be this much older: captions and outcomes come late."""
    max_text_chars: PositiveInt = 10_000
    """A longer text is rejected."""
    max_coordinate_m: PositiveFloat = 20_000.0
    """A pose farther from the origin of map is out of bounds."""


# Of a map that there is: what is not about its content.
CHANGEABLE = {"max_range_m", "mode", "budget_bytes", "keep_embeddings", "threads"}


class SpatialConfig(_Section):
    """The octree. The occupancy figures are OctoMap's (Hornung et al., 2013), as log-odds."""

    voxel_size_m: float = Field(default=0.05, ge=0.005, le=5.0)
    max_range_m: PositiveFloat = 5.0
    """Farther returns still clear the space up to this range."""
    log_odds_hit: float = Field(default=0.85, gt=0, le=10)
    log_odds_miss: float = Field(default=-0.4, ge=-10, lt=0)
    log_odds_min: float = Field(default=-2.0, ge=-30, lt=0)
    log_odds_max: float = Field(default=3.5, gt=0, le=30)
    mode: Literal["fast", "exact"] = "fast"
    """`exact` follows every ray; `fast` finds the same voxels but for about one in a thousand."""
    budget_bytes: int = Field(default=512 * 2**20, ge=2**20)
    """What the map may take in memory; what was seen longest ago is read from disk when needed."""
    keep_embeddings: bool = False
    """Keep in the voxels what detections with an embedding and a box look like (`Octree.similar`).
    `forget` does not reach them."""
    code_similarity: float = Field(default=0.8, ge=0, le=0.999)
    """Embeddings whose cosine is this or more may share a code: less than that of two looks at one thing."""
    surfel_size_m: float = Field(default=0.1, ge=0.01, le=5.0)
    """Which keyframes saw a surface is remembered in cells of this size."""
    threads: PositiveInt = 1
    """For rays, and for large batches of queries."""

    @property
    def content(self) -> dict[str, object]:
        """The settings that a map cannot change later."""
        return self.model_dump(exclude=CHANGEABLE)


class MotionConfig(_Section):
    """What moves is told from what stands, and does not go into the map."""

    is_split: bool = True
    """False: everything goes into the map, and what passed is cleared by later rays."""
    free_after_s: PositiveFloat = 1.0
    """What shows up in space that stayed free for so long has moved there."""
    remember_s: PositiveFloat = 300.0
    """After so long without a look, what stands in free space may have been put there, or odometry drifted."""
    settle_s: PositiveFloat = 6.0
    """What stopped, and stood for so long while it was looked at, goes into the map."""
    rest_s: PositiveFloat = 1.5
    """What was never seen to move does so after this long."""
    history_s: PositiveFloat = 60.0
    """What moved is remembered for so long."""
    noise_m: float = Field(default=0.0, ge=0, le=1)
    """How far before a surface the sensor may measure it,"""
    noise_per_m2: float = Field(default=0.006, ge=0, le=1)
    """and how much more with the square of the range; for a LiDAR 0.08 and 0."""


class KeyframeConfig(_Section):
    """A keyframe is born when the robot moved or turned this much, or this much time went by."""

    min_distance_m: PositiveFloat = 0.5
    min_rotation_rad: PositiveFloat = 0.5
    max_interval_s: PositiveFloat = 30.0
    follow_jumps: bool = False
    """When map jumps against odom, share the jump out over the way since the last one, and correct it: right
    where a SLAM corrects the past and tells nothing else, wrong where a robot was lost and found itself."""


class SemanticConfig(_Section):
    """Association of detections with entities, and the evidence that one is gone."""

    gate_m: PositiveFloat = 0.5
    """A detection farther than this from an entity is another one."""
    min_score: float = Field(default=0.3, ge=0, le=1)
    confirm_sightings: PositiveInt = 3
    """An entity is believed in after this many sightings."""
    log_odds_sighting: float = Field(default=2.0, gt=0, le=10)
    """What a sighting adds to the log-odds that an entity is there,"""
    log_odds_absent: float = Field(default=-2.0, ge=-10, lt=0)
    """and a look at its place that saw through it; at 0 it is missing."""
    log_odds_max: float = Field(default=6.0, gt=0, le=30)
    """No surer than this, either way: three looks find out that it is gone, however often it was seen."""
    see_through_m: PositiveFloat = 0.08
    """A look sees through a place when it measures this much beyond it,"""
    see_through_per_m2: float = Field(default=0.003, ge=0, le=1)
    """and so much more with the square of the depth, which is less exact then."""
    tentative_s: PositiveFloat = 86400.0
    """A thing that was not sighted again for so long before it was confirmed was a mistake of the detector; a look
    in vain says so sooner."""
    average_sightings: PositiveInt = 20
    """The position is the mean of about the last so many sightings."""
    shift_m: PositiveFloat = 0.2
    """An entity sighted this far from its position, `confirm_sightings` times in a row, was shifted there."""
    similarity: float = Field(default=0.75, ge=0, le=1)
    """Embeddings whose cosine is less than this are not of one thing."""
    gone_after_s: PositiveFloat = 86400.0
    """What is missing, and still is at a look so long after it was first missed, is gone."""
    touch_m: float = Field(default=0.1, ge=0, le=1)
    """A thing stands on what its underside is this near to the top of."""
    beside_m: float = Field(default=0.5, ge=0, le=10)
    """Things are near when no more than this is between their boxes."""


class EpisodicConfig(_Section):
    """When a sighting becomes another event, and how events are ranked; see `episodic.search`."""

    sighting_gap_s: PositiveFloat = 30.0
    """Seen again after this long is a new event."""
    embedding_model: str | None = None
    """What makes the embeddings of the events, where `ask.encoder` does not; it cannot change once there is one."""
    weight_similarity: PositiveFloat = 1.0
    """What it means,"""
    weight_text: PositiveFloat = 0.3
    """the words in it,"""
    weight_place: PositiveFloat = 0.3
    """where"""
    weight_time: PositiveFloat = 0.2
    """and when it was."""
    neighbours: int = Field(default=2, ge=0, le=16)
    """So many events before and after a hit are of its episode,"""
    neighbour_gap_s: PositiveFloat = 120.0
    """no longer away than this,"""
    neighbour_share: float = Field(default=0.7, gt=0, lt=1)
    """and get this share of its score, the second of them the share of the share."""


class SegmentConfig(_Section):
    """Where the stream of events is cut into episodes; see `episodic.segments`."""

    gamma: float = Field(default=1.0, ge=0, le=10)
    """A surprise is so many deviations above the mean of those before it."""
    window_events: int = Field(default=48, ge=4, le=4096)
    """How many that are."""
    context_events: int = Field(default=6, ge=1, le=256)
    """An event is predicted from so many before it."""
    min_modularity: float = Field(default=0.06, ge=0, le=1)
    """A boundary is none where modularity is less than this part of what it were with nothing in common."""
    min_events: PositiveInt = 3
    """An episode has at least so many events, the last one excepted,"""
    max_events: PositiveInt = 128
    """and at most so many."""
    place_m: PositiveFloat = 3.0
    """So far away is another place,"""
    place_weight: float = Field(default=0.35, ge=0, le=10)
    """which counts so much, where another content counts 1."""
    gap_s: PositiveFloat = 300.0
    """So long after is another time,"""
    gap_weight: float = Field(default=0.15, ge=0, le=10)
    kind_weight: float = Field(default=0.1, ge=0, le=10)
    """And an event of a kind that the few before it do not have."""
    chunk_segments: int = Field(default=8, ge=2, le=256)
    """So many segments make a chunk; fewer where a day ends."""

    @property
    def lookback_events(self) -> int:
        """How many events before the next one tell whether that surprises."""
        return self.window_events + self.context_events

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if self.max_events < 2 * self.min_events:
            raise ValueError("max_events is at least twice min_events")
        return self


class ExperienceConfig(_Section):
    """When what was tried becomes a procedure, and when one is given up; see `episodic.experience`."""

    min_successes: int = Field(default=3, ge=2, le=1000)
    """A procedure is distilled from so many successes that share a skeleton."""
    plan_overlap: float = Field(default=0.6, gt=0, le=1)
    """Plans share a skeleton that is this part or more of each."""
    recent_uses: int = Field(default=6, ge=1, le=1000)
    """By so many of its last uses it is judged,"""
    min_rate: float = Field(default=0.6, ge=0, le=1)
    """and given up where their rate of success is surely below this, or below what it had been."""


class FactsConfig(_Section):
    """What "this" is, when a word is given to a thing."""

    just_seen_s: PositiveFloat = 3.0
    """The thing was in view so shortly before; where there were several,"""
    new_s: PositiveFloat = 10.0
    """it is the only one that was never seen before that."""


class RetentionConfig(_Section):
    """How much of what happened is kept, and what goes when that is too much. The budgets hold after every call."""

    max_events: PositiveInt = 2_000_000
    max_bytes: PositiveInt = 4 * 2**30
    """Of events with their words and embeddings, as they are counted: see `memory.retention.report`."""
    slack: float = Field(default=0.05, ge=0, lt=1)
    """When a budget is exceeded, make so much more room at once."""
    strategy: Literal["learned", "fifo", "lifo", "least_visited", "most_visited", "weakest"] = (
        "learned"
    )
    """What goes first; `learned` chooses among the others by what is asked for."""
    place_share: float = Field(default=0.2, ge=0, le=1)
    """This part of the budget is shared out evenly among the places: no strategy takes it while others have more."""
    recent_share: float = Field(default=0.1, ge=0, le=1)
    """This part is kept for the newest events."""
    place_size_m: PositiveFloat = 4.0
    """Where rooms are not told, a place is a square of this size."""
    stability_s: PositiveFloat = 86400.0
    """A mere sighting fades to 1/e in this time; see `episodic.retention.strength`."""
    rehearsal_gain: float = Field(default=1.0, ge=0)
    """A recall of a memory that had quite faded makes it so much stabler, times one plus this."""
    merge_gap_s: float = Field(default=600.0, ge=0)
    """Sightings and captions that say the same and follow each other within this time become one, when idle."""
    merge_similarity: float = Field(default=0.95, gt=0, le=1)
    """Captions whose embeddings have this cosine say the same."""
    learning_rate: PositiveFloat = 0.5
    """How much a strategy loses by an answer that it would no longer have: Hedge's eta."""
    learning_share: float = Field(default=0.01, ge=0, lt=1)
    """How soon another strategy may become the best: Fixed Share's alpha."""


NAMED_SOURCES = {
    "robot": Level.OWN,
    "human": Level.KNOWN,
    "web": Level.UNTRUSTED,
    "model": Level.UNTRUSTED,
}


class GuardConfig(_Section):
    """Which sources are believed, and what makes up for it where one is not."""

    sources: dict[str, Level] = {}
    """Who is who, by the name of a source up to the first "/" or ":", beside the robot (own), "human" (known), "web"
    and "model" (untrusted). Whoever is not named is unknown."""
    known_prior: tuple[PositiveFloat, PositiveFloat] = (8.0, 1.0)
    """Beta(a, b) of a known source that was never checked,"""
    unknown_prior: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)
    """of an unknown one,"""
    untrusted_prior: tuple[PositiveFloat, PositiveFloat] = (1.0, 4.0)
    """and of one that never earns standing."""
    standing: float = Field(default=0.7, gt=0, lt=1)
    """A source is believed unheard while the mean of its distribution is this or more."""
    max_evidence: PositiveFloat = 20.0
    """Beyond the prior nobody gathers more evidence than this, for or against: a liar is found out in time."""
    half_life_s: PositiveFloat = 30 * 86400.0
    """After so long evidence counts half."""
    credit_gap_s: PositiveFloat = 900.0
    """Being right earns credit once in this time: trust cannot be bought in a minute."""
    voices: int = Field(default=2, ge=2)
    """So many independent sources corroborate, one of them with standing. Strangers are one voice together."""
    corroborate_s: PositiveFloat = 86400.0
    """They must say so within this time."""
    copy_s: PositiveFloat = 600.0
    """The same words from another source within this time are a copy, not a voice."""
    copy_likeness: float = Field(default=0.8, gt=0, le=1)
    """The same words: this share of them in common (Jaccard)."""
    fresh_s: PositiveFloat = 120.0
    """What the robot perceived so lately outweighs a known person, too."""
    refute_s: PositiveFloat = 3600.0
    """A thing seen elsewhere so soon was never where it was said to be."""
    near_m: PositiveFloat = 1.5
    """What is on the table is this near to it."""
    max_backdate_s: PositiveFloat = 3600.0
    """What is told as of longer before the newest stamp of the memory is back-dated."""
    flood_per_hour: PositiveInt = 30
    """Nobody but the robot and known people is heard more often."""


class IoConfig(_Section):
    """How streams of messages become observations."""

    map_frame: str = "map"
    odom_frame: str = "odom"
    base_frames: tuple[str, ...] = ("base_link", "base_footprint")
    """Names of the robot's body, the preferred one first."""
    max_wait_s: PositiveFloat = 1.0
    """An image waits this long for its transforms and companions, in time of reception."""
    companion_tolerance_s: float = Field(default=0.02, ge=0)
    """Colour and detections belong to a depth image this close in time."""
    transform_tolerance_s: float = Field(default=0.1, ge=0)
    """A transform is held this long before its first and after its last sample."""
    correction_tolerance_s: float = Field(default=2.0, ge=0)
    """The same for map -> odom, which changes slowly and is often stamped into the future."""
    transform_history_s: PositiveFloat = 10.0
    max_pending: PositiveInt = 64
    """More images than this do not wait: the oldest goes out as it is."""


class StoreConfig(_Section):
    """What the folder keeps, and how hard it is written."""

    sync: Literal["full", "normal"] = "full"
    """`full`: acknowledged survives a power cut; `normal`: it survives the death of the process."""
    checkpoint_observations: PositiveInt = 256
    """The map's changed bricks are written to a brick file after this many observations."""
    keep_images: bool = True
    """Keep depth and colour of every keyframe."""
    scan_budget_bytes: int = Field(default=2 * 2**30, ge=0)
    """Keep so much of the scans, so that the map can follow when keyframes are corrected; 0: it stays."""


class RouteConfig(_Section):
    """The robot on its floor. Heights are above the floor."""

    z_min_m: float = 0.1
    """What is occupied from here"""
    z_max_m: float = 1.2
    """to here stands in the robot's way."""
    floor_m: float = 0.0
    """The height of the floor in map, on which places are numbered and rooms are found."""
    radius_m: PositiveFloat = 0.25
    """Of the robot, seen from above."""
    wall_min_m: float = 1.3
    """From here"""
    wall_max_m: float = 1.9
    """to here there are walls and hardly any furniture: rooms show."""


class AskConfig(_Section):
    """How words are understood."""

    near_radius_m: PositiveFloat = 2.0
    timezone: str = "UTC"
    """Clock times in questions and answers, an IANA name."""
    encoder: Literal["none", "lexical", "minilm"] = "none"
    """What embeds what is logged without an embedding, and finds things by what they mean. `minilm` needs the
    extra `text`; `lexical` knows spellings, not meanings. A memory keeps to the one that it began with."""
    model_url: str | None = None
    """An OpenAI-compatible endpoint, such as "http://127.0.0.1:8080/v1", asked what the grammar does not understand."""
    model_name: str = "default"
    """Which model there."""
    model_key_variable: str | None = None
    """The environment variable that holds its key."""
    model_timeout_s: PositiveFloat = 10.0
    """For one reply."""
    model_attempts: int = Field(default=2, ge=1, le=5)
    """So often it is asked again when it fails, or replies with no query."""
    model_reply_bytes: PositiveInt = 65_536
    """A longer reply is refused."""


class Config(_Section):
    """All settings. `Config()` works."""

    intake: IntakeConfig = IntakeConfig()
    motion: MotionConfig = MotionConfig()
    spatial: SpatialConfig = SpatialConfig()
    keyframes: KeyframeConfig = KeyframeConfig()
    semantic: SemanticConfig = SemanticConfig()
    facts: FactsConfig = FactsConfig()
    episodic: EpisodicConfig = EpisodicConfig()
    segments: SegmentConfig = SegmentConfig()
    experience: ExperienceConfig = ExperienceConfig()
    retention: RetentionConfig = RetentionConfig()
    guard: GuardConfig = GuardConfig()
    io: IoConfig = IoConfig()
    store: StoreConfig = StoreConfig()
    route: RouteConfig = RouteConfig()
    ask: AskConfig = AskConfig()

    @property
    def embedding_model(self) -> str | None:
        """What makes the embeddings of the events, None where that is not told."""
        return self.episodic.embedding_model if self.ask.encoder == "none" else self.ask.encoder

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse settings; raises ConfigError naming every wrong key."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as err:
            raise ConfigError(_describe(err)) from err

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read settings from a TOML file; raises ConfigError naming every wrong key."""
        import tomllib

        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
            raise ConfigError(f"{path}: {err}") from err
        except ValidationError as err:
            raise ConfigError(f"{path}: {_describe(err)}") from err


def _describe(err: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'config'}: {problem['msg']}"
        for problem in err.errors()
    )
