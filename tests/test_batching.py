import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from emoasr import batching

lengths = st.lists(st.integers(1, 3000), min_size=1, max_size=200)


@hypothesis.settings(deadline=None)
@hypothesis.given(lengths, st.integers(1, 8), st.integers(1, 5000))
def test_every_utterance_is_in_one_batch_and_fits(hops, n_buckets, batch_hops):
    hops = np.array(hops)
    buckets = batching.plan_buckets(hops, n_buckets, batch_hops)
    assert len(buckets) <= n_buckets
    seen = []
    for bucket, indices in batching.batches(buckets):
        assert len(indices) <= bucket.batch_size
        assert hops[indices].max() <= bucket.n_hops
        seen += indices.tolist()
    assert sorted(seen) == list(range(len(hops)))
    assert 0 <= batching.padding_share(buckets, hops) < 1


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    st.lists(st.integers(1, 12), min_size=1, max_size=7), st.integers(1, 3), st.integers(0, 30)
)
def test_no_partition_costs_less(hops, n_buckets, bucket_cost):
    """Against all partitions by length, tried one after the other."""
    hops = np.array(hops)
    batch_hops = 20
    different = np.unique(hops)

    def padded(edges) -> int:
        total, low = 0, 0
        for high in edges:
            rows = int(np.sum((hops > low) & (hops <= high)))
            n_batches = min(max(-(-rows * high // batch_hops), 1), rows)
            size = -(-rows // n_batches)
            total += high * size * -(-rows // size) + bucket_cost
            low = high
        return total

    best = min(
        padded((*cut, different[-1]))
        for k in range(min(n_buckets, len(different)))
        for cut in itertools.combinations(different[:-1], k)
    )
    buckets = batching.plan_buckets(hops, n_buckets, batch_hops, bucket_cost)
    padded_hops = sum(b.n_hops * b.batch_size * b.n_batches for b in buckets)
    assert padded_hops + bucket_cost * len(buckets) == best


def test_no_utterance_no_bucket():
    assert batching.plan_buckets([], 8, 1000) == []


def test_pad_keeps_values_and_lengths():
    padded, true = batching.pad([np.array([1.0, 2.0]), np.array([3.0])], 3, 4)
    np.testing.assert_array_equal(padded, [[1, 2, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]])
    assert true.tolist() == [2, 1, 0]


@pytest.fixture
def plan():
    hops = np.random.default_rng(0).integers(1, 100, 137)
    return batching.EpochPlan(batching.plan_buckets(hops, 4, 300), 1000, seed=1)


def epoch(plan, number: int):
    first = number * plan.epoch_batches
    return [plan[first + i] for i in range(plan.epoch_batches)]


def test_an_epoch_has_every_utterance_once_and_the_next_another_order(plan):
    for number in (0, 1, 5):
        assert sorted(np.concatenate([rows for _, rows in epoch(plan, number)])) == list(range(137))
    assert [r.tolist() for _, r in epoch(plan, 0)] != [r.tolist() for _, r in epoch(plan, 1)]


def test_a_batch_follows_from_its_number_alone(plan):
    later = plan[700][1].tolist()
    for i in range(20):
        plan[i]
    assert plan[700][1].tolist() == later


@hypothesis.given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.data())
def test_those_wanted_keep_their_company(hops, data):
    buckets = batching.plan_buckets(hops, 4, 400)
    wanted = np.array(data.draw(st.lists(st.sampled_from(range(len(hops))), unique=True)), int)
    whole = [
        (bucket.n_hops, bucket.batch_size, indices.tolist())
        for bucket, indices in batching.batches(buckets)
    ]
    left = [
        (bucket.n_hops, bucket.batch_size, indices.tolist())
        for bucket, indices in batching.batches(batching.with_any_of(buckets, wanted))
    ]
    assert left == [batch for batch in whole if set(batch[2]) & set(wanted.tolist())]
