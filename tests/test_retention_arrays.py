"""What goes under a budget, on arrays: against twins that are too simple to be wrong."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robomem.episodic.retention.allocation import Need, Shares, fair_level, protected, victims
from robomem.episodic.retention.learner import FixedShare
from robomem.episodic.retention.merging import Saying, merges
from robomem.episodic.retention.policies import POLICIES
from robomem.episodic.retention.shadows import Shadows, Want
from robomem.episodic.retention.shelf import Shelf
from robomem.episodic.retention.strength import newer_of_topic, rehearsed, retention
from robomem.types import EventKind

NS = 10**9
quick = settings(max_examples=60, deadline=None)
NO_SHARES = Shares(places=0.0, recent=0.0)


@st.composite
def shelves(draw, *, min_size=0, max_size=30):
    count = draw(st.integers(min_size, max_size))
    column = lambda low, high: np.array(  # noqa: E731
        draw(st.lists(st.integers(low, high), min_size=count, max_size=count)), np.int64
    )
    stamps_ns, places = column(0, 50) * NS, column(-1, 4)
    visits = np.array(draw(st.lists(st.integers(1, 9), min_size=6, max_size=6)), np.int64)
    return Shelf(
        ids=np.arange(1, count + 1),
        stamps_ns=stamps_ns,
        last_ns=stamps_ns + column(0, 20) * NS,
        stability_s=column(1, 40).astype(float),
        places=places,
        topics=column(0, 3),
        visits=visits[places + 1],
        sizes=column(1, 9),
        is_pinned=column(0, 4) == 0,
    )


def shelf_of(count, **columns):
    zeros = np.zeros(count, np.int64)
    shelf = Shelf(
        ids=np.arange(1, count + 1),
        stamps_ns=np.arange(count) * NS,
        last_ns=np.arange(count) * NS,
        stability_s=np.ones(count),
        places=zeros,
        topics=np.arange(count),
        visits=zeros,
        sizes=zeros + 1,
        is_pinned=zeros.astype(bool),
    )
    return replace(shelf, **columns)


shares = st.builds(Shares, places=st.floats(0, 1), recent=st.floats(0, 1))
names = st.sampled_from(sorted(POLICIES))


# ---- strength -----------------------------------------------------------------------------------


@quick
@given(
    last_s=st.integers(0, 10**6),
    stability_s=st.floats(1, 1e7),
    recall_s=st.integers(0, 10**6),
    later_s=st.integers(0, 10**7),
    gain=st.floats(0, 5),
)
def test_rehearsal_never_lowers_strength(last_s, stability_s, recall_s, later_s, gain):
    last_ns, stability = np.array([last_s * NS]), np.array([stability_s])

    after_ns, after = rehearsed(last_ns, stability, stamp_ns=recall_s * NS, gain=gain)

    at_s = max(last_s, recall_s) + later_s
    assert after_ns >= last_ns
    assert after >= stability
    assert retention(at_s - after_ns / NS, after) >= retention(at_s - last_ns / NS, stability)


def test_a_memory_fades_to_one_e_in_its_stability():
    assert retention(np.array([50.0]), np.array([50.0])) == pytest.approx(np.exp(-1))


def test_a_recall_at_once_gains_nothing_and_a_late_one_much():
    at_once = rehearsed(np.array([0]), np.array([100.0]), stamp_ns=0, gain=1.0)
    late = rehearsed(np.array([0]), np.array([100.0]), stamp_ns=1000 * NS, gain=1.0)

    assert at_once[1] == 100.0
    assert late[1] == pytest.approx(200.0, rel=1e-3)


@quick
@given(shelves())
def test_newer_ones_of_a_topic_are_counted(shelf):
    keys = list(zip(shelf.stamps_ns, shelf.ids, shelf.topics, strict=True))

    expected = [sum(b[2] == a[2] and b[:2] > a[:2] for b in keys) for a in keys]

    assert newer_of_topic(shelf).tolist() == expected


# ---- policies -----------------------------------------------------------------------------------


@quick
@given(shelves(), names, st.randoms(use_true_random=False))
def test_the_order_of_eviction_depends_on_the_events_only(shelf, name, random):
    shuffled = list(range(len(shelf)))
    random.shuffle(shuffled)
    other = shelf.take(np.array(shuffled, np.int64))

    order = shelf.ids[POLICIES[name](shelf, now_ns=100 * NS)]

    assert sorted(order) == shelf.ids.tolist()
    assert other.ids[POLICIES[name](other, now_ns=100 * NS)].tolist() == order.tolist()


def test_every_strategy_does_what_it_is_called():
    shelf = shelf_of(4, places=np.array([1, 2, 2, 1]), visits=np.array([9, 1, 1, 9]))
    strong = replace(shelf, stability_s=np.array([9.0, 9.0, 1e-3, 9.0]))

    orders = {
        name: shelf.ids[policy(shelf, now_ns=9 * NS)].tolist() for name, policy in POLICIES.items()
    }

    assert orders["fifo"] == [1, 2, 3, 4]
    assert orders["lifo"] == [4, 3, 2, 1]
    assert orders["least_visited"] == [2, 3, 1, 4]
    assert orders["most_visited"] == [1, 4, 2, 3]
    assert strong.ids[POLICIES["weakest"](strong, now_ns=9 * NS)[0]] == 3


# ---- allocation ---------------------------------------------------------------------------------


@quick
@given(st.lists(st.integers(0, 12), max_size=8), st.integers(0, 60))
def test_the_fair_level_is_the_highest_that_fits(counts, capacity):
    level = fair_level(np.array(counts, np.int64), capacity)

    def taken(of):
        return sum(min(count, of) for count in counts)

    assert taken(level) <= capacity
    assert level >= max(counts, default=0) or taken(level + 1) > capacity


@quick
@given(shelves(), names, shares, st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_victims_are_those_of_a_loop(shelf, name, shares, capacity, events, total_bytes):
    order = POLICIES[name](shelf, now_ns=100 * NS)

    gone = victims(
        shelf, order, need=Need(events, total_bytes), capacity=capacity, shares=shares
    ).tolist()

    mask = protected(shelf, order[~shelf.is_pinned[order]], capacity=capacity, shares=shares)
    expected, freed = [], 0
    for is_last in (False, True):
        for i in order.tolist():
            is_enough = len(expected) >= events and freed >= total_bytes
            if not (is_enough or shelf.is_pinned[i]) and mask[i] == is_last:
                expected.append(i)
                freed += int(shelf.sizes[i])
    assert gone == expected


@quick
@given(shelves(), names, st.floats(0, 1), st.integers(0, 40))
def test_a_place_keeps_its_share_while_others_have_more(shelf, name, share, capacity):
    shares = Shares(places=share, recent=0.0)
    order = POLICIES[name](shelf, now_ns=100 * NS)
    order = order[~shelf.is_pinned[order]]

    mask = protected(shelf, order, capacity=capacity, shares=shares)

    counts = [int((shelf.places[order] == p).sum()) for p in np.unique(shelf.places[order])]
    level = fair_level(np.array(counts, np.int64), int(share * capacity))
    for place, count in zip(np.unique(shelf.places[order]), counts, strict=True):
        here = order[shelf.places[order] == place]
        assert mask[here].tolist() == [False] * (count - min(count, level)) + [True] * min(
            count, level
        )


# ---- learning -----------------------------------------------------------------------------------


def test_the_best_strategy_is_found_and_then_another():
    learner = FixedShare(np.full(3, 1 / 3), rate=0.5, share=0.01)

    for _ in range(100):
        learner = learner.after(np.array([1.0, 0.0, 1.0]))
    before = learner.weights
    for _ in range(100):
        learner = learner.after(np.array([1.0, 1.0, 0.0]))

    assert before.argmax() == 1
    assert learner.weights.argmax() == 2
    assert before[1] > 0.95
    assert learner.weights[2] > 0.95
    assert learner.weights.sum() == pytest.approx(1.0)


@quick
@given(st.integers(0, 2**32 - 1))
def test_the_regret_is_within_the_bound_of_hedge(seed):
    losses = np.random.default_rng(seed).random((200, 4)) ** np.array([1, 2, 3, 4])
    rate = np.sqrt(8 * np.log(4) / len(losses))
    learner, suffered = FixedShare(np.full(4, 0.25), rate=float(rate), share=0.0), 0.0

    for loss in losses:
        suffered += float(learner.weights @ loss)
        learner = learner.after(loss)

    assert suffered - losses.sum(axis=0).min() <= np.sqrt(len(losses) / 2 * np.log(4)) + 1e-9


@quick
@given(shelves(min_size=1))
def test_a_strategy_with_all_weight_decides_alone(shelf):
    orders = [policy(shelf, now_ns=100 * NS) for policy in POLICIES.values()]

    for index, order in enumerate(orders):
        learner = FixedShare(np.eye(len(orders))[index], rate=1.0, share=0.0)
        assert learner.vote(orders).tolist() == order.tolist()


@quick
@given(shelves(min_size=5), st.integers(1, 10), st.integers(1, 6))
def test_a_shadow_is_what_its_strategy_alone_would_have_kept(shelf, capacity, batch):
    policies = tuple(POLICIES.values())
    shelf = replace(shelf, is_pinned=np.zeros(len(shelf), bool))
    shadows = Shadows(policies, capacity=capacity, slack=0.0, shares=NO_SHARES)
    visits = dict(zip(shelf.places.tolist(), shelf.visits.tolist(), strict=True))
    alone = [Shelf.empty() for _ in policies]

    for start in range(0, len(shelf), batch):
        newer = shelf.take(np.arange(start, min(start + batch, len(shelf))))
        shadows.extend(newer, visits_of=lambda places: np.array([visits[p] for p in places]))
        for i, policy in enumerate(policies):
            kept = alone[i].joined(newer)
            order = policy(kept, now_ns=int(kept.stamps_ns.max()))
            keep = np.sort(order[max(0, len(kept) - capacity) :])
            alone[i] = kept.take(keep)

    for held, kept in zip(shadows.held, alone, strict=True):
        assert shadows.shelf.ids[held].tolist() == kept.ids.tolist()


def test_a_question_costs_the_strategies_that_lost_its_answer():
    policies = POLICIES["fifo"], POLICIES["lifo"]
    shadows = Shadows(policies, capacity=3, slack=0.0, shares=NO_SHARES)
    for index in range(6):
        newer = shelf_of(6).take(np.array([index]))
        shadows.extend(newer, visits_of=lambda places: np.zeros(len(places), np.int64))

    assert shadows.losses(Want(topic=0)).tolist() == [1.0, 0.0]
    assert shadows.losses(Want(topic=5)).tolist() == [0.0, 1.0]
    assert shadows.losses(Want(until_ns=1 * NS)).tolist() == [1.0, 0.0]
    assert shadows.losses(Want(topic=99)) is None


# ---- merging ------------------------------------------------------------------------------------


def saying(event_id, start_s, text, *, seconds=1, kind=EventKind.OBSERVED, about="a", **options):
    return Saying(
        event_id=event_id,
        kind=kind,
        stamp_ns=start_s * NS,
        until_ns=(start_s + seconds) * NS,
        about=(about,),
        text=text,
        embedding=options.get("embedding"),
        is_separate=options.get("is_separate", False),
    )


def merged(sayings, *, after_id=0, gap_s=60):
    return merges(sayings, after_id=after_id, gap_ns=gap_s * NS, min_similarity=0.95)


def test_neighbours_that_say_the_same_become_one_with_both_spans():
    (merge,) = merged([saying(1, 0, "a cup"), saying(2, 30, "a dog"), saying(3, 50, "a cup")])

    assert (merge.into_id, merge.event_id) == (1, 3)
    assert (merge.stamp_ns, merge.until_ns) == (0, 51 * NS)


@pytest.mark.parametrize(
    "other",
    [
        saying(2, 62, "a cup"),
        saying(2, 5, "a dog"),
        saying(2, 5, "a cup", about="b"),
        saying(2, 5, "a cup", kind=EventKind.SEEN),
        saying(2, 5, "a cup", is_separate=True),
    ],
    ids=["later", "other words", "of another thing", "of another kind", "separate"],
)
def test_what_differs_is_not_merged(other):
    assert merged([saying(1, 0, "a cup"), other]) == []


@pytest.mark.parametrize("kind", [EventKind.ACTED, EventKind.TOLD, EventKind.MOVED])
def test_what_was_done_or_said_counts_each_time(kind):
    assert merged([saying(i, i, "a cup", kind=kind) for i in (1, 2)]) == []


def test_captions_that_mean_the_same_are_merged():
    near, far = np.eye(2, dtype=np.float32), np.float32([0.99, np.sqrt(1 - 0.99**2)])

    (merge,) = merged(
        [
            saying(1, 0, "a cup", embedding=near[0]),
            saying(2, 5, "a mug", embedding=far),
            saying(3, 9, "a dog", embedding=near[1]),
        ]
    )

    assert (merge.into_id, merge.event_id) == (1, 2)


events = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 40), st.sampled_from("ab")), max_size=25
)


@quick
@given(events, st.integers(0, 90))
def test_merging_keeps_spans_and_leaves_nothing_to_merge(drawn, gap_s):
    sayings = [saying(i + 1, s, text, seconds=n) for i, (s, n, text) in enumerate(drawn)]
    kept = {s.event_id: s for s in sayings}
    within = {s.event_id: [s] for s in sayings}

    for merge in merged(sayings, gap_s=gap_s):
        gone = kept.pop(merge.event_id)
        within[merge.into_id] += within.pop(merge.event_id)
        kept[merge.into_id] = replace(
            kept[merge.into_id], stamp_ns=merge.stamp_ns, until_ns=merge.until_ns
        )
        assert gone.text == kept[merge.into_id].text

    assert sum(map(len, within.values())) == len(sayings)
    for event_id, parts in within.items():
        assert kept[event_id].stamp_ns == min(part.stamp_ns for part in parts)
        assert kept[event_id].until_ns == max(part.until_ns for part in parts)
