"""What the policy bench tells, and that what it measures makes chunks."""

import sys
from pathlib import Path

import pytest

from robomem.errors import ConfigError
from robomem.eval import policy as bench
from robomem.eval.bench import Options
from robomem.eval.machine import this_machine
from robomem.eval.policy_peak import run
from robomem.policy.contenders import CONTENDERS, EAGER, export_sized

LOOP = next(each for each in CONTENDERS if each.name.endswith("Loop"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "policy"
    assert export_sized(path, width=8, depth=1) < 50_000
    return path


def test_every_way_makes_chunks_and_what_is_not_there_is_named(folder, monkeypatch):
    kept = tuple(each for each in CONTENDERS if not each.is_compiled)  # that takes a minute
    monkeypatch.setattr(bench, "CONTENDERS", kept)
    monkeypatch.setattr(bench, "export_sized", lambda path, **size: path.symlink_to(folder) or 7)
    steps = []

    outcome = bench.bench_policy(
        Options(is_quick=True), on_step=lambda done, count: steps.append((done, count))
    )

    report = outcome.report
    measured = {cost.contender for cost in report.costs}
    assert {EAGER.name, LOOP.name} <= measured
    assert measured | report.absent.keys() == {each.name for each in kept}
    assert all(cost.least_ms <= cost.median_ms for cost in report.costs)
    assert {cost.ratio for cost in report.costs if cost.contender == EAGER.name} == {1.0}
    assert {peak.contender for peak in report.peaks} == measured
    assert all(count == steps[0][1] and done <= count for done, count in steps)
    assert f"| {LOOP.name} |" in outcome.markdown


def test_tables_tell_times_ratios_and_peaks():
    runtime, torch = (
        bench.Peak(each.name, peak) for each, peak in ((LOOP, 80_000_000), (EAGER, 280_000_000))
    )
    report = bench.Report(
        machine=this_machine(),
        versions={"robomem": "0", "torch": None},
        parameters=1_360_000,
        rounds=2,
        costs=(bench.ChunkCost(EAGER.name, 2, 4.0, 3.0, 1.0),),
        peaks=(torch, runtime),
        absent={"ONNX Runtime CUDA": "it is not there"},
        target_ms=8.0,
        is_target_met=False,
        wall_s=1.0,
    )

    costs, peaks = bench._cost_table(report), bench._peak_table(report)

    assert costs.rows == ((EAGER.name, "4.00", "1.0"),)
    assert peaks.rows == ((EAGER.name, "280"), (LOOP.name, "80"))
    assert "missed" in "".join(bench._notes(report))


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
def test_the_peak_of_a_process_is_in_bytes(folder):
    assert 10_000_000 < run(folder, LOOP.name) < 100_000_000_000


def test_options_that_cannot_be_followed_are_refused():
    with pytest.raises(ConfigError):
        bench.bench_policy(Options(frames=3))
