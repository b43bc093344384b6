"""The surrogate: what it chooses, and what may not change that."""

from __future__ import annotations

import random
from functools import cache

import pytest

pytest.importorskip("numpy", reason="the surrogate computes with numpy")
pytest.importorskip("rdkit", reason="features are computed with RDKit")

import numpy as np

from molecular_design import pool
from molecular_design.features import Features
from molecular_design.surrogate import choose_batch, judge, predict


@cache
def features() -> Features:
    return Features.of(pool.load().molecules)


def worth(smiles: str) -> float:
    """A stand-in for the oracle that knows some chemistry: what draws electrons raises it, what gives them lowers it."""
    return 9.0 + smiles.count("#") + 0.5 * smiles.count("F") + 0.3 * smiles.count("O") - 0.4 * smiles.count("c") - 0.1 * len(smiles)


TRUTH = {molecule.id: worth(molecule.smiles) for molecule in pool.load().molecules}


def some_observed(count: int = 40) -> dict[str, float]:
    return {id: TRUTH[id] for id in random.Random(5).sample(sorted(TRUTH), count)}


def test_the_kernel_is_a_similarity() -> None:
    kernel = features().similarity
    assert np.allclose(np.diag(kernel), 1.0)
    assert np.allclose(kernel, kernel.T)
    assert kernel.min() >= 0.0
    assert np.linalg.eigvalsh(kernel).min() > -1e-9


def test_similarity_to_a_molecule_of_the_pool_is_its_row() -> None:
    found = features().similarity_to([pool.parse("N#CCC#N")])
    assert np.allclose(found[0], features().similarity[features().index["NSC-3769"]])


def test_the_order_of_the_pool_does_not_matter() -> None:
    molecules = list(pool.load().molecules)
    random.Random(1).shuffle(molecules)
    assert Features.of(molecules).ids == features().ids
    assert choose_batch(Features.of(molecules), some_observed(), (), 5, 0) == choose_batch(features(), some_observed(), (), 5, 0)


def test_the_order_in_which_results_arrive_does_not_matter() -> None:
    observed = some_observed()
    expected = choose_batch(features(), observed, ["NSC-1", "NSC-9"], 10, 0)
    for seed in range(5):
        arrived = list(observed.items())
        random.Random(seed).shuffle(arrived)
        assert choose_batch(features(), dict(arrived), {"NSC-9", "NSC-1"}, 10, 0) == expected


def test_the_first_batch_is_drawn_with_the_seed() -> None:
    first = choose_batch(features(), {}, (), 10, 0)
    assert first == choose_batch(features(), {}, (), 10, 0)
    assert first != choose_batch(features(), {}, (), 10, 1)
    assert len({choice.id for choice in first}) == 10
    assert {choice.mean_ev for choice in first} == {None}, "no prediction is made up where there is none"


def test_nothing_is_chosen_twice_nor_after_it_failed() -> None:
    observed = some_observed()
    chosen = [choice.id for choice in choose_batch(features(), observed, (), 10, 0)]
    assert len(set(chosen)) == 10
    assert not set(chosen) & observed.keys()
    again = [choice.id for choice in choose_batch(features(), observed, chosen[:4], 10, 0)]
    assert not set(again) & set(chosen[:4])
    left = set(TRUTH) - {"NSC-1"}
    assert [choice.id for choice in choose_batch(features(), {}, left, 10, 0)] == ["NSC-1"]


def test_the_last_batch_is_what_is_left() -> None:
    observed = dict(sorted(TRUTH.items())[:-3])
    assert {choice.id for choice in choose_batch(features(), observed, (), 10, 0)} == TRUTH.keys() - observed.keys()
    assert choose_batch(features(), TRUTH, (), 10, 0) == []


def test_a_choice_says_what_was_predicted() -> None:
    for choice in choose_batch(features(), some_observed(), (), 3, 0, exploration=1.5):
        assert choice.mean_ev is not None
        assert choice.deviation_ev is not None
        assert choice.bound_ev == choice.mean_ev + 1.5 * choice.deviation_ev
        assert type(choice.bound_ev) is float, "what crosses the wire is plain"
        assert choice.smiles == features().smiles[choice.id]


