"""safetensors files: what is written comes back, what is broken is one clear error."""

import json
import pickle
import struct
import threading
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from dreamzero_policy.weights import tensor_files
from dreamzero_policy.weights.errors import CheckpointError
from dreamzero_policy.weights.tensor_files import INDEX, open_tensors, read_header
from dreamzero_policy.weights.tensor_writer import ShardWriter, plan_shards, write_index

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b.c": torch.randn(4, dtype=torch.float16),
    "d": torch.randn(2, 2, 2).to(torch.bfloat16),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
}


def plain(path):
    """A file of the library's own making."""
    save_file(TENSORS, path)
    return path


def sharded(folder, limit=20):
    """The same over shards and an index, by our writer."""
    stored = {name: (t.dtype, tuple(t.shape)) for name, t in TENSORS.items()}
    shards = {}
    for shard, plan in plan_shards(stored, limit):
        shards[shard] = [name for name, _, _ in plan]
        with ShardWriter(folder / shard, plan) as writer:
            for name in shards[shard]:
                writer.write(name, TENSORS[name])
    write_index(folder, shards, sum(t.nbytes for t in TENSORS.values()))
    return shards


def test_reads_what_the_library_wrote(tmp_path):
    header = read_header(plain(tmp_path / "x.safetensors"))
    assert set(header) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert torch.equal(header[name].read(), tensor)
        assert header[name].dtype == tensor.dtype


def test_the_library_reads_what_we_wrote(tmp_path):
    shards = sharded(tmp_path)
    assert len(shards) > 2
    assert sorted(shards)[0] == f"model-00001-of-{len(shards):05d}.safetensors"
    found = {k: v for shard in shards for k, v in load_file(tmp_path / shard).items()}
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    ours = open_tensors(tmp_path)
    assert all(torch.equal(ours[name].read(), tensor) for name, tensor in TENSORS.items())


def test_an_unfinished_shard_has_no_name(tmp_path):
    plan = [("a", torch.float32, (2,))]
    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path / "s.safetensors", plan):
        raise KeyboardInterrupt
    assert not (tmp_path / "s.safetensors").exists()


@pytest.mark.parametrize("keep", [0, 4, 8, 60, -1])
def test_a_truncated_file_is_one_clear_error(tmp_path, keep):
    path = plain(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="truncated"):
        open_tensors(tmp_path)


def test_a_file_with_something_behind_it_is_refused(tmp_path):
    path = plain(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CheckpointError, match="too long"):
        read_header(path)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_under_a_safe_name_is_refused(tmp_path, protocol):
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps({"a": 1, "b": list(range(99))}, protocol=protocol))
    with pytest.raises(CheckpointError, match="a pickle in place of safetensors"):
        open_tensors(tmp_path)
    torch.save(TENSORS, path)
    with pytest.raises(CheckpointError, match="a pickle in place of safetensors"):
        open_tensors(tmp_path)


def test_a_directory_of_pickles_is_refused(tmp_path):
    torch.save(TENSORS, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"only pickles \(pytorch_model.bin\); refused"):
        open_tensors(tmp_path)


def test_shards_without_their_index(tmp_path):
    sharded(tmp_path)
    (tmp_path / INDEX).unlink()
    with pytest.raises(CheckpointError, match="shards are there, download the index too"):
        open_tensors(tmp_path)


def test_an_empty_directory(tmp_path):
    with pytest.raises(CheckpointError, match="found neither"):
        open_tensors(tmp_path)


def test_a_wrong_index_names_all_that_is_wrong(tmp_path):
    shards = sharded(tmp_path)
    index = json.loads((tmp_path / INDEX).read_text())
    index["weight_map"]["ghost"] = sorted(shards)[0]
    del index["weight_map"]["a"]
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(CheckpointError) as caught:
        open_tensors(tmp_path)
    assert "ghost is not in model-00001" in str(caught.value)
    assert "a in model-00001" in str(caught.value)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "no.safetensors", "", "a\0b"])
def test_an_index_leads_nowhere_else(tmp_path, name):
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match=r"is not the name of a file|is missing"):
        open_tensors(tmp_path)


def test_integers_are_no_weights(tmp_path):
    save_file({"a": torch.zeros(2, dtype=torch.int64)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="a: dtype 'I64' is not one of F64, F32, F16, BF16"):
        open_tensors(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "BF16", "I8"]) | JSON,
        "shape": st.lists(st.integers(-2, 1 << 60), max_size=10) | JSON,
        "data_offsets": st.lists(st.integers(-4, 1 << 60), max_size=3) | JSON,
    },
)
HEADER = st.dictionaries(st.text(max_size=5), ENTRY | JSON, max_size=4) | JSON


@settings(max_examples=150, deadline=None)
@given(header=HEADER, tail=st.binary(max_size=40))
def test_no_header_does_anything_but_a_named_error(tmp_path_factory, header, tail):
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + tail)
    with suppress(CheckpointError):
        for tensor in read_header(path).values():
            tensor.read()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_flipped_byte_does_anything_but_a_named_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    blob = bytearray(plain(path).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, min(len(blob), 400) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(blob[: data.draw(st.integers(0, len(blob)))])
    with suppress(CheckpointError):
        for tensor in read_header(path).values():
            tensor.read()


@settings(max_examples=100, deadline=None)
@given(index=st.dictionaries(st.text(max_size=12), JSON, max_size=3) | JSON)
def test_no_index_does_anything_but_a_named_error(tmp_path_factory, index):
    folder = tmp_path_factory.getbasetemp() / "index"
    folder.mkdir(exist_ok=True)
    plain(folder / "one.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": index}))
    with pytest.raises(CheckpointError):
        open_tensors(folder)


@pytest.mark.parametrize("piece", [16, 24, 1 << 26])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_cast_through_a_small_buffer_is_the_cast_of_the_whole(
    tmp_path, monkeypatch, piece, dtype
):
    monkeypatch.setattr(tensor_files, "_PIECE", piece)
    monkeypatch.setattr(tensor_files, "_buffers", threading.local())
    header = read_header(plain(tmp_path / "x.safetensors"))
    for name, tensor in TENSORS.items():
        assert torch.equal(header[name].read("cpu", dtype), tensor.to(dtype))


def test_a_file_that_shrinks_after_its_header_was_read(tmp_path):
    path = plain(tmp_path / "x.safetensors")
    header = read_header(path)
    last = max(header.values(), key=lambda tensor: tensor.start)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=f"truncated in the middle of {last.name}"):
        last.read()
