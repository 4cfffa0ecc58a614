import hashlib
import json

import pytest

from dreamzero_policy.embodiments import get
from dreamzero_policy.observation.prompt import NEGATIVE_PROMPT, clean_instruction, render

pytest.importorskip("ftfy")


@pytest.mark.parametrize(
    ("robot", "tag"), [("droid", "oxe_droid"), ("agibot_g1", "agibot"), ("yam", "yam")]
)
def test_prompts_are_those_of_the_reference(golden_dir, robot, tag):
    scalars = json.loads((golden_dir / f"transforms_{tag}.json").read_text())["scalars"]
    template = get(robot).prompt
    negative, positive = scalars["prompt_inference"]
    assert negative == NEGATIVE_PROMPT
    assert render(template, scalars["instruction"]) == positive
    for case in scalars["prompt_cases"]:
        assert render(template, case["instruction"]) == case["prompt"]


@pytest.mark.parametrize(
    ("text", "length", "digest"),
    [
        (NEGATIVE_PROMPT, 375, "38191719adbfd23b3ea32e43dd75423a39d2455b0944b86cfbe82e43e6c0ff25"),
        (
            get("droid").prompt,
            395,
            "3be460f0ed0431534cfe7e3cc6dc49845067ef0521d80a271a81cb306f931d03",
        ),
        (
            get("agibot_g1").prompt,
            338,
            "88515ac238a8d3017a7534ef7533fd2256cda0ffa6746d56120a735a5400a82a",
        ),
        (
            get("yam").prompt,
            261,
            "2640c4bb358f2f7308a60e4903cf9208fc894f624df6ef282d5f0dbc9a3e2589",
        ),
    ],
)
def test_constants_are_byte_exact(text, length, digest):
    assert len(text) == length
    assert hashlib.sha256(text.encode()).hexdigest() == digest


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Pick UP the Cube", "pick up the cube"),
        ("['Open Drawer', 'other']", "open drawer"),
        ("('Open Drawer',)", "open drawer"),
        ("5", "5"),
        ("'Quoted'", "quoted"),
        ("<COTRAIN>Fold the <LAPA>shirt", "fold the shirt"),
        ("don't stop", "don't stop"),
        ("[not a list", "[not a list"),
        ("use the {} braces", "use the {} braces"),
    ],
)
def test_an_instruction_is_cleaned(text, clean):
    assert clean_instruction(text) == clean


@pytest.mark.parametrize("text", ["", "   ", "[]", "''", "<DREAM>"])
def test_an_empty_instruction_is_refused(text):
    with pytest.raises(ValueError, match="instruction: expected words"):
        render("{}", text)


def test_entities_white_space_and_odd_characters_are_mended():
    mended = render("A {}  The {}", "Pick&amp;amp;Place \n\t now")
    assert mended == "A pick&place now The pick&place now"
    assert render("{}", "the “red” ﬂask") == 'the "red" flask'
