"""rosbag2 recordings: a folder, or a bare .mcap or .db3 file, whole or damaged."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from robomem.config import IoConfig
from robomem.errors import FormatError, Reason
from robomem.io import ros_messages
from robomem.io.assembler import Assembler
from robomem.io.bag_messages import Decoder
from robomem.io.drafts import Draft, Role
from robomem.io.recording import Item, Stream, source_name
from robomem.io.storage import BagTopic, RawMessage, Storage, open_storages, storage_files
from robomem.io.topics import PEEKED, Candidate, find_roles, lacking

_FINGERPRINT_BYTES = 1 << 16
NS_PER_S = 1_000_000_000


class BagRecording:
    """A rosbag2 recording; finds out itself which topics serve for what.

    Raises:
        FormatError: It holds no messages that can be read, or none that a memory can use.
    """

    def __init__(self, path: Path, config: IoConfig) -> None:
        self._config = config
        self._storages = open_storages(path)
        self._topics = _merged(self._storages)
        self._roles = find_roles(self._candidates(), duration_s=self._duration_s())
        used = [topic for topic in self._topics if topic.name in self._roles]
        if not used:
            raise self._useless(path)
        self._decoder = Decoder(used)
        self._used_count = sum(topic.count for topic in used)
        self._fingerprint = self._hash(storage_files(path)[0])
        self._plugin = "sqlite3" if storage_files(path)[0].suffix == ".db3" else "mcap"

    @property
    def kind(self) -> str:
        """The layout in words."""
        return f"rosbag2 ({self._plugin})"

    @property
    def fingerprint(self) -> str:
        """Hash of the first 64 KiB and the first stamp: a copy that grew is the same recording."""
        return self._fingerprint

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every topic and its role."""
        roles = self._roles
        return tuple(
            Stream(
                each.name, roles.get(each.name, Role.IGNORED).value, each.message_type, each.count
            )
            for each in self._topics
        )

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it does not have, and what is damaged."""
        return lacking(self._roles.values()) + self._damages()

    def items(self) -> Iterator[Item]:
        """Yield every observation; damage raises FormatError after what could be read."""
        source = source_name(self.kind, self.fingerprint)
        assembler = Assembler(self._config, self._roles, source=source)
        for position, (draft, progress) in enumerate(self._drafts(assembler)):
            yield Item(position, progress, draft.load)

    def _drafts(self, assembler: Assembler) -> Iterator[tuple[Draft, float]]:
        read = 0
        damage: FormatError | None = None
        for storage in self._storages:
            try:
                for raw in storage.messages(self._roles):
                    read += 1
                    for draft in self._pushed(assembler, raw):
                        yield draft, min(read / self._used_count, 1.0)
            except FormatError as err:
                damage = damage or err  # the next file of the bag may be whole
        for draft in assembler.flush():
            yield draft, 1.0
        if damage:
            raise damage

    def _pushed(self, assembler: Assembler, raw: RawMessage) -> list[Draft]:
        try:
            message = self._decoder.decode(raw.topic, raw.data)
        except FormatError as err:
            return [assembler.refused(err, raw.received_ns)]
        return assembler.push(raw.topic, message, raw.received_ns)

    def _candidates(self) -> Iterator[Candidate]:
        decoder = Decoder([topic for topic in self._topics if topic.message_type in PEEKED])
        for topic in self._topics:
            yield (
                self._peeked(topic, decoder) if topic.message_type in PEEKED else _candidate(topic)
            )

    def _peeked(self, topic: BagTopic, decoder: Decoder) -> Candidate:
        """Look at the first message; one that cannot be read says nothing."""
        try:
            raw = next(raw for storage in self._storages for raw in storage.messages([topic.name]))
            message = decoder.decode_whole(topic.name, raw.data)
        except (StopIteration, FormatError):
            return _candidate(topic)
        return Candidate(
            name=topic.name,
            message_type=topic.message_type,
            count=topic.count,
            encoding=getattr(message, "encoding", getattr(message, "format", "")),
            frame=ros_messages.frame(message.header.frame_id),
            size=(getattr(message, "height", 0), getattr(message, "width", 0)),
        )

    def _duration_s(self) -> float:
        spans = [storage.span_ns for storage in self._storages]
        return (max(last for _, last in spans) - min(first for first, _ in spans)) / NS_PER_S

    def _damages(self) -> tuple[str, ...]:
        return tuple(storage.damage for storage in self._storages if storage.damage)

    def _hash(self, file: Path) -> str:
        digest = blake2b(digest_size=16)
        with file.open("rb") as stream:
            digest.update(stream.read(_FINGERPRINT_BYTES))
        digest.update(str(self._storages[0].span_ns[0]).encode())
        return digest.hexdigest()

    def _useless(self, path: Path) -> FormatError:
        found = ", ".join(
            f"{topic.name} ({topic.message_type}, {topic.count})" for topic in self._topics
        )
        damages = self._damages()
        return FormatError(
            f"{path} has no topic that robomem can use; it has {found or 'no topics'}"
            + "".join(f"; {damage}" for damage in damages),
            reason=Reason.RECORDING_TRUNCATED if damages else Reason.OBSERVATION_EMPTY,
        )


def _candidate(topic: BagTopic) -> Candidate:
    return Candidate(name=topic.name, message_type=topic.message_type, count=topic.count)


def _merged(storages: tuple[Storage, ...]) -> tuple[BagTopic, ...]:
    """Return the topics of all files, counts added, by name."""
    topics: dict[str, BagTopic] = {}
    for each in (topic for storage in storages for topic in storage.topics):
        known = topics.get(each.name)
        topics[each.name] = each if known is None else known.with_more(each.count)
    return tuple(topics[name] for name in sorted(topics))
