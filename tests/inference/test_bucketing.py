import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from emoasr.inference import bucketing

lengths = st.lists(st.integers(1, 3000), min_size=1, max_size=200)


@hypothesis.given(lengths, st.integers(1, 8), st.integers(1, 5000))
def test_every_utterance_is_in_one_batch_and_fits(hops, n_buckets, batch_hops):
    hops = np.array(hops)
    buckets = bucketing.plan_buckets(hops, n_buckets, batch_hops)
    assert len(buckets) <= n_buckets
    seen = []
    for bucket, indices in bucketing.batches(buckets):
        assert len(indices) <= bucket.batch_size
        assert hops[indices].max() <= bucket.n_hops
        seen += indices.tolist()
    assert sorted(seen) == list(range(len(hops)))
    assert 0 <= bucketing.padding_share(buckets, hops) < 1


@hypothesis.settings(max_examples=40)
@hypothesis.given(
    st.lists(st.integers(1, 12), min_size=1, max_size=7), st.integers(1, 3), st.integers(0, 30)
)
@hypothesis.example([1, 12, 12], 2, 0)  # the shortest by itself
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
    buckets = bucketing.plan_buckets(hops, n_buckets, batch_hops, bucket_cost)
    padded_hops = sum(b.n_hops * b.batch_size * b.n_batches for b in buckets)
    assert padded_hops + bucket_cost * len(buckets) == best


def test_thousands_of_lengths_are_rounded_up_a_little():
    hops = np.random.default_rng(0).permutation(np.arange(1, 3001))
    buckets = bucketing.plan_buckets(hops, 4, 3000)
    for bucket in buckets:
        assert bucket.n_hops - 6 < hops[bucket.indices].max() <= bucket.n_hops
        assert bucket.n_hops % 6 == 0  # no more than 512 lengths
    assert sorted(np.concatenate([b.indices for b in buckets])) == list(range(3000))
    assert len(buckets) == 4
    assert bucketing.padding_share(buckets, hops) < 0.25  # of four equal steps: 0.2


def test_within_a_bucket_utterances_keep_their_order_and_the_shortest_come_first():
    hops = np.random.default_rng(0).integers(1, 100, 50)
    buckets = bucketing.plan_buckets(hops, 3, 300)
    assert [b.n_hops for b in buckets] == sorted({b.n_hops for b in buckets})
    for bucket in buckets:
        assert bucket.indices.tolist() == sorted(bucket.indices.tolist())


def test_no_utterance_no_bucket():
    assert bucketing.plan_buckets([], 8, 1000) == []
    assert bucketing.padding_share([], np.array([])) == 0.0


def test_the_share_of_padding_counts_empty_rows():
    bucket = bucketing.Bucket(10, 2, np.arange(3))
    assert bucket.n_batches == 2
    assert bucketing.padding_share([bucket], np.array([10, 9, 8])) == pytest.approx(13 / 40)


def test_pad_keeps_values_and_lengths():
    padded, true = bucketing.pad([np.array([1.0, 2.0]), np.array([3.0])], 3, 4)
    np.testing.assert_array_equal(padded, [[1, 2, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]])
    assert true.tolist() == [2, 1, 0]
    assert padded.dtype == np.float32 and true.dtype == np.int32
    assert bucketing.pad([np.array([5])], 1, 2, np.int16)[0].dtype == np.int16


@pytest.fixture
def buckets():
    return bucketing.plan_buckets(np.random.default_rng(0).integers(1, 100, 137), 4, 300)


@pytest.fixture
def plan(buckets):
    return bucketing.EpochPlan(buckets, 1000, seed=1)


def epoch(plan, number: int):
    first = number * plan.epoch_batches
    return [plan[first + i] for i in range(plan.epoch_batches)]


