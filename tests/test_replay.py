"""Replays: once, however often they are stopped."""

import pytest

from robomem.errors import DataError, FormatError, Reason
from robomem.io.recording import Item
from robomem.memory import Memory
from robomem.replay import replay
from robomem.types import Observation, Receipt


class FakeRecording:
    """Ten visits; some are bad, the end may be missing."""

    kind = "fake recording"
    fingerprint = "f" * 32
    streams = ()
    lacks = ()

    def __init__(self, size=10, bad=(), is_cut=False):
        self.size, self.bad, self.is_cut = size, bad, is_cut
        self.loaded = []

    def items(self):
        for i in range(self.size):
            yield Item(i, (i + 1) / self.size, lambda i=i: self._load(i))
        if self.is_cut:
            raise FormatError("fake.mcap is damaged", reason=Reason.RECORDING_TRUNCATED)

    def _load(self, i):
        self.loaded.append(i)
        if i in self.bad:
            raise DataError("bad", reason=Reason.IMAGE_CORRUPT)
        return Observation(stamp_ns=i * 10**9, text=f"note {i}", source=self.fingerprint)


class FakeMemory:
    """Keeps what it is offered; turns down what it is told to."""

    def __init__(self, unwanted=()):
        self.seen, self.rejected, self.positions, self.unwanted = [], [], {}, unwanted

    def observe(self, observation, *, cursor=None):
        self._advance(cursor)
        if observation.stamp_ns // 10**9 in self.unwanted:
            return Receipt(None, rejected=Reason.STAMP_BACKWARDS)
        self.seen.append(observation.text)
        return Receipt(0)

    def reject(self, reason, *, source="robot", cursor=None):
        self._advance(cursor)
        self.rejected.append((reason, source))

    def position(self, recording):
        return self.positions.get(recording, 0)

    def _advance(self, cursor):
        self.positions[cursor.recording] = cursor.position + 1


class Stopper:
    """Presses Ctrl-C after some items."""

    def __init__(self, after):
        self.after = after

    def __call__(self, progress):
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def test_a_replay_counts_what_became_of_every_item():
    memory = FakeMemory(unwanted={7})

    report = replay(FakeRecording(bad={2, 3}), memory)

    assert memory.seen == [f"note {i}" for i in (0, 1, 4, 5, 6, 8, 9)]
    assert (report.items, report.observed, report.skipped) == (10, 7, 0)
    assert report.rejected == {Reason.IMAGE_CORRUPT: 2, Reason.STAMP_BACKWARDS: 1}
    assert memory.rejected == [(Reason.IMAGE_CORRUPT, "fake:ffffffffffff")] * 2
    assert report.duration_s == 9.0
    assert report.is_complete


def test_a_replay_shows_how_far_it_is():
    shown = []

    replay(FakeRecording(bad={2}), FakeMemory(), on_progress=shown.append)

    assert [each.fraction for each in shown] == [(i + 1) / 10 for i in range(10)]
    assert (shown[-1].items, shown[-1].observed, shown[-1].rejected) == (10, 9, 1)


@pytest.mark.parametrize("after", [1, 4, 10])
def test_a_stopped_replay_goes_on_where_it_was(after):
    memory, recording = FakeMemory(), FakeRecording(bad={4})
    with pytest.raises(KeyboardInterrupt):
        replay(recording, memory, on_progress=Stopper(after))

    report = replay(recording, memory)

    assert report.skipped == after
    assert recording.loaded == list(range(10))
    assert len(memory.rejected) == 1


def test_a_second_replay_adds_nothing():
    memory, recording = FakeMemory(), FakeRecording(bad={4}, is_cut=True)
    replay(recording, memory)
    before = list(memory.seen), list(memory.rejected)

    report = replay(recording, memory)

    assert (memory.seen, memory.rejected) == before
    assert (report.items, report.observed, report.rejected, report.skipped) == (0, 0, {}, 10)


def test_a_damaged_end_is_counted_once_and_said_every_time():
    memory, recording = FakeMemory(), FakeRecording(is_cut=True)

    first, second = replay(recording, memory), replay(recording, memory)

    assert first.rejected == {Reason.RECORDING_TRUNCATED: 1}
    assert second.rejected == {}
    assert not first.is_complete
    assert second.damage == "fake.mcap is damaged"


def test_a_longer_copy_of_a_cut_recording_adds_the_rest():
    memory = FakeMemory()
    replay(FakeRecording(size=6, is_cut=True), memory)

    report = replay(FakeRecording(size=10), memory)

    assert report.observed == 4
    assert memory.seen == [f"note {i}" for i in range(10)]


def test_a_missing_recording_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="not there"):
        replay(tmp_path / "nowhere.mcap", FakeMemory())


def test_half_a_bag_then_the_rest_makes_the_same_memory_as_the_whole(patrol, write_bag, tmp_path):
    bag = write_bag(tmp_path / "patrol", patrol.messages)
    with Memory.open(tmp_path / "whole.rmem") as memory:
        report = replay(bag, memory)
        whole = memory.content_hash
    with Memory.open(tmp_path / "halves.rmem") as memory, pytest.raises(KeyboardInterrupt):
        replay(bag, memory, on_progress=Stopper(5))

    with Memory.open(tmp_path / "halves.rmem") as memory:
        rest = replay(bag, memory)
        again = replay(bag, memory)
        halves = memory.content_hash

    assert (report.observed, rest.observed, again.items) == (11, 6, 0)
    assert report.rejected == {}
    assert halves == whole
