from robomem_sim.bench_memory.questions import USES, measure_questions


def test_questions_by_meaning_are_measured_the_same_for_the_same_seeds():
    found, again = (measure_questions((3, 4), is_quick=True) for _ in range(2))

    assert found.seeds == (3,)
    assert [(e.name, e.first, e.abstained) for e in found.encoders] == [
        (e.name, e.first, e.abstained) for e in again.encoders
    ]
    assert all(0 <= e.first <= e.first_three <= 1 for e in found.encoders)
    assert found.encoders[0].first_three < 0.2  # spelling says nothing of uses
    assert all(label not in use for label, use in USES.items())
