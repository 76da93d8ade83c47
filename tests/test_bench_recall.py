"""The bench of tasks that need a memory: small runs, what it keeps, what it prints and refuses."""

import json
from dataclasses import replace

import pytest
from robomem_sim.bench_recall import bench, bench_recall
from robomem_sim.bench_recall.cells import FOUND, Cell, CellFound, measure_cell
from robomem_sim.bench_recall.report import QUICK, Report, Settings, tables_of
from robomem_sim.bench_recall.trials import QUICK_TRIALS, QUICK_VARIANTS, TRIALS, VARIANTS

from robomem.cli import main
from robomem.errors import ConfigError, FormatError
from robomem.eval.bench import Options
from robomem.eval.machine import this_machine
from robomem.policy.memories import MEMORIES
from robomem.policy.training.evaluation import Score
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import make_task, shape_of

CELL = Cell(QUICK_TRIALS[0], QUICK_VARIANTS[1], seed=0, minutes=1.0, episodes=4)


def test_a_quick_run_fills_its_table(tmp_path):
    told = []

    outcome = bench_recall(
        Options(is_quick=True, cells=tmp_path), on_step=lambda *step: told.append(step)
    )

    overview, table = outcome.tables
    assert overview.header == ("memory", "colour, delay 4", "colour, delay 8")
    assert overview.rows == tuple(row[:3] for row in table.rows[:2])
    assert [row[0] for row in table.rows] == ["none", "gru", "(one who knows all)", "(chance)"]
    assert table.header[1:3] == ("delay 4", "delay 8")
    assert all(0 <= float(row[1]) <= 1 for row in table.rows)
    assert "| gru |" in outcome.markdown
    assert told == sorted(told)
    assert told[-1] == (200, 200)


def test_a_cell_that_is_done_is_not_trained_again(tmp_path, monkeypatch):
    first = measure_cell(CELL, tmp_path, on_fraction=lambda _: None)
    monkeypatch.setattr("robomem_sim.bench_recall.cells.train", None)

    again = measure_cell(CELL, tmp_path, on_fraction=lambda _: None)

    assert again == first


def test_other_settings_are_another_cell():
    others = [
        replace(CELL, seed=1),
        replace(CELL, minutes=2.0),
        replace(CELL, variant=QUICK_VARIANTS[0]),
        replace(CELL, episodes=5),
        replace(CELL, trial=replace(CELL.trial, tests={"delay 9": {"delay_steps": 9}})),
    ]

    assert len({cell.key for cell in [CELL, *others]}) == 6


def test_a_damaged_cell_is_refused(tmp_path):
    measure_cell(CELL, tmp_path, on_fraction=lambda _: None)
    (tmp_path / CELL.key / FOUND).write_text('{"scores": {}}')

    with pytest.raises(FormatError, match="damaged"):
        measure_cell(CELL, tmp_path, on_fraction=lambda _: None)


def test_an_interrupt_tells_of_the_cells_that_are_done(tmp_path, monkeypatch):
    measured = []

    def interrupted(cell, folder, *, on_fraction):
        if measured:
            raise KeyboardInterrupt
        measured.append(measure_cell(cell, folder, on_fraction=on_fraction))
        return measured[0]

    monkeypatch.setattr(bench, "measure_cell", interrupted)

    report = bench.measure_recall(QUICK, tmp_path)

    assert report.found == measured
    assert report.left_out == ["colour/gru/0"]
    assert [row[0] for row in tables_of(report)[0].rows] == ["none"]


def test_means_and_spreads_are_over_seeds_and_holes_are_told():
    def found(trial, memory, seed, mean):
        score = Score(mean, 0.0, 4, oracle=1.0, chance=0.5)
        name = f"{trial}/{memory}/{seed}"
        return CellFound(name, trial, memory, seed, 1, 0.1, 0.0, 10, 4, 0.1, {"near": score})

    cells = [found("a", "gru", 0, 0.5), found("a", "gru", 1, 0.75), found("b", "none", 0, 0.25)]
    report = Report(this_machine(), {}, Settings(), cells, [])

    overview, first, _ = tables_of(report)

    assert overview.rows == (("gru", "0.625 ± 0.177", "-"), ("none", "-", "0.250"))
    assert first.rows[0][:3] == ("gru", "0.625 ± 0.177", "2")


def test_all_of_a_first_seed_comes_before_the_next():
    cells = Settings(seed=5).cells

    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert len(cells) == 3 * len(TRIALS) * len(VARIANTS)
    assert {cell.variant.memory for cell in cells} == set(MEMORIES)


def test_only_some_cells_can_be_asked_for():
    cells = Settings(only=("ballet-8/hcam", "/none/1")).cells

    assert {cell.name for cell in cells if cell.seed == 0} == {
        "ballet-8/hcam/0",
        "ballet-8/hcam+pairs/0",
    }
    assert len(cells) == 3 * 2 + len(TRIALS)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_what_is_tested_has_the_shape_of_what_is_learned(trial):
    shapes = {
        shape_of(make_task(trial.task, {**trial.settings, **test}))
        for test in ({}, *trial.tests.values())
    }

    assert len(shapes) == 1
    assert all(isinstance(Cell(trial, v, 0, 1.0, 1).training, TrainingSettings) for v in VARIANTS)


@pytest.mark.parametrize("wrong", [{"frames": 3}, {"only": ("elephant",)}])
def test_options_that_mean_nothing_here_are_refused(wrong):
    with pytest.raises(ConfigError):
        bench_recall(Options(is_quick=True, **wrong))


def test_other_benches_refuse_what_is_of_this_one(capsys):
    assert main(["bench", "mapping", "--minutes", "3"]) == 2
    assert "--minutes" in capsys.readouterr().err


def test_the_report_can_be_written_as_json(tmp_path, capsys):
    code = main(["bench", "recall-tasks", "--quick", "--json", "-q", "--cells", str(tmp_path)])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [found["name"] for found in told["found"]] == ["colour/none/0", "colour/gru/0"]
