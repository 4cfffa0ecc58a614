"""experiment_cfg: orders, modes and statistics, read as data."""

import copy
import json
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.fit import mismatches
from dreamzero_policy.checkpoint.random_checkpoint import invented_facts
from dreamzero_policy.checkpoint.robot_facts import CONF, METADATA, Experiment, experiment_files
from dreamzero_policy.model.presets import preset
from dreamzero_policy.weights.errors import CheckpointError

ROBOT = embodiments.get("droid")
CONFIG = preset("droid_14b")
FACTS = invented_facts(CONFIG, ROBOT)
PLAIN = experiment_files(FACTS, ROBOT)


def write(folder, conf, metadata):
    (folder / CONF).parent.mkdir(exist_ok=True)
    (folder / CONF).write_text(conf if isinstance(conf, str) else yaml.safe_dump(conf))
    (folder / METADATA).write_text(json.dumps(metadata))
    return folder


def test_what_is_written_comes_back(tmp_path):
    experiment = Experiment.read(write(tmp_path, *PLAIN))
    assert experiment.tags == ("oxe_droid",)
    found = experiment.robot("oxe_droid")
    for field in ("views", "native_sizes", "rates", "state_keys", "action_keys", "modes", "crop",
                  "view_size", "action_rows"):  # fmt: skip
        assert getattr(found, field) == getattr(FACTS, field), field
    assert mismatches(CONFIG, found, ROBOT, ROBOT.time_base) == []


def test_the_order_is_that_of_the_concatenation_not_of_the_statistics(tmp_path):
    found = Experiment.read(write(tmp_path, *PLAIN)).robot("oxe_droid")
    assert list(PLAIN[1]["oxe_droid"]["statistics"]["state"]) == sorted(found.state_statistics)
    assert list(found.state_statistics) == ["joint_position", "gripper_position"]


def test_references_are_looked_up_in_the_same_file(tmp_path):
    conf, metadata = copy.deepcopy(PLAIN)
    keys = conf["modality_configs"]["oxe_droid"]["video"]["modality_keys"]
    conf["the_keys"] = keys
    conf["alias"] = "${the_keys}"
    conf["transforms"]["oxe_droid"]["transforms"][-1]["video_concat_order"] = "${alias}"
    conf["transforms"]["oxe_droid"]["transforms"].append("${model_specific_transform}")
    found = Experiment.read(write(tmp_path, conf, metadata)).robot("oxe_droid")
    assert found.views == FACTS.views


def test_a_reference_to_itself_ends(tmp_path):
    conf, metadata = copy.deepcopy(PLAIN)
    conf["relative_action_keys"] = "${relative_action_keys}"
    experiment = Experiment.read(write(tmp_path, conf, metadata))
    with pytest.raises(CheckpointError, match="leads from reference to reference"):
        experiment.robot("oxe_droid")


def test_yaml_that_asks_for_an_object_is_refused(tmp_path):
    text = "!!python/object/apply:os.system ['touch /tmp/dreamzero_was_here']\n"
    with pytest.raises(CheckpointError, match="not plain YAML"):
        Experiment.read(write(tmp_path, text, PLAIN[1]))


def test_without_experiment_cfg_the_error_says_what_to_download(tmp_path):
    with pytest.raises(CheckpointError, match="download the folder experiment_cfg as well"):
        Experiment.read(tmp_path)


def test_an_unknown_robot_lists_those_known(tmp_path):
    with pytest.raises(CheckpointError, match="no robot 'yam'; this checkpoint knows oxe_droid"):
        Experiment.read(write(tmp_path, *PLAIN)).robot("yam")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("oxe_droid", "statistics", "state", "joint_position", "q01"), [0.0] * 6, "q01"),
        (("oxe_droid", "statistics", "state", "joint_position", "q99"), [float("nan")] * 7, "q99"),
        (("oxe_droid", "statistics", "state", "joint_position", "q99"), ["1"] * 7, "numbers"),
        (("oxe_droid", "statistics", "action", "gripper_position", "std"), None, "std"),
        (("oxe_droid", "statistics", "action", "gripper_position", "std"), [-1.0], "std"),
        (("oxe_droid", "statistics", "state"), {}, "joint_position"),
        (("oxe_droid", "modalities", "state", "joint_position", "shape"), [8], "modality has 8"),
        (("oxe_droid", "modalities", "video", "wrist_image_left", "resolution"), [320], "width"),
    ],
)
def test_metadata_that_makes_no_sense_is_refused(tmp_path, path, value, message):
    conf, metadata = copy.deepcopy(PLAIN)
    place = metadata
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    experiment = Experiment.read(write(tmp_path, conf, metadata))
    with pytest.raises(CheckpointError, match=message):
        experiment.robot("oxe_droid")


def places(value, path=()):
    """Every place in a nested value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value[:2])
    for key, inner in items:
        yield from places(inner, (*path, key))


PLACES = [(index, path) for index in (0, 1) for path in places(PLAIN[index]) if path]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.just([]),
    st.just({}), st.lists(st.floats() | st.integers(), max_size=8), st.lists(st.text(max_size=3)),
    st.just("${relative_action}"), st.just("${transforms}"), st.just([[0.0] * 7] * 24),
    st.dictionaries(st.text(max_size=4) | st.integers(), st.none() | st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_mutated_file_does_anything_but_a_named_error(tmp_path_factory, data):
    plain = copy.deepcopy(PLAIN)
    for index, path in data.draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        place = plain[index]
        try:
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = data.draw(JUNK)
        except (KeyError, TypeError, IndexError):
            pass  # an earlier mutation took the place away
    with suppress(CheckpointError):
        experiment = Experiment.read(write(tmp_path_factory.getbasetemp(), *plain))
        for tag in experiment.tags:
            mismatches(CONFIG, experiment.robot(tag), ROBOT, ROBOT.time_base)


@settings(max_examples=80, deadline=None)
@given(text=st.text(alphabet="ab:- \n[]{}&*!|>'\"#%@`,?0.", max_size=60))
def test_no_yaml_does_anything_but_a_named_error(tmp_path_factory, text):
    with suppress(CheckpointError):
        Experiment.read(write(tmp_path_factory.getbasetemp(), text, PLAIN[1])).robot("oxe_droid")
