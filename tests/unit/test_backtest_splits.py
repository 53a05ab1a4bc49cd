"""Which days are learned from: the same rows as skfolio takes on the same terms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.errors import InvalidMessage
from services.portfolio_builder.backtest.splits import purged_folds, walk_forward_splits
from services.portfolio_builder.study import WalkForward

cases = pytest.mark.parametrize(
    ("days", "train", "test", "purge"),
    [
        (1000, 252, 63, 5),
        (2449, 252, 63, 0),
        (300, 252, 21, 5),
        (258, 252, 63, 5),
        (700, 100, 7, 1),
    ],
)


def rows(split):
    return (
        np.arange(split.train_start, split.train_stop),
        np.arange(split.test_start, split.test_stop),
    )


@cases
@pytest.mark.parametrize("anchored", [True, False])
def test_a_walk_forward_takes_the_rows_that_skfolio_takes(days, train, test, purge, anchored):
    from skfolio.model_selection import WalkForward as Theirs

    theirs = Theirs(
        test_size=test,
        train_size=train,
        purged_size=purge,
        expand_train=anchored,
        reduce_test=True,
    )
    terms = WalkForward(anchored=anchored, train_days=train, test_days=test, purge_days=purge)
    ours = [rows(each) for each in walk_forward_splits(days, terms)]
    expected = list(theirs.split(np.zeros((days, 2))))
    assert len(ours) == len(expected)
    for (train_rows, test_rows), (their_train, their_test) in zip(ours, expected, strict=True):
        assert np.array_equal(train_rows, their_train)
        assert np.array_equal(test_rows, their_test)


@pytest.mark.parametrize(
    ("days", "folds", "test_folds", "purge", "embargo"),
    [
        (1000, 10, 2, 5, 5),
        (2449, 10, 2, 0, 0),
        (103, 6, 3, 2, 1),
        (500, 5, 2, 3, 0),
        (60, 4, 2, 0, 7),
    ],
)
def test_a_cross_validation_takes_the_rows_that_skfolio_takes(
    days, folds, test_folds, purge, embargo
):
    from skfolio.model_selection import CombinatorialPurgedCV

    theirs = CombinatorialPurgedCV(
        n_folds=folds, n_test_folds=test_folds, purged_size=purge, embargo_size=embargo
    )
    ours = purged_folds(days, folds=folds, test_folds=test_folds, purge=purge, embargo=embargo)
    expected = list(theirs.split(np.zeros((days, 2))))
    assert len(ours.fits) == len(expected) == theirs.n_splits
    for fit, (train, tests) in zip(ours.fits, expected, strict=True):
        assert np.array_equal(fit.train, train)
        for fold, test in zip(fit.test_folds, tests, strict=True):
            assert np.array_equal(ours.rows[fold], test)
    assert np.array_equal(np.array(ours.paths).T, theirs.recombined_paths)


@given(st.integers(80, 600), st.integers(3, 8), st.integers(1, 2), st.integers(0, 3))
def test_every_path_tests_each_day_once_and_never_one_it_learned_from(days, folds, test_folds, gap):
    found = purged_folds(days, folds=folds, test_folds=test_folds, purge=gap, embargo=gap)
    for path in found.paths:
        tested = np.concatenate([found.rows[fold] for fold in range(folds)])
        assert np.array_equal(tested, np.arange(days))
        for fold, fit in enumerate(path):
            train = found.fits[fit].train
            distance = np.abs(train[:, None] - found.rows[fold][None, :]).min()
            assert distance > gap


@given(st.integers(300, 3000), st.integers(1, 130), st.integers(0, 20), st.booleans())
def test_windows_cover_each_day_after_the_first_training_once(days, test, purge, anchored):
    terms = WalkForward(anchored=anchored, train_days=252, test_days=test, purge_days=purge)
    found = walk_forward_splits(days, terms)
    tested = [row for each in found for row in range(each.test_start, each.test_stop)]
    assert tested == list(range(252 + purge, days))
    assert all(each.train_stop + purge == each.test_start for each in found)


def test_too_few_days_are_told_with_both_numbers():
    with pytest.raises(InvalidMessage, match="needs more than 257 days, there are 257"):
        walk_forward_splits(257, WalkForward())
    with pytest.raises(InvalidMessage, match="100 days make 10 each"):
        purged_folds(100, folds=10, test_folds=2, purge=5, embargo=5)
