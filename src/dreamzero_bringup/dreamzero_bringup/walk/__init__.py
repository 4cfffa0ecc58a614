"""``dreamzero doctor --walk``: one small motion per joint, watched, judged and reported."""
