# SPDX-FileCopyrightText: the fcmae authors
# SPDX-License-Identifier: MIT
"""The plot of docs/performance.md, as SVG: images/s and fraction of the peak, by size and by mask ratio."""
import math

WIDTH, HEIGHT = 400, 200  # of a panel's bars
COLOURS = {"float32": "#3465a4", "bfloat16": "#e08214"}


def short(value):
    return f"{value:.2f}" if value < 1 else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def linear(top):
    """Place of a value between 0 and 1, and the marks of the axis, for values up to `top`."""
    step = 10 ** math.floor(math.log10(top))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if top / s <= 6)
    end = math.ceil(top / step - 1e-9) * step
    marks = [i * step for i in range(int(round(end / step)) + 1)]
    return (lambda value: value / end), marks


def logarithmic(low, high):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    marks = [10.0 ** power for power in range(first, last + 1)]
    return (lambda value: max(0, (math.log10(value) - first) / (last - first))), marks


def panel(x, y, title, labels, series, scale):
    """Bars: series is [(name, values)], one value or None per label; scale from one of the above."""
    place, marks = scale
    out = [f'<g transform="translate({x},{y})">\n'
           f'<text x="0" y="-16" font-weight="bold" font-size="13">{title}</text>']
    for mark in marks:
        level = HEIGHT * (1 - place(mark))
        out.append(f'<line x1="0" x2="{WIDTH}" y1="{level:.1f}" y2="{level:.1f}" stroke="#ddd"/>'
                   f'<text x="-6" y="{level + 4:.1f}" text-anchor="end" fill="#555">{mark:g}</text>')
    slot = WIDTH / len(labels)
    bar = slot * 0.84 / len(series)
    for i, label in enumerate(labels):
        for j, (name, values) in enumerate(series):
            if values[i] is None:
                continue
            tall = HEIGHT * place(values[i])
            left = slot * i + slot * 0.08 + bar * j
            out.append(f'<rect x="{left:.1f}" y="{HEIGHT - tall:.1f}" width="{bar - 1:.1f}" '
                       f'height="{tall:.1f}" fill="{COLOURS[name]}"/>'
                       f'<text x="{left + (bar - 1) / 2:.1f}" y="{HEIGHT - tall - 3:.1f}" font-size="9" '
                       f'text-anchor="middle">{short(values[i])}</text>')
        out.append(f'<text x="{slot * (i + 0.5):.1f}" y="{HEIGHT + 16}" text-anchor="middle">{label}</text>')
    out.append(f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}" stroke="#555"/>')
    return "\n".join(out) + "\n</g>\n"


def legend(x, y):
    out = []
    for i, (name, colour) in enumerate(COLOURS.items()):
        out.append(f'<rect x="{x + 90 * i}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
                   f'<text x="{x + 90 * i + 15}" y="{y}">{name}</text>')
    out.append(f'<text x="{x + 490}" y="{y}" fill="#555">bfloat16 against the peak of its own instruction, '
               'which is twice as high</text>')
    return "\n".join(out) + "\n"


def plot(results, all_sizes, all_ratios):
    """SVG text, or None if no step was measured."""
    raw = results.raw["figures"]
    sizes = [size for size in all_sizes if f"step {size} f32" in raw]
    ratios = [value for value in all_ratios if f"ratio {value} f32" in raw]
    keys = {"f32": "peak_fraction", "bf16": "peak_fraction_bf16"}

    def panels(y, title, labels, names):
        """Two panels side by side: images/s, fraction of the peak; names by precision."""
        if not labels:
            return ""
        rates, shares = [], []
        for colour, precision in zip(COLOURS, keys):
            rates.append((colour, [results.get(n, "images_per_s") for n in names[precision]]))
            shares.append((colour, [results.get(n, keys[precision]) for n in names[precision]]))
        values = [v for _, one in rates for v in one if v]
        wide = max(values) > 20 * min(values)
        scale = logarithmic(min(values), max(values)) if wide else linear(1.05 * max(values))
        logarithm = ", logarithmic" if wide else ""
        return (panel(55, y, f"{title}: images/s{logarithm}", labels, rates, scale) +
                panel(545, y, f"{title}: fraction of the peak", labels, shares, linear(1.0)))

    first = panels(80, "Steps by size", sizes, {p: [f"step {s} {p}" for s in sizes] for p in keys})
    below = 80 + HEIGHT + 80 if first else 80
    second = panels(below, "Steps of atto by mask ratio", [f"{value:g}" for value in ratios],
                    {p: [f"ratio {v} {p}" for v in ratios] for p in keys})
    if not first and not second:
        return None
    height = (below + HEIGHT + 40) if second else 80 + HEIGHT + 40
    return ('<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 980 {height}" width="980" height="{height}" font-family="sans-serif" '
            f'font-size="11">\n<rect width="980" height="{height}" fill="white"/>\n' +
            legend(55, 24) + first + second + "</svg>\n")