def test_an_epoch_has_every_utterance_once_and_the_next_another_order(plan):
    for number in (0, 1, 5):
        assert sorted(np.concatenate([rows for _, rows in epoch(plan, number)])) == list(range(137))
    first, second = ({tuple(sorted(rows)) for _, rows in epoch(plan, n)} for n in (0, 1))
    assert first != second  # the company too, not its order alone


def test_a_batch_follows_from_its_number_alone(plan):
    later = plan[700][1].tolist()
    for i in range(20):
        plan[i]
    assert plan[700][1].tolist() == later


def test_a_batch_is_of_the_bucket_it_names_and_fits(plan, buckets):
    assert len(plan) == 1000
    assert plan.epoch_batches == sum(b.n_batches for b in buckets)
    lengths = []
    for bucket, rows in epoch(plan, 2):
        assert set(rows) <= set(bucket.indices)
        assert 0 < len(rows) <= bucket.batch_size
        lengths.append(bucket.n_hops)
    assert lengths != sorted(lengths)


def test_batches_follow_from_the_seed(buckets, plan):
    again, other = (bucketing.EpochPlan(buckets, 1000, seed) for seed in (1, 2))
    rows = [[each[i][1].tolist() for i in range(20)] for each in (plan, again, other)]
    assert rows[0] == rows[1] != rows[2]


@hypothesis.given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.data())
def test_those_wanted_keep_their_company(hops, data):
    buckets = bucketing.plan_buckets(hops, 4, 400)
    wanted = np.array(data.draw(st.lists(st.sampled_from(range(len(hops))), unique=True)), int)
    whole = [
        (bucket.n_hops, bucket.batch_size, indices.tolist())
        for bucket, indices in bucketing.batches(buckets)
    ]
    left = [
        (bucket.n_hops, bucket.batch_size, indices.tolist())
        for bucket, indices in bucketing.batches(bucketing.with_any_of(buckets, wanted))
    ]
    assert left == [batch for batch in whole if set(batch[2]) & set(wanted.tolist())]


@hypothesis.given(
    st.lists(st.integers(1, 8192), min_size=1, max_size=200), st.integers(1, 8),
    st.integers(0, 2000),
)  # fmt: skip
def test_standard_buckets_hold_every_utterance_in_shapes_of_a_fixed_set(hops, n_buckets, cost):
    hops = np.array(hops)
    buckets = bucketing.standard_buckets(hops, n_buckets, cost)
    assert len({(bucket.n_hops, bucket.batch_size) for bucket in buckets}) == len(buckets)
    seen = []
    for bucket, indices in bucketing.batches(buckets):
        assert len(indices) <= bucket.batch_size
        assert hops[indices].max() <= bucket.n_hops <= 8192
        assert bucket.batch_size in (1, max(1, 1024 // bucket.n_hops))
        seen += indices.tolist()
    assert sorted(seen) == list(range(len(hops)))


@pytest.mark.parametrize(
    ("cost", "n_shapes", "least", "padding"), [(1500, 13, 128, 1.5), (100, 37, 16, 1.25)]
)
def test_single_utterances_of_any_length_up_to_four_minutes_have_few_shapes(
    cost, n_shapes, least, padding
):
    lengths = [*range(1, 256), *range(256, 8193, 16)]
    plans = [bucketing.standard_buckets([hops], 8, cost) for hops in lengths]
    shapes = {(bucket.n_hops, bucket.batch_size) for buckets in plans for bucket in buckets}
    assert len(shapes) == n_shapes and all(size == 1 for _, size in shapes)
    for hops, (bucket,) in zip(lengths, plans, strict=True):
        assert bucket.n_hops <= max(least, padding * hops)


def test_where_shapes_are_cheap_only_full_batches_are_shared():
    buckets = bucketing.standard_buckets([100] * 21 + [99, 60], 8, 100)
    assert [(b.n_hops, b.batch_size, len(b.indices)) for b in buckets] == [
        (64, 1, 1), (112, 9, 18), (112, 1, 4)
    ]  # fmt: skip
