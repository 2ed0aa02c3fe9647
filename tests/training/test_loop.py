"""The training loop: schedule, checkpoints, resuming, accidents."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ncodec.errors import ModelMismatchError, UnsafeWeightsError
from ncodec.training.checkpoint import load_checkpoint
from ncodec.training.loop import LATEST, STABLE, Recipe, Settings, StepResult, Trainer, strata

from .toy import SETTINGS, Toy, assert_same, state, trainer


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the loop does afterwards may count."""


def killed_at(run: Trainer, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run, and die before `step` without another checkpoint being written."""
    original = run._step

    def dying(number: int) -> dict[str, float]:
        if number == step:
            monkeypatch.setattr(run, "save", lambda name: None)
            raise Killed
        return original(number)

    monkeypatch.setattr(run, "_step", dying)
    with pytest.raises(Killed):
        run.run()


def test_schedule_warms_up_stays_and_falls_to_zero() -> None:
    settings = Settings(steps=100, anneal_steps=20, warmup_steps=10)
    factors = [settings.factor(step) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9:81] == [1.0] * 72
    assert factors[90] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.05)
    assert factors[100] == 0
    assert Settings(steps=5, anneal_steps=0, warmup_steps=1).factor(4) == 1


def test_learning_rates_follow_schedule_and_groups(tmp_path: Path) -> None:
    class Grouped(Toy):
        def parameter_groups(self) -> list[dict[str, Any]]:
            weight, bias = self.model.parameters()
            return [{"params": [weight], "factor": 1.0}, {"params": [bias], "factor": 0.02}]

    run = trainer(tmp_path, Grouped(), learning_rate=0.1)
    run._step(10)
    assert [group["lr"] for group in run.optimiser.param_groups] == pytest.approx([0.05, 0.001])


def test_training_learns(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=150, anneal_steps=50, learning_rate=0.03, report_every=10)
    run.run()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(rows) == 15
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert rows[-1]["step"] == run.counters["step"] == 150


@pytest.mark.parametrize("kill", [1, 3, 7, 9, 11])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: int
) -> None:
    whole = trainer(tmp_path / "whole")
    whole.run()
    killed_at(trainer(tmp_path / "killed"), kill, monkeypatch)
    resumed = trainer(tmp_path / "killed")
    resumed.run()
    assert resumed.counters["step"] == 12
    assert_same(state(whole), state(resumed))


def test_a_run_killed_right_after_the_stable_state_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer(tmp_path / "whole", checkpoint_every=100)
    whole.run()
    killed_at(trainer(tmp_path / "killed", checkpoint_every=100), 9, monkeypatch)
    assert not (tmp_path / "killed" / LATEST).exists()
    resumed = trainer(tmp_path / "killed", checkpoint_every=100)
    resumed.run()
    assert len(resumed.recipe.seen) == 4  # type: ignore[attr-defined]
    assert_same(state(whole), state(resumed))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)

    class Signalled(Toy):
        def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
            if self.calls == 4:
                os.kill(os.getpid(), number)
            return super().step(settings, random)

    run = trainer(tmp_path, Signalled(), checkpoint_every=100)
    run.run()
    assert run.stopped
    assert run.counters["step"] == 5
    assert signal.getsignal(number) == before
    rest = trainer(tmp_path)
    rest.run()
    whole = trainer(tmp_path / "whole")
    whole.run()
    assert_same(state(whole), state(rest))


def test_a_longer_run_starts_from_the_state_before_annealing(tmp_path: Path) -> None:
    short = trainer(tmp_path)
    short.run()
    assert short.counters["annealing"]
    longer = trainer(tmp_path, steps=20)
    longer.run()
    assert len(longer.recipe.seen) == 12  # type: ignore[attr-defined]
    whole = trainer(tmp_path / "whole", steps=20)
    whole.run()
    assert_same(state(whole), state(longer))


def test_a_finished_run_does_nothing_and_loses_nothing(tmp_path: Path) -> None:
    done = trainer(tmp_path)
    done.run()
    for steps in (12, 6):
        again = trainer(tmp_path, steps=steps)
        again.run()
        assert again.recipe.seen == []  # type: ignore[attr-defined]
        assert_same(state(done), state(again))


def test_steps_draw_what_they_draw_whatever_came_before(tmp_path: Path) -> None:
    first, second = Toy(), Toy()
    trainer(tmp_path / "a", first).run()
    trainer(tmp_path / "b", second, seed=1).run()
    assert len(set(first.seen)) == 12
    assert not set(first.seen) & set(second.seen)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e6])
def test_exploding_gradients_are_skipped(tmp_path: Path, bad: float) -> None:
    settings = {"steps": 120, "anneal_steps": 10, "report_every": 1000, "checkpoint_every": 1000}
    recipe = Toy(lambda step: bad if step == 110 else 1.0)
    run = trainer(tmp_path, recipe, **settings)
    states = []
    original = run._descend

    def watched() -> float:
        norm = original()
        states.append(state(run))
        return norm

    run._descend = watched  # type: ignore[method-assign]
    run.run()
    assert run.counters["skipped"] == 1
    assert_same(states[109], states[110])
    assert all(bool(value.isfinite().all()) for value in state(run).values())


def test_a_lasting_rise_of_gradients_is_accepted_in_the_end(tmp_path: Path) -> None:
    recipe = Toy(lambda step: 1.0 if step < 105 else 100.0)
    run = trainer(tmp_path, recipe, steps=200, anneal_steps=0, clip=1e9, report_every=1000)
    run.run()
    assert 10 < run.counters["skipped"] < 95


def test_the_average_lags_behind_the_model(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=10, anneal_steps=0, checkpoint_every=1000)
    start = run.recipe.model.state_dict()["weight"].clone()
    run.run()
    now = run.recipe.model.state_dict()["weight"]
    assert 0 < (run.average["weight"] - start).norm() < (now - start).norm()


def test_checkpoint_keeps_everything(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    run.run()
    assert not list(tmp_path.glob("*.partial"))
    fresh = trainer(tmp_path)
    counters = load_checkpoint(
        tmp_path / LATEST, fresh.recipe.model, fresh.average, fresh.optimiser, fresh.names
    )
    assert counters == run.counters
    assert_same(state(run), state(fresh))
    for parameter in fresh.recipe.model.parameters():
        assert fresh.optimiser.state[parameter]["exp_avg"].stride() == parameter.stride()


def test_settings_are_written(tmp_path: Path) -> None:
    trainer(tmp_path).run()
    written = json.loads((tmp_path / "settings.json").read_text())
    assert Settings(**written) == Settings(**SETTINGS)


def other_model(path: Path) -> None:
    class Other(Recipe):
        model = nn.Linear(2, 2)

    run = Trainer(Other(), path.parent, Settings(**SETTINGS))
    run.save(path.name)


def no_checkpoint(path: Path) -> None:
    path.write_bytes(b"no checkpoint")


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(other_model, ModelMismatchError), (no_checkpoint, UnsafeWeightsError)],
)
def test_foreign_checkpoints_are_refused_and_stay(
    tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception]
) -> None:
    spoil(tmp_path / LATEST)
    before = (tmp_path / LATEST).read_bytes()
    with pytest.raises(error, match="latest"):
        trainer(tmp_path).run()
    assert (tmp_path / LATEST).read_bytes() == before
    assert not (tmp_path / STABLE).exists()


def test_a_recipe_without_a_step_says_so() -> None:
    with pytest.raises(TypeError, match="no step"):
        Recipe().step(Settings(), np.random.default_rng(0))


def test_strata_cover_the_range_evenly() -> None:
    values = sorted(strata(8, np.random.default_rng(0)))
    assert [int(8 * value) for value in values] == list(range(8))
    assert torch.tensor(values).lt(1).all()