def test_without_exploration_the_batch_is_what_is_predicted_best() -> None:
    observed = some_observed()
    predicted = predict(features(), observed)
    best = sorted((id for id in predicted if id not in observed), key=lambda id: -predicted[id])[:5]
    assert [choice.id for choice in choose_batch(features(), observed, (), 5, 0, exploration=0.0)] == best


def test_observations_that_are_all_equal_are_no_difficulty() -> None:
    assert len(choose_batch(features(), dict.fromkeys(sorted(TRUTH)[:5], 9.0), (), 4, 0)) == 4
    assert len(choose_batch(features(), {"NSC-1": 9.0}, (), 4, 0)) == 4


def test_it_finds_what_random_search_would_not() -> None:
    best = set(sorted(TRUTH, key=lambda id: -TRUTH[id])[:10])
    found: list[int] = []
    for seed in range(3):
        observed: dict[str, float] = {}
        while len(observed) < 100:
            observed |= {choice.id: TRUTH[choice.id] for choice in choose_batch(features(), observed, (), 10, seed)}
        found.append(len(best & observed.keys()))
    assert sum(found) / len(found) >= 6, found


def test_a_prediction_keeps_what_was_observed() -> None:
    observed = some_observed()
    predicted = predict(features(), observed)
    assert predicted.keys() == TRUTH.keys()
    assert {id: predicted[id] for id in observed} == observed
    with pytest.raises(ValueError, match="nothing is observed"):
        predict(features(), {})


def test_a_stranger_among_the_observations_is_named() -> None:
    with pytest.raises(ValueError, match="NSC-0: not in the pool"):
        choose_batch(features(), {"NSC-0": 1.0}, (), 1, 0)


def test_every_proposal_is_judged_and_none_disappears() -> None:
    observed = some_observed() | {"NSC-451": 11.1}
    observed.pop("NSC-3769", None)
    proposals = ["OCC(F)(F)F", "N#CCN#", "CCO", "C(C#N)C#N", "N#CCC#N", "NCC=CCC#N", "CC1=CC(=O)C=CC1=O", "N#CCCC#N"]
    observed.pop("NSC-1", None)
    found = judge(features(), observed, ["NSC-4852"], proposals)
    assert {judgement.proposal: judgement.verdict for judgement in found} == {
        "C(C#N)C#N": "eligible",
        "CC1=CC(=O)C=CC1=O": "eligible",
        "OCC(F)(F)F": "computed already",
        "N#CCN#": "unreadable",
        "CCO": "not in the pool: not 4 to 9 heavy atoms",
        "N#CCC#N": "proposed twice",
        "NCC=CCC#N": "not in the pool",
        "N#CCCC#N": "failed before",
    }
    eligible = [judgement for judgement in found if judgement.verdict == "eligible"]
    assert found[: len(eligible)] == eligible
    assert [judgement.id for judgement in eligible] == ["NSC-3769", "NSC-1"], "the surrogate prefers nitriles"
    assert [judgement.proposal for judgement in found[2:]] == [p for p in proposals if p not in ("C(C#N)C#N", "CC1=CC(=O)C=CC1=O")]


def test_a_judgement_agrees_with_the_choice_of_the_same_molecule() -> None:
    observed = some_observed()
    choice = choose_batch(features(), observed, (), 1, 0)[0]
    judgement = judge(features(), observed, (), [choice.smiles])[0]
    assert judgement.id == choice.id
    assert judgement.mean_ev == pytest.approx(choice.mean_ev)
    assert judgement.bound_ev == pytest.approx(choice.bound_ev)


def test_before_anything_is_observed_proposals_are_judged_without_prediction() -> None:
    found = judge(features(), {}, (), ["N#CCC#N", "xyz"])
    assert [(judgement.verdict, judgement.mean_ev) for judgement in found] == [("eligible", None), ("unreadable", None)]
