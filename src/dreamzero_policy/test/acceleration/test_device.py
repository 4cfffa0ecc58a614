import pytest
import torch

from dreamzero_policy.acceleration import device


@pytest.mark.parametrize(("count", "found"), [(0, "cpu"), (2, "cuda:0")])
def test_auto_takes_the_first_gpu_where_there_is_one(monkeypatch, count, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert device.find("auto") == found


@pytest.mark.parametrize("name", ["cuda:2", "gpu", "cuda:x", "tpu:0", "cpu:1", ""])
def test_a_device_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device.find("cuda:1") == "cuda:1"
    with pytest.raises(ValueError, match=f"device: expected .*got '{name}'"):
        device.find(name)
