"""The memory bench: how answers are judged, what baselines can do, small runs, what it prints and refuses."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from robomem_sim.bench_memory import bench, bench_memory
from robomem_sim.bench_memory.baselines import CaptionStore, LastBuffer, caption_of
from robomem_sim.bench_memory.life import SYSTEMS, LifeFindings, measure_length, told_memory
from robomem_sim.bench_memory.pictures import draw_day, question_about
from robomem_sim.bench_memory.replies import Reply, Said, place_error_m, rank_of_right
from robomem_sim.bench_memory.report import Part, Settings, notes_of, tables_of
from robomem_sim.lives import Asked, ConceptEncoder, Question, Right, ask_about, live

from robomem.cli import main
from robomem.errors import ConfigError, MissingExtraError
from robomem.eval.bench import Options, Table, find_bench
from robomem.eval.trial import Stopwatch

HERE = np.array([1.0, 2.0, 0.5])


@pytest.fixture(scope="module")
def life():
    return live(2, days=0.6)


@pytest.fixture(scope="module")
def findings():
    return measure_length([3], days=0.4)


def asked(kind, right, words="?", about=None):
    return Question(kind, words, about, right)


def said(*, at=HERE, stamp_ns=0, names=()):
    return Said(stamp_ns, at, "", frozenset(names))


def test_a_place_is_right_within_half_a_metre_and_its_rank_counts():
    question = asked(Asked.WHERE, Right(p_map=HERE))
    near, far = said(at=np.add(HERE, [0.3, 0.3, 0])), said(at=np.add(HERE, [0.4, 0.4, 0]))

    assert rank_of_right(question, Reply((near, far), True)) == 0
    assert rank_of_right(question, Reply((far, near), True)) == 1
    assert rank_of_right(question, Reply((far,), True)) is None
    assert place_error_m(question, Reply((far, near), True)) == pytest.approx(0.4 * 2**0.5)


def test_a_time_is_right_within_its_span():
    question = asked(Asked.WHEN, Right(spans_ns=((10, 20), (40, 50))))

    assert rank_of_right(question, Reply((said(stamp_ns=45),), True)) == 0
    assert rank_of_right(question, Reply((said(stamp_ns=30),), True)) is None


def test_what_is_doubtful_is_neither_right_nor_wrong_to_name():
    right = Right(names=frozenset({"mug"}), doubtful=frozenset({"vase"}))
    question = Question(Asked.CHANGED, "what changed since 10:00?", None, right)
    mug, vase, chair = (said(names=frozenset({name})) for name in ("mug", "vase", "chair"))

    assert rank_of_right(question, Reply((mug,), True)) == 0
    assert rank_of_right(question, Reply((mug, vase), True)) == 0
    assert rank_of_right(question, Reply((mug, chair), True)) == 1


def test_a_number_is_right_when_equal_and_a_duration_when_near():
    three = asked(Asked.COUNT, Right(value=3.0))
    hour = asked(Asked.DURATION, Right(value=3600.0))

    assert rank_of_right(three, Reply(is_found=True, value=3)) == 0
    assert rank_of_right(three, Reply(is_found=True, value=4)) is None
    assert rank_of_right(hour, Reply(is_found=True, value=4200.0)) == 0
    assert rank_of_right(hour, Reply(is_found=True, value=4500.0)) is None
    assert rank_of_right(hour, Reply(is_found=True)) is None


def test_names_are_right_as_a_set_and_about_right_from_half_on():
    question = asked(Asked.CHANGED, Right(names=frozenset({"a", "b"})))

    assert rank_of_right(question, Reply((said(names="a"), said(names="b")), True)) == 0
    assert rank_of_right(question, Reply((said(names="a"),), True)) == 1
    assert rank_of_right(question, Reply((said(names="c"),), True)) is None


def test_abstaining_is_right_only_from_what_never_was():
    never = asked(Asked.NOTHING, None)
    once = asked(Asked.WHERE, Right(p_map=HERE))

    assert rank_of_right(never, Reply()) == 0
    assert rank_of_right(never, Reply((said(),), True)) is None
    assert rank_of_right(once, Reply()) is None


def test_the_caption_store_answers_what_captions_say(life):
    store = CaptionStore(ConceptEncoder(0))
    for words in life.words():
        store.add(caption_of(words))
    kinds = [Asked.WHEN, Asked.TOLD, Asked.WHO, Asked.NOTHING]
    questions = ask_about(life, np.random.default_rng(0), each=8, kinds=kinds)

    right = [rank_of_right(q, store.answer(q)) == 0 for q in questions]
    never = [q for q in questions if q.right is None]

    assert np.mean(right) > 0.6
    assert all(not store.answer(q).is_found for q in never)
    assert store.bytes_kept > 1500 * len(list(life.words()))


def test_a_buffer_knows_only_what_was_last(life):
    buffer = LastBuffer(50)
    for words in life.words():
        buffer.add(caption_of(words))
    last = list(life.words())[-1]

    assert buffer.answer(asked(Asked.HAPPENED, None, words=last.text)).said[0].text == last.text
    (early,) = ask_about(life, np.random.default_rng(0), each=1, kinds=[Asked.DURATION])
    assert buffer.answer(early).value == 0.0


def test_all_systems_are_asked_the_same(findings):
    assert [system.name for system in findings.systems] == list(SYSTEMS)
    assert (
        len({tuple((s.kind, s.asked) for s in system.scores) for system in findings.systems}) == 1
    )
    for system in findings.systems:
        assert system.answer.count == system.whole.asked
        assert all(0 <= s.first <= s.five <= s.asked for s in system.scores)
        assert system.bytes_an_hour > 0


def test_a_memory_knows_where_things_are(findings):
    memory, captions, _ = findings.systems
    where = {s.kind: s for s in memory.scores}["where"]

    assert where.first >= 0.8 * where.asked
    assert memory.off_median_m < 0.1 < captions.off_median_m


def test_answers_are_the_same_for_the_same_seed(findings):
    again = measure_length([3], days=0.4)

    for one, other in zip(findings.systems, again.systems, strict=True):
        assert (one.scores, one.off_p95_m) == (other.scores, other.off_p95_m)


def part(name, *, raising=None):
    @dataclasses.dataclass(frozen=True)
    class Found:
        seeds: tuple

        def tables(self):
            return (Table(name, ("what", "n"), (("seeds", str(len(self.seeds))),)),)

    def measure(seeds, _):
        if raising:
            raise raising
        return Found(tuple(seeds))

    return Part(name, measure, 2, 1)


def test_parts_run_in_order_and_are_told_of():
    steps = []

    report = bench.measure_memory(
        Settings(seed=4, lives=2),
        (part("one"), part("two")),
        on_step=lambda *step: steps.append(step),
    )

    assert steps == [(2, 4), (4, 4)]
    assert [t.title for t in tables_of(report)] == ["one", "two", "What it took"]
    assert json.loads(json.dumps(dataclasses.asdict(report)))["found"]["two"] == {"seeds": [4, 5]}
    assert any("4, 5" in note for note in notes_of(report))


def test_an_interrupted_bench_tells_what_is_done():
    parts = part("one"), part("two", raising=KeyboardInterrupt), part("three")

    report = bench.measure_memory(Settings(), parts)

    assert list(report.found) == ["one"]
    assert report.left_out == {"two": "stopped before", "three": "stopped before"}
    assert any("three" in note for note in notes_of(report))


def test_a_part_without_what_it_needs_is_left_out_and_the_rest_is_measured():
    parts = part("one", raising=MissingExtraError("no renderer")), part("two")

    report = bench.measure_memory(Settings(), parts)

    assert (list(report.found), report.left_out) == (["two"], {"one": "no renderer"})
    assert any("no renderer" in note for note in notes_of(report))


def test_a_bench_interrupted_before_anything_is_interrupted():
    with pytest.raises(KeyboardInterrupt):
        bench.measure_memory(Settings(), (part("one", raising=KeyboardInterrupt),))


def test_the_tables_of_a_life_have_a_cell_in_every_column(findings):
    for table in LifeFindings((findings,)).tables():
        assert {len(row) for row in table.rows} == {len(table.header)}
    json.dumps(dataclasses.asdict(findings), allow_nan=False)


def test_the_bench_runs_from_the_command_line_in_each_form(monkeypatch, capsys):
    monkeypatch.setattr(bench, "PARTS", (part("one"),))
    told = []

    for form in ("--json", "--markdown", "--quiet"):
        assert main(["bench", "memory", "--quick", "--seed", "7", form]) == 0
        told.append(capsys.readouterr().out)

    assert find_bench("memory") is bench_memory
    assert json.loads(told[0])["found"] == {"one": {"seeds": [7]}}
    assert "**one**" in told[1]
    assert "generated lives of seeds 7" in told[2]


@pytest.mark.parametrize("options", [Options(frames=3), Options(seed=-1)])
def test_options_that_cannot_be_followed_are_refused(options):
    with pytest.raises(ConfigError):
        bench_memory(options)


def test_a_day_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    life = live(1, days=0.4)

    with told_memory(life, ConceptEncoder(0), Stopwatch()) as memory:
        draw_day(life, memory, question_about(life), tmp_path / "day.png")

    assert (tmp_path / "day.png").read_bytes()[:4] == b"\x89PNG"


def test_pictures_without_matplotlib_are_refused_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(MissingExtraError):
        bench.measure_memory(Settings(pictures=str(tmp_path)), (part("one"),))


def test_the_bench_needs_neither_a_renderer_nor_matplotlib():
    code = "import sys, robomem_sim.bench_memory as b; assert not {'trimesh', 'matplotlib'} & set(sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)
