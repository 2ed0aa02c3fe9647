"""Rare words of the codec `vqgan` are restarted; what was learned of the others stays."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ncodec.errors import ModelMismatchError, UnsafeWeightsError
from ncodec.models.vqgan import FEATURES
from ncodec.models.word_tree import NODES, STEPS, WORDS, WordTree, usual_sizes
from ncodec.training import vqgan_restart
from ncodec.training.vqgan import Trained
from ncodec.training.vqgan_contexts import ContextNetwork, code_bits
from ncodec.training.vqgan_heirs import Halves, Heirs, divided, without
from ncodec.training.vqgan_restart import Blocks, common_splits, halves, inherit, replaced

GONE = (0, 3, 200, 201, 777, 1023)
SPLIT = 500
FINEST = STEPS - 1


def parents(seed: int = 0) -> list[int]:
    random = np.random.default_rng(seed)
    return [0, *(int(random.integers(word)) for word in range(1, WORDS))]


def books(parent: Sequence[int]) -> Iterator[frozenset[frozenset[int]]]:
    """Which words are one, in codebooks of all sizes from the largest on."""
    groups = [{word} for word in range(len(parent))]
    for word in range(len(parent) - 1, 0, -1):
        yield frozenset(frozenset(group) for group in groups)
        groups[parent[word]] |= groups.pop(word)
    yield frozenset(frozenset(group) for group in groups)


def pair(share: float = 0.25) -> Halves:
    rows = torch.split(torch.arange(1000), [round(1000 * (1 - share)), round(1000 * share)])
    return Halves((rows[0], rows[1]), torch.randn(2, FEATURES), 1.0)


def heirs(parent: list[int], gone: Sequence[int] = GONE) -> Heirs:
    """A whole tree: one word is split as often as others have gone."""
    found = without(parent, gone)
    word = found.words.index(SPLIT)
    for _ in gone:
        found.split(word, pair())
    return found


def learned(seed: int = 0) -> Trained:
    """A model in which everything differs from everything else."""
    torch.manual_seed(seed)
    model = Trained().requires_grad_(False)
    model.books.take(WordTree(np.array(parents(), np.int32), usual_sizes()))
    model.vqgan.encoder.centroids.normal_()
    model.contexts.begin(model.vqgan.encoder.centroids, torch.rand(WORDS) + 0.1)
    for network in model.contexts.networks:
        if isinstance(network, ContextNetwork):
            network.second.weight.normal_()
            network.second_bias.values.normal_()
    return model


def moved(parent: Sequence[int], found: Heirs, words: Tensor) -> Tensor:
    """New words for old ones that stay."""
    number = {old: new for new, old in reversed(list(enumerate(found.words)))}
    return words.clone().apply_(number.__getitem__)


def test_words_that_stay_are_nested_as_before() -> None:
    parent = parents()
    found = without(parent, GONE)
    stay = set(range(WORDS)) - set(GONE)
    assert sorted(found.words) == sorted(stay)
    old = (frozenset(frozenset(g & stay) for g in b if g & stay) for b in books(parent))
    new = [
        frozenset(frozenset(found.words[word] for word in g) for g in b)
        for b in books(found.parent)
    ]
    assert list(dict.fromkeys(old)) == new


def test_nodes_of_a_smaller_tree_stand_for_the_same_words() -> None:
    parent = parents()
    found = without(parent, GONE)
    ends = divided(parent)[1]
    assert [found.nodes[node] for node in found.leaves] == [ends[word] for word in found.words]
    assert len(found.nodes) == NODES - 2 * len(GONE)
    assert len(set(found.nodes)) == len(found.nodes)


def test_a_tree_is_whole_again_with_words_split() -> None:
    found = heirs(parents())
    tree = WordTree(np.array(found.parent, np.int32), usual_sizes())
    assert len(found.nodes) == NODES
    assert tree.nodes(WORDS).tolist() == found.leaves
    word = found.words.index(SPLIT)
    parts = [new for new, old in enumerate(found.words) if old == SPLIT]
    assert len(parts) == len(GONE) + 1
    assert set(tree.coarse(WORDS - len(GONE))[parts]) == {word}
    assert sum(found.shares[part] for part in parts) == pytest.approx(1)


def test_words_that_stay_cost_what_they_did_where_no_other_was_expected() -> None:
    model, parent = learned(), parents()
    for network in model.contexts.networks:
        if isinstance(network, ContextNetwork):
            network.second_bias.values[:, list(GONE)] = -1e4
    model.contexts.start[list(GONE)] = -1e4
    stay = torch.tensor(sorted(set(range(WORDS)) - {*GONE, SPLIT}))
    words = stay[torch.randint(len(stay), (12, 9))]
    before = code_bits(model.contexts, model.books, words, FINEST)
    found = heirs(parent)
    inherit(model, found)
    after = code_bits(model.contexts, model.books, moved(parent, found, words), FINEST)
    torch.testing.assert_close(after, before)


def test_a_half_costs_what_the_whole_did_and_the_bits_of_its_share() -> None:
    model = learned()
    model.contexts.start[list(GONE)] = -1e4
    before = code_bits(model.contexts, model.books, torch.tensor([[SPLIT]]), FINEST)
    found = without(parents(), GONE[:1])
    found.split(found.words.index(SPLIT), pair(0.25))
    inherit(model, found)
    after = code_bits(model.contexts, model.books, torch.tensor([[WORDS - 1]]), FINEST)
    torch.testing.assert_close(after - before, torch.tensor(2.0))


def test_what_is_shown_of_words_moves_with_their_meaning() -> None:
    model, parent = learned(), parents()
    ends = divided(parent)[1]
    centroids, shown = model.vqgan.encoder.centroids.clone(), model.vqgan.decoder.embedding.clone()
    found = heirs(parent)
    inherit(model, found)
    part = WORDS - 1
    node = found.leaves[part]
    away = model.vqgan.encoder.centroids[node] - centroids[ends[SPLIT]]
    inside = slice(0, FEATURES)
    torch.testing.assert_close(
        model.vqgan.decoder.embedding[node, inside], shown[ends[SPLIT], inside] + away
    )
    torch.testing.assert_close(model.vqgan.encoder.centroids[node], found.centroids[node])
    other = found.words.index(700)
    torch.testing.assert_close(model.vqgan.decoder.embedding[found.leaves[other]], shown[ends[700]])


def blocks(rows: int = 6, crops: int = 100) -> Blocks:
    """Crops that have word 1 (in two kinds), most of them word 2 as well, and few of them 3 or 4.

    Word 4 is far from all others.
    """
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([1, -1, 4, 4, 10, 400]).float()
    crop, kind = torch.meshgrid(torch.arange(crops), torch.arange(rows), indexing="ij")
    there = (kind < 4) | ((crop < 3) & (kind >= 4))
    features = 0.1 * torch.randn(crops, rows, FEATURES, generator=generator)
    features[..., 0] += kinds
    words = torch.tensor([1, 1, 2, 2, 3, 4])[kind]
    return Blocks(features[there], torch.ones(int(there.sum())), crop[there], words[there])


def centroids() -> Tensor:
    found = torch.full((WORDS, FEATURES), 1e3)
    found[1:5] = 0
    found[1:5, 0] = torch.tensor([0.0, 4.0, 10.0, 400.0])
    return found


def test_a_common_word_is_split_where_it_has_two_kinds() -> None:
    seen = blocks()
    (word, found), *_ = common_splits(seen, 3, 0.0)
    assert word == 1
    assert sorted(found.centroids[:, 0].round().tolist()) == [-1, 1]
    assert found.shares() == pytest.approx([0.5, 0.5], abs=0.05)
    assert found.bits() == pytest.approx(len(seen.words[seen.words == 1]), rel=0.01)


def test_halves_are_common_and_may_be_split_again() -> None:
    seen = blocks()
    splits = common_splits(seen, 10, 0.0)
    assert {word for word, _ in splits} <= {1, 2, *range(WORDS, WORDS + 10)}
    assert any(word >= WORDS for word, _ in splits)
    for _, found in splits:
        assert all(len(torch.unique(seen.crops[rows])) >= 8 for rows in found.rows)


def test_bits_have_their_price() -> None:
    worth = common_splits(blocks(), 10, 0.0)
    dear = common_splits(blocks(), 10, 100.0)
    assert min(f.bits() for _, f in dear[:2]) < min(f.bits() for _, f in worth[:2])


def test_rare_words_go_but_for_those_that_are_missed() -> None:
    few, others = blocks(), torch.tensor([0, *range(5, WORDS)]).repeat(50)
    crops = torch.cat([few.crops, torch.arange(50).repeat_interleave(len(others) // 50)])
    far = torch.full((len(others), FEATURES), 1e3)
    weights = torch.ones(len(crops))
    words = torch.cat([few.words, others])
    seen = Blocks(torch.cat([few.features, far]), weights, crops, words)
    gone, splits = replaced(seen, centroids(), 0.0)
    assert gone == [3]
    assert [word for word, _ in splits] == [1]


def test_blocks_that_are_the_same_have_no_halves() -> None:
    seen = Blocks(torch.ones(9, FEATURES), torch.ones(9), torch.arange(9), torch.zeros(9).long())
    assert halves(seen, torch.arange(9)) is None


def test_only_checkpoints_with_words_are_gone_on_from(tmp_path: Path) -> None:
    model = Trained()
    path = tmp_path / "start.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(UnsafeWeightsError, match="checkpoint"):
        vqgan_restart.load(model, path)
    save_file({"model/a": torch.zeros(1)}, path)
    with pytest.raises(UnsafeWeightsError, match="checkpoint"):
        vqgan_restart.load(model, path)
    save_file({"model/a": torch.zeros(1)}, path, metadata={"counters": "{}"})
    with pytest.raises(ModelMismatchError, match="another model"):
        vqgan_restart.load(model, path)
    state = {f"model/{k}": v.contiguous() for k, v in model.state_dict().items()}
    save_file(state, path, metadata={"counters": "{}"})
    with pytest.raises(ModelMismatchError, match="words"):
        vqgan_restart.load(model, path)
