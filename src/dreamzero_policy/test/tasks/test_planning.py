"""Plans: three tasks of about five minutes, rare ones first, none beyond its number of episodes."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_policy.tasks import catalogue, plans
from dreamzero_policy.tasks.catalogue import Rules
from dreamzero_policy.tasks.counting import Episode, count_episode
from dreamzero_policy.tasks.planning import PLAY, Candidate, plan

RULES = Rules(retire_after=50, tasks_per_episode=3, episode_seconds=300)
DAY = "2026-03-02"

candidates = st.lists(
    st.tuples(st.integers(0, 60), st.floats(20, 240)), min_size=0, max_size=25
).map(lambda rows: [Candidate(f"t{n}", count, s) for n, (count, s) in enumerate(rows)])


@given(candidates, st.integers(1, 20), st.integers(0, 2**32))
def test_every_plan_keeps_the_rules(tasks, episodes, seed):
    made = plan(tasks, episodes, RULES, seed)
    counts = {task.id: task.count for task in tasks}
    assert made == plan(tasks, episodes, RULES, seed)
    for chosen in made:
        open_ = sorted(count for count in counts.values() if count < RULES.retire_after)
        size = min(3, len(open_))
        assert len(set(chosen)) == len(chosen) == size
        for task in chosen:
            assert counts[task] < RULES.retire_after
            assert counts[task] <= open_[size - 1] + PLAY
            counts[task] += 1
    if len(made) < episodes:  # only where no task is left
        assert all(count >= RULES.retire_after for count in counts.values())


@given(st.lists(st.integers(0, 40), min_size=3, max_size=20), st.integers(0, 2**32))
def test_tasks_of_one_length_are_levelled(counts, seed):
    tasks = [Candidate(f"t{n}", count, 100.0) for n, count in enumerate(counts)]
    made = plan(tasks, 30, RULES, seed)
    after = {task.id: task.count for task in tasks}
    for chosen in made:
        rarest = sorted(count for count in after.values() if count < 50)[:3]
        assert sorted(after[task] for task in chosen) == rarest
        for task in chosen:
            after[task] += 1


def test_lengths_come_near_five_minutes():
    tasks = [Candidate(f"t{n}", n % 2, 50.0 + 10 * n) for n in range(12)]
    lengths = {task.id: task.seconds for task in tasks}
    for chosen in plan(tasks, 8, RULES, 0):
        assert 240 <= sum(lengths[task] for task in chosen) <= 360


def test_triples_vary():
    tasks = [Candidate(f"t{n}", 0, 100.0) for n in range(9)]
    made = plan(tasks, 12, RULES, 0)
    pairs = [pair for chosen in made for pair in combinations(sorted(chosen), 2)]
    assert len(set(pairs)) >= 30  # of the 36 there are, each plan having three


def test_plans_of_a_day_go_on_and_count_what_is_waiting(store, kitchen):
    catalogue.change_setting(store, "retire_after", "2")
    area = kitchen[0].area
    made = plans.make(store, area, DAY, 3, 0)
    assert [one.number for one in made] == [1, 2, 3]
    done = tuple(task.id for task in made[0].tasks)
    count_episode(store, Episode("e1", DAY, done, plan=made[0].id), 1)
    more = plans.make(store, area, DAY, 5, 2)
    assert [one.number for one in more] == [4]  # six tasks, twice each, are four episodes
    assert [one.recorded for one in plans.plans(store, area, DAY)] == [True, False, False, False]
    with pytest.raises(ValueError, match="no task left to plan: propose new ones"):
        plans.make(store, area, DAY, 1, 3)
    assert plans.find(store, area, DAY, 2).id == made[1].id
    with pytest.raises(ValueError, match="no episode 9 is planned"):
        plans.find(store, area, DAY, 9)


def test_proposals_are_not_planned(store, kitchen):
    catalogue.add_task(store, "Kitchen", "Dance", 0, status="proposed")
    made = plans.make(store, kitchen[0].area, DAY, 20, 0)
    assert "Dance" not in {task.instruction for one in made for task in one.tasks}
