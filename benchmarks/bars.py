"""Rows as bars, with floors, goals and what was before; no picture without matplotlib."""

from __future__ import annotations

from pathlib import Path

from results import short

_DECADE = 10  # times of a wider range are drawn by their logarithm
_COLOURS = {"baseline": "0.6", "exact": "tab:blue", "approximate": "tab:orange"}


def draw(path: Path, title: str, rows: list[dict]) -> bool:
    """Draws every row that was measured; whether there is a picture now."""
    rows = [row for row in rows if "ms" in row][::-1]
    if not rows:
        return False
    try:
        import matplotlib
    except ImportError:
        print("no picture: matplotlib is not installed")
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 1.2 + 0.34 * len(rows)))
    for at, row in enumerate(rows):
        colour = _COLOURS.get(row.get("kind"), "tab:green")
        axis.barh(at, row["ms"]["p50"], color=colour, label=row.get("kind", "measured"))
        for key, style in (("floor_ms", "k-"), ("goal_ms", "r:"), ("before_ms", "k:")):
            if row.get(key):
                axis.plot([row[key]] * 2, [at - 0.45, at + 0.45], style, lw=2, label=key[:-3])
        if published := row.get("published_ms"):
            axis.plot(published["p50"], at, "D", color="tab:red", ms=5, label="published")
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles))
    axis.legend(unique.values(), unique.keys(), fontsize=8)
    axis.set_yticks(range(len(rows)), [row["row"] for row in rows], fontsize=8)
    axis.set(xlabel="median [ms]", title=title, ylim=(-0.8, len(rows) - 0.2))
    times = [row["ms"]["p50"] for row in rows]
    if max(times) > _DECADE * min(times):
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    print(f"wrote {short(path)}")
    return True
