"""The cache holds what a list of rows would, through any order of operations."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.model.presets import TINY
from dreamzero_policy.sampling.kv_cache import KVCache

LAYERS, BATCH, HEADS, WIDTH, MOST = 2, 2, 2, 4, 12


def cache(scratch=None):
    return KVCache(LAYERS, BATCH, MOST, HEADS, WIDTH, scratch_tokens=scratch)


def rows(first, count):
    """Rows that tell their number, layer, batch and whether they are keys or values."""
    number = torch.arange(first, first + count, dtype=torch.float32)
    kv = []
    for which in (1000, 2000):
        layer = torch.arange(LAYERS)[:, None, None, None, None] * 100
        batch = torch.arange(BATCH)[None, :, None, None, None] * 200
        kv.append(
            (which + layer + batch + number[None, None, :, None, None]).expand(
                LAYERS, BATCH, count, HEADS, WIDTH
            )
        )
    return kv


def write(target, first, count):
    keys, values = rows(first, count)
    for layer in range(LAYERS):
        target.write(layer, keys[layer], values[layer], target.position)


def numbers(target, **ahead):
    """Numbers of the rows seen, checked to be the same in every layer, batch, key and value."""
    seen = None
    for layer in range(LAYERS):
        for which, x in zip((1000, 2000), target.keys_values(layer, **ahead), strict=True):
            for batch in range(BATCH):
                mine = (x[batch, :, 0, 0] - which - 100 * layer - 200 * batch).tolist()
                assert seen in (None, mine)
                seen = mine
    return seen


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("scratch"), st.integers(1, 5), st.integers(0, 3)),
        st.tuples(st.just("truncate"), st.integers(0, MOST)),
        st.tuples(st.just("copy"), st.integers(0, MOST), st.integers(1, 5)),
        st.tuples(st.just("reset")),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=150)
@given(OPERATIONS)
def test_it_equals_a_list(operations):
    target, model, first, fresh = cache(), [], 0, 0
    for name, *numbers_given in operations:
        if name == "append":
            (count,) = numbers_given
            write(target, fresh, count)
            assert numbers(target) == model, "rows count before advance"
            target.advance(count)
            model += range(fresh, fresh + count)
            first += max(0, len(model) - MOST)
            model, fresh = model[-MOST:], fresh + count
        elif name == "scratch":
            new, tail = numbers_given
            write(target, fresh, new + tail)
            seen = (model + [*range(fresh, fresh + new)])[-MOST:]
            expected = seen + [*range(fresh + new, fresh + new + tail)]
            assert numbers(target, new=new, tail=tail) == expected
            fresh += new + tail
        elif name == "truncate":
            keep = min(numbers_given[0], len(model))
            target.truncate(first + keep)
            model = model[:keep]
        elif name == "copy":
            keep, count = min(numbers_given[0], len(model)), numbers_given[1]
            copied = target.snapshot(first + keep)
            target.truncate(first + keep)
            if keep + count <= MOST:
                write(target, fresh, count)
                target.advance(count)
                fresh += count
            target.restore(copied)
        else:
            target.reset()
            model, first = [], 0
        assert target.length == len(model)
        assert target.position == first + len(model)
        assert numbers(target) == model


def test_rows_are_views_of_one_buffer():
    target = cache()
    write(target, 0, 4)
    keys, _ = target.keys_values(0, new=4)
    again, _ = target.keys_values(0, new=2)
    assert keys.untyped_storage().data_ptr() == again.untyped_storage().data_ptr()


def test_rows_must_go_behind_what_is_stored():
    target = cache()
    keys, values = rows(0, 3)
    with pytest.raises(ValueError, match=r"start_token: expected 0, .* got 3"):
        target.write(0, keys[0], values[0], 3)


def test_too_many_rows_are_refused():
    target = cache(scratch=0)
    write(target, 0, MOST)
    target.advance(MOST)
    with pytest.raises(ValueError, match=r"1 rows behind 12 do not fit into 12; .*slide=True"):
        write(target, MOST, 1)
    with pytest.raises(ValueError, match="cannot advance by 1 from 12 rows"):
        target.advance(1)
    assert target.length == MOST


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (torch.zeros(1, 3, HEADS, WIDTH), torch.zeros(BATCH, 3, HEADS, WIDTH)),
        (torch.zeros(BATCH, 3, HEADS, WIDTH), torch.zeros(BATCH, 2, HEADS, WIDTH)),
        (torch.zeros(BATCH, 3, HEADS, WIDTH), torch.zeros(BATCH, 3, HEADS, WIDTH).double()),
    ],
)
def test_rows_of_another_kind_are_refused(key, value):
    with pytest.raises(ValueError, match=r"expected torch.float32 \[2, 3, 2, 4\], got"):
        cache().write(0, key, value, 0)


def test_positions_outside_are_refused():
    target = cache()
    write(target, 0, 5)
    target.advance(5)
    for position in (-1, 6):
        with pytest.raises(ValueError, match="position: expected 0 to 5"):
            target.truncate(position)
        with pytest.raises(ValueError, match="position: expected 0 to 5"):
            target.snapshot(position)


def test_a_copy_fits_only_where_it_was_taken():
    target = cache()
    write(target, 0, 10)
    target.advance(10)
    copied = target.snapshot(8)
    target.truncate(4)
    with pytest.raises(ValueError, match="does not fit"):
        target.restore(copied)
    write(target, 10, 10)
    target.advance(10)
    with pytest.raises(ValueError, match="does not fit"):
        target.restore(copied)


def test_a_cache_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one of everything"):
        KVCache(0, 1, 1, 1, 1)


def test_a_cache_for_a_model_has_room_for_its_window():
    config = replace(TINY, state_attends_all=False)
    window, block, tail = 540, 120, 25
    tight = KVCache.for_model(config)
    roomy = KVCache.for_model(config, batch=2, dtype=torch.bfloat16, slide=True)
    per_row = config.num_layers * 2 * config.dim
    assert tight.max_tokens == roomy.max_tokens == window
    assert tight.bytes == (window + tail) * per_row * 4
    assert roomy.bytes == 2 * (window + block + tail) * per_row * 2
    assert (tight.layers, tight.batch, roomy.batch) == (4, 1, 2)


def test_a_cache_made_in_inference_mode_is_written_outside():
    with torch.inference_mode():
        target = cache()
    write(target, 0, 2)
    target.advance(2)
    assert numbers(target) == [0, 1]
