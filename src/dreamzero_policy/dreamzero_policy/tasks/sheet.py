"""The printed sheet of an area: the day's episodes, its tasks with their steps, room for proposals.

A4, black on white, for a page that hangs beside the robot: what is called out loud is biggest.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dreamzero_policy.tasks.page import page
from dreamzero_policy.tasks.records import Area, Plan, Task

_TALLY = 10  # boxes beside a task
_PROPOSALS = 5

_STYLE = """
section > table { width: 100%; border-collapse: collapse }
section > table > * > tr > td { padding: 0 }
.how { font-size: 11.5pt; margin: 0 0 3.5mm }
.plan { display: grid; border: .5mm solid #000;
        border-radius: 1.5mm; margin-bottom: 2.6mm; min-height: 29mm; break-inside: avoid }
.plan > * { padding: 1.8mm 2mm; border-left: .25mm solid #000 }
.plan > :first-child { border-left: 0 }
.number { background: #000; color: #fff; text-align: center; font-size: 27pt; font-weight: 800;
          display: flex; flex-direction: column; justify-content: center; line-height: 1 }
.number small { font-size: 9.5pt; font-weight: 400; margin-top: 1.5mm }
.code { font-size: 24pt; font-weight: 800; line-height: 1; letter-spacing: -.3pt }
.pick { display: flex; justify-content: space-between; align-items: center; margin-bottom: 1.2mm }
.pick + div { font-size: 12.5pt; line-height: 1.2 }
.box { display: inline-block; width: 6.2mm; height: 6.2mm; border: .5mm solid #000;
       border-radius: .8mm; flex: none }
.outcome { font-size: 11pt; display: flex; flex-direction: column; justify-content: space-between }
.outcome div { display: flex; align-items: center; gap: 2mm }
.outcome .box { width: 5mm; height: 5mm }
.outcome .by { border-bottom: .25mm solid #000; height: 6mm; align-items: flex-end; color: #555;
               font-size: 9pt }
.done .box { background: #000 }
.task { display: grid; grid-template-columns: 27mm 1fr 34mm; gap: 3mm; padding: 2.8mm 0;
        border-top: .25mm solid #000; break-inside: avoid }
.task h3 { font-size: 15pt; line-height: 1.15; margin: 0 0 1mm }
.task ol { margin: 0; padding-left: 6mm; font-size: 12.5pt; line-height: 1.32 }
.task .time { font-size: 11pt; margin-top: 1mm }
.tally { display: grid; grid-template-columns: repeat(5, 1fr); gap: 1.4mm; margin-top: 1.2mm }
.tally .box { width: 100%; height: 5.6mm; border-width: .3mm }
.count { font-size: 12.5pt; display: flex; justify-content: space-between }
.bar { height: 2mm; border: .25mm solid #000; margin-top: .8mm }
.bar div { background: #000; height: 100% }
.rare { display: inline-block; border: .4mm solid #000; border-radius: 1mm; padding: 0 1.4mm;
        font-size: 10.5pt; font-weight: 700; margin-top: 1mm }
.proposal { border: .4mm solid #000; border-radius: 1.5mm; padding: 2.5mm 3mm 3mm;
            margin-bottom: 3.2mm; break-inside: avoid; font-size: 10.5pt; color: #444 }
.line { border-bottom: .25mm solid #777; height: 7.6mm }
.ends { display: grid; grid-template-columns: 3fr 1fr; gap: 5mm }
"""


def sheet(
    area: Area,
    day: str,
    station: str,
    plans: Sequence[Plan],
    tasks: Sequence[Task],
) -> str:
    """The sheet as one HTML page.

    Args:
        area: whose sheet it is.
        day: local date.
        station: that records.
        plans: of the day, in their order.
        tasks: of the area; only those on the sheet are printed.
    """
    listed = [task for task in tasks if task.open]
    top = (
        f"<header><div><div>{escape(station)}</div><h1>{escape(area.name)}</h1></div>"
        f'<div class="when"><b>{escape(day)}</b><br>{len(plans)} episodes, {len(listed)} tasks'
        "</div></header>"
    )
    parts = (_episodes(plans), _tasks(listed), _proposals(area))
    body = "".join(  # a table's head stands on every page that the table reaches
        f"<section><table><thead><tr><td>{top}</td></tr></thead>"
        f"<tbody><tr><td>{part}</td></tr></tbody></table></section>"
        for part in parts
    )
    return page(f"Task sheet {area.name} {day}", _STYLE, body)


def _episodes(plans: Sequence[Plan]) -> str:
    how = (
        '<p class="how">One row is one episode: its tasks one after the other. Tick each task when '
        "it is done, then how the episode was. A task cannot be done here today? Take any other "
        "from the list.</p>"
    )
    most = max((len(plan.tasks) for plan in plans), default=0)
    return f"<h2>Episodes</h2>{how}{''.join(_plan(plan, most) for plan in plans)}"


def _plan(plan: Plan, columns: int) -> str:
    picks = "".join(
        f'<div><div class="pick"><span class="code">{escape(task.code)}</span>'
        f'<span class="box"></span></div><div>{escape(task.instruction)}</div></div>'
        for task in plan.tasks
    )
    picks += "<div></div>" * (columns - len(plan.tasks))
    boxes = "".join(
        f'<div><span class="box"></span>{word}</div>' for word in ("good", "again", "problem")
    )
    state = " done" if plan.recorded else ""
    wide = f"grid-template-columns: 17mm repeat({columns}, 1fr) 31mm"
    return (
        f'<div class="plan{state}" style="{wide}"><div class="number">{plan.number}'
        f"<small>{_minutes(plan.seconds)}</small></div>{picks}"
        f'<div class="outcome">{boxes}<div class="by">who, when</div></div></div>'
    )


def _tasks(tasks: Sequence[Task]) -> str:
    counts = sorted(task.count for task in tasks)
    rare = counts[len(counts) // 3] if counts and counts[0] < counts[-1] else -1
    return "<h2>Tasks and their steps</h2>" + "".join(_task(task, rare) for task in tasks)


def _task(task: Task, rare_to: int) -> str:
    steps = "".join(f"<li>{escape(step)}</li>" for step in task.steps)
    rare = '<div class="rare">rare</div>' if task.count <= rare_to else ""
    left = task.limit - task.count
    boxes = '<span class="box"></span>' * min(_TALLY, left)
    return (
        f'<div class="task"><div><div class="code">{escape(task.code)}</div>'
        f'<div class="time">{_minutes(task.seconds)}</div>{rare}</div>'
        f"<div><h3>{escape(task.instruction)}</h3>{f'<ol>{steps}</ol>' if steps else ''}</div>"
        f'<div><div class="count"><b>{task.count}</b><span>of {task.limit}</span></div>'
        f'<div class="bar"><div style="width:{100 * task.count / task.limit:.0f}%"></div></div>'
        f'<div class="tally">{boxes}</div></div></div>'
    )


def _proposals(area: Area) -> str:
    blank = (
        '<div class="proposal">What the robot should do, as you would say it to a colleague'
        '<div class="line"></div><div class="line"></div><div class="ends"><div>Steps'
        '<div class="line"></div></div><div>Your name<div class="line"></div></div></div></div>'
    )
    why = (
        f'<p class="how">Something useful in {escape(area.name)} that is not on the list? Write it '
        "down: new tasks are what this collection lives on.</p>"
    )
    return f"<h2>New tasks</h2>{why}{blank * _PROPOSALS}"


def _minutes(seconds: float) -> str:
    """A time to the half minute, as a person says it."""
    halves = max(1, round(seconds / 30.0))
    return f"{halves // 2 or ''}{'½' if halves % 2 else ''} min"
