"""From sounds to weights that encode and decode, in miniature."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

from ncodec.codecs.grvq_contexts import ContextModel
from ncodec.codecs.grvq_quantiser import Quantiser
from ncodec.codecs.registry import model_id
from ncodec.codecs.weights import load_module
from ncodec.models.grvq import CODEBOOKS, DELAY, ENTRIES, FRAME, LATENT, Decoder, Encoder, Grvq
from ncodec.training import export_grvq, fit_contexts, grvq, spectral_fit
from ncodec.training.audio_losses import spectrum_loss
from ncodec.training.grvq import GrvqRecipe, draw_counts
from ncodec.training.loop import Settings, Trainer

from .toy import assert_same, state

SETTINGS = Settings(
    steps=6, anneal_steps=2, warmup_steps=1, batch=2, crop=9600, report_every=1, compile=False,
    precision="fp32", learning_rate=1e-3,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _little() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grvq, "START_LATENTS", 1200)
        patch.setattr(grvq, "REVIVE_EVERY", 2)
        patch.setattr(spectral_fit, "FIT_CROPS", 96)
        patch.setattr(fit_contexts, "STEPS", 3)
        patch.setattr(fit_contexts, "BATCH", 2)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(0)
    for kind in ("speech", "music"):
        (place / kind).mkdir()
        time = np.arange(24000) / 16000
        for pitch in (110, 190, 260):
            tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 9))
            swell = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time)
            sound = 0.1 * tone * swell + 0.003 * random.normal(size=time.size)
            soundfile.write(place / kind / f"{pitch}.wav", sound, 16000)
    (place.with_suffix(".csv")).write_text("file,source,licence\na,here,CC0\n")
    return place


def trainer(folder: Path, out: Path) -> Trainer:
    return Trainer(GrvqRecipe(folder, SETTINGS, torch.device("cpu")), out, SETTINGS)


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    found = trainer(folder, tmp_path_factory.mktemp("run"))
    found.run()
    return found


def test_the_linear_start_is_a_working_codec(folder: Path) -> None:
    """Before any training phases come back, from latents of the size that is wanted."""
    recipe = GrvqRecipe(folder, SETTINGS, torch.device("cpu"))
    random = np.random.default_rng(0)
    spectral_fit.start_linear(recipe.model, recipe.data, random)
    sounds = torch.from_numpy(recipe.data.batch(4, 19_200, random))
    with torch.no_grad():
        latent = recipe.model.encoder(sounds)
        made = recipe.model.decoder(latent, torch.full(latent.shape[:2], CODEBOOKS))
        wanted = sounds[:, :-DELAY]
        loss = spectrum_loss(made[:, DELAY:], wanted)
        silence = spectrum_loss(torch.zeros_like(wanted), wanted)
    assert 0.5 < float(latent.square().mean().sqrt() / spectral_fit.LATENT_SIZE) < 2
    assert float(loss) < 0.9 * float(silence)  # Meaningless phases would make it twice as much.


def test_steps_train_every_parameter_and_log_every_codebook(run: Trainer) -> None:
    rows = [json.loads(x) for x in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 7))
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    last = [rows[-1][f"perplexity/{k}"] for k in range(CODEBOOKS)]
    assert min(last) > 10
    missing = {name for name, p in run.recipe.model.named_parameters() if p.grad is None}
    assert not missing


def test_codebooks_are_copied_into_the_average_networks_are_averaged(run: Trainer) -> None:
    current = run.recipe.model.state_dict()
    for name in ("codebooks", "usage", "sums", "started"):
        assert torch.equal(run.average[f"quantiser.{name}"], current[f"quantiser.{name}"])
    assert not torch.equal(run.average["decoder.leave.weight"], current["decoder.leave.weight"])


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    run: Trainer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = trainer(folder, tmp_path)
    original = stopped.recipe.after_step

    def stop(settings: Settings, step: int) -> None:
        original(settings, step)
        stopped.stopped = step == 2

    monkeypatch.setattr(stopped.recipe, "after_step", stop)
    stopped.run()
    assert stopped.counters["step"] == 3
    resumed = trainer(folder, tmp_path)
    resumed.run()
    assert_same(state(run), state(resumed))


def test_the_quantiser_starts_by_the_step_count_and_stays_started(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grvq, "plain_steps", lambda settings: 2)
    monkeypatch.setattr(grvq, "start_linear", lambda *arguments: None)
    found = trainer(folder, tmp_path)
    seen = []
    original = found.recipe.after_step

    def watch(settings: Settings, step: int) -> None:
        assert isinstance(found.recipe.model, Grvq)
        seen.append(int(found.recipe.model.quantiser.started))
        original(settings, step)

    monkeypatch.setattr(found.recipe, "after_step", watch)
    monkeypatch.setattr(found.recipe, "export", lambda *arguments: None)
    found.run()
    assert seen == [0, 0, 1, 1, 1, 1]


def test_exported_weights_encode_and_decode(run: Trainer) -> None:
    path = run.folder / "grvq.safetensors"
    arrays = load_file(path)
    assert path.stat().st_size < 12_000_000
    assert len(model_id(path)) == 32
    encoder, decoder = Encoder(), Decoder()
    load_module(encoder, arrays, "model/encoder.")
    load_module(decoder, arrays, "model/decoder.")
    contexts = ContextModel(arrays)
    quantiser = Quantiser(contexts.codewords, float(arrays["quantiser/scale"][0]))
    with torch.inference_mode():
        latent = encoder(0.1 * torch.randn(1, 10 * FRAME))
        quantised = quantiser.quantise(latent[0].numpy())
        assert quantised.indices.max() < ENTRIES
        counts = np.full(10, CODEBOOKS, np.uint8)
        values = torch.from_numpy(quantiser.dequantise(quantised.indices, counts))
        made = decoder(values[None], torch.from_numpy(counts.astype(np.int64))[None])
    assert made.shape == (1, 10 * FRAME)
    assert bool(made.isfinite().all())
    errors = quantised.errors.mean(0)
    assert (np.diff(errors) <= 0).all()
    assert errors[-1] < errors[0]


def test_the_card_names_the_data(run: Trainer) -> None:
    card = (run.folder / "grvq.md").read_text()
    assert "| 1 | here | CC0 |" in card or "CC0" in card
    assert "perplexity" not in card


def test_another_decoder_keeps_the_model_id(run: Trainer, tmp_path: Path) -> None:
    assert isinstance(run.recipe, GrvqRecipe)
    ids = []
    for change in (0.0, 1.0):
        model = Grvq()
        model.load_state_dict(run.average)
        model.decoder.leave.bias.data += change
        export_grvq.export(model.requires_grad_(False), run.recipe.data, tmp_path / "w.safetensors")
        ids.append(model_id(tmp_path / "w.safetensors"))
    assert ids[0] == ids[1]


@torch.no_grad()
def test_centring_changes_codewords_and_no_sound() -> None:
    torch.manual_seed(0)
    model = Grvq()
    model.quantiser.start(torch.randn(1100, LATENT) + 3)
    sound = 0.1 * torch.randn(1, 13 * FRAME)
    counts = torch.arange(CODEBOOKS + 1)[None]
    made = []
    for _ in range(2):
        values = model.quantiser(model.encoder(sound), counts).values
        made.append(model.decoder(values, counts))
        export_grvq.centre(model)
    assert float((made[0] - made[1]).abs().max()) < 1e-4 * float(made[0].abs().max())
    assert abs(float(model.quantiser.codebooks[:2].mean())) < 0.2


def test_settling_lowers_the_error() -> None:
    torch.manual_seed(0)
    model = Grvq()
    latents = torch.randn(1500, LATENT)
    model.quantiser.start(latents[:1100].clone())
    counts = torch.full((1, 1500), CODEBOOKS)
    before = model.quantiser(latents[None], counts).values
    export_grvq.settle(model.quantiser, latents)
    after = model.quantiser(latents[None], counts).values
    errors = [float((x[0] - latents).square().mean()) for x in (before, after)]
    assert errors[1] < errors[0]


def test_counts_are_drawn_from_all_rates() -> None:
    counts = draw_counts(400, 60, np.random.default_rng(0))
    assert counts.shape == (400, 60)
    first = counts[:, 0]
    assert set(first.tolist()) == set(range(CODEBOOKS + 1))
    assert 0.2 < float((first == 12).float().mean()) < 0.35
    lost = (counts == 0).any(1)
    assert 10 < int(lost.sum()) < 80
    assert not bool((counts == 0).all(1).any())
