# SPDX-FileCopyrightText: the fcmae authors
# SPDX-License-Identifier: MIT
"""What scripts/performance measured, as text for docs/performance.md: tables, and filling their places.

Imported by scripts/performance; a figure that was not measured is a dash.
"""
import os
import statistics

from performance_plot import plot

SIZES = ("atto", "femto", "pico", "nano", "tiny", "base", "large", "huge")
RATIOS = (0.3, 0.45, 0.6, 0.75, 0.9)
OTHERS = ("atto", "tiny", "base")  # sizes measured with other instructions and other builds


class Results:
    def __init__(self, raw):
        self.raw = raw

    def get(self, name, key):
        """Median over the rounds, or None."""
        values = [run[key] for run in self.raw["figures"].get(name, []) if run.get(key) is not None]
        return statistics.median(values) if values else None

    def best(self, prefix, bf16):
        """Fastest run whose name begins so, in float32 or (bf16) any precision: (images/s, setting)."""
        found = [(self.get(name, "images_per_s"), name[len(prefix):].strip())
                 for name in self.raw["figures"] if name.startswith(prefix)]
        return max((f for f in found if bf16 or "bf16" not in f[1]), default=(None, "-"))


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(a, b):
    return None if a is None or not b else a / b


def rate(value):
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def times(value):
    return "-" if value is None else f"{value:.1f}x"


def size(value):
    """Bytes in MiB, or in GiB from 10 GiB on."""
    if value is None:
        return "-"
    return f"{value / 2**30:.1f} GiB" if value >= 10 * 2**30 else f"{value / 2**20:.0f} MiB"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def section(lead, head, rows):
    return [lead, ""] + table(head, rows) if rows else []


def steps_table(r):
    rows = []
    for name in SIZES:
        step = f"step {name}"
        if not any(f"{step} {p}" in r.raw["figures"] for p in ("f32", "bf16")):
            continue
        f, b = r.get(f"{step} f32", "images_per_s"), r.get(f"{step} bf16", "images_per_s")
        images, batch = (r.get(f"{step} f32", key) for key in ("step_images", "batch_size"))
        passes = int(images // batch) if images and batch else 1
        memory = r.get(f"{step} f32", "peak_memory_bytes")
        rows.append([name, number(batch, 0) + (f" x {passes}" if passes > 1 else ""), rate(f),
                     number(r.get(f"{step} f32", "peak_fraction")), rate(b), number(ratio(b, f)),
                     number(r.get(f"{step} bf16", "peak_fraction_bf16")),
                     number(ratio(memory, 2**30)),
                     number(ratio(r.get(f"{step} bf16", "peak_memory_bytes"), 2**30)),
                     rate(r.get(f"avx2 {name}", "images_per_s")),
                     number(r.get(f"avx2 {name}", "peak_fraction"))])
    return section("Whole pretraining steps, mask ratio 0.6, 224 x 224 pixels. Batch: images of a pass x passes "
                   "of a step. GiB: the most that was resident.",
                   ["model", "batch", "f32, images/s", "of the f32 peak", "bf16, images/s", "bf16 / f32",
                    "of the bf16 peak", "f32, GiB", "bf16, GiB", "AVX2 f32, images/s", "of the AVX2 peak"],
                   rows)


def thin_table(r):
    rows = []
    for name in OTHERS:
        run, full = f"thin {name}", r.get(f"step {name} f32", "images_per_s")
        speed, memory = r.get(run, "images_per_s"), r.get(run, "peak_memory_bytes")
        if speed:
            rows.append([name, rate(speed), number(ratio(speed, full)), number(ratio(memory, 2**30)),
                         number(ratio(r.get(f"step {name} f32", "peak_memory_bytes"), 2**30))])
    return section("The same float32 steps in less memory, `--lanes 1 --micro-batch 4`:",
                   ["model", "images/s", "against all lanes", "GiB", "GiB of all lanes"], rows)


def compilers_table(r):
    """The same source by two compilers."""
    this, other = r.raw.get("compiler", "this build"), r.raw.get("other_compiler", "other build")
    rows = []
    for name in OTHERS:
        for precision in ("f32", "bf16"):
            b = r.get(f"other {name} {precision}", "images_per_s")
            if b:
                a = r.get(f"step {name} {precision}", "images_per_s")
                rows.append([f"{name}, {precision}", rate(a), rate(b), number(ratio(b, a))])
    return section(f"The same steps built by another compiler ({other}; everything else here is {this}), "
                   "in turn:", ["step", f"{this}, images/s", f"{other}, images/s", f"{other} / {this}"],
                   rows)


def torch_steps_tables(r):
    prefix = "torch step atto "
    names = [name[len(prefix):] for name in r.raw["figures"] if name.startswith(prefix)]
    if not names:
        return []
    (float32, how32), (fastest, how) = r.best(prefix, False), r.best(prefix, True)
    rows = []
    for precision in ("f32", "bf16"):
        mine = r.get(f"step atto {precision}", "images_per_s")
        rows.append([f"fcmae, {precision}", rate(mine), times(ratio(mine, float32)),
                     times(ratio(mine, fastest))])
    lines = section("The same step in PyTorch, with dense convolutions multiplied by the mask. Its best in "
                    f"float32: {rate(float32)} images/s ({how32}); its best of any precision: "
                    f"{rate(fastest)} images/s ({how}). fcmae with batches of "
                    f"{number(r.get('step atto f32', 'batch_size'), 0)}:",
                    ["step of atto", "images/s", "against PyTorch's best float32",
                     "against PyTorch's best of any precision"], rows)
    batches = sorted({name.rsplit("batch ", 1)[1] for name in names}, key=int)
    settings = list(dict.fromkeys(name.rsplit(", batch", 1)[0] for name in names))
    rows = [[setting] + [rate(r.get(f"{prefix}{setting}, batch {batch}", "images_per_s"))
                         for batch in batches] for setting in settings]
    return lines + section("Every setting of PyTorch that was tried, images/s (compiling is not counted):",
                           ["setting"] + [f"batch {batch}" for batch in batches], rows)


def inference_table(r):
    rows = []
    for name in ("atto", "base"):
        for batch in (1, 32):
            f, b = (r.get(f"inference {name} {batch} {p}", "images_per_s") for p in ("f32", "bf16"))
            if f is None:
                continue
            prefix = f"torch inference {name} {batch} "
            (float32, how32), (fastest, how) = r.best(prefix, False), r.best(prefix, True)
            onnx = r.get(f"onnx inference {name} {batch}", "images_per_s")
            peers = [x for x in (float32, onnx) if x]
            every = [x for x in (fastest, onnx) if x]
            rows.append([f"{name}, {batch}", rate(f), rate(b), f"{rate(float32)} ({how32})",
                         f"{rate(fastest)} ({how})", rate(onnx), times(ratio(f, max(peers, default=None))),
                         times(ratio(b, max(every, default=None)))])
    return section("Dense inference of the classifier, images/s:",
                   ["model, batch", "fcmae f32", "fcmae bf16", "PyTorch, best float32",
                    "PyTorch, best of any precision", "onnxruntime, float32", "f32 against the best float32",
                    "bf16 against the best of any"], rows)


def ratio_tables(r):
    rows = []
    for value in (0,) + RATIOS:
        row = [f"{value:g}"]
        for precision in ("f32", "bf16"):
            row.append(rate(r.get(f"ratio {value} {precision}", "images_per_s")))
        row.append(number(r.get(f"ratio {value} f32", "peak_fraction")))
        row.append(number(r.get(f"ratio {value} bf16", "peak_fraction_bf16")))
        for name in ("atto", "base"):
            row.append(number(ratio(r.get(f"encoder {name} {value}", "step_s"),
                                    r.get(f"encoder {name} 0", "step_s"))))
        rows.append(row)
    if all(cell == "-" for row in rows for cell in row[1:]):
        return []
    return section("By mask ratio: steps of atto; time of the forward pass of the encoder alone, 1.00 where "
                   "nothing is masked:",
                   ["mask ratio", "step f32, images/s", "step bf16, images/s", "of the f32 peak",
                    "of the bf16 peak", "encoder, atto", "encoder, base"], rows)


def pipeline_table(r):
    rows, data = [], None
    for name, title in (("f32", "atto, f32"), ("bf16", "atto, bf16"),
                        ("nothing", "a network of next to nothing")):
        for run in r.raw["figures"].get(f"pipeline {name}", [])[-1:]:
            data = run
            rows.append([title, rate(run["images_per_s"]), f"{100 * run['wait_median']:.2f} %",
                         f"{100 * run['wait_total']:.2f} %", f"{run['first_wait_s']:.2f} s",
                         f"{run['steps']}"])
    if not data:
        return []
    return section(f"Runs on files ({data['data']}), 224 x 224 pixels, batches of {data['batch_size']}, "
                   "decoding, cropping and resizing included. Waited: the share of the time in which the "
                   "network waits for images, the first step apart (the loader starts with it). The last "
                   "row has hardly anything to compute: that many images/s the loader prepares at least.",
                   ["fcmae pretrain", "images/s", "waited, median of the steps", "waited, of all steps",
                    "first step waited", "steps"], rows)


def listing(lead, text):
    """Long output of a program, folded away."""
    if not text:
        return []
    return ["<details>", f"<summary>{lead}</summary>", "", "```", text.rstrip(), "```", "", "</details>", ""]


def count(number_of, noun):
    return f"{number_of} {noun}" + ("" if number_of == 1 else "s")


def measured_text(raw):
    r = Results(raw)
    peak, wide = r.get("step atto f32", "fma_peak_gflops"), r.get("step atto bf16", "bf16_peak_gflops")
    versions = {run["peer"]: run["version"] for runs in raw["figures"].values() for run in runs
                if "peer" in run}
    first = f"{raw['processor']}, {count(raw['threads'], 'thread')}, {raw['date']}, {raw['minutes']} minutes; medians. "
    first += f"Built by {raw['compiler']}. " if raw.get("compiler") else ""
    if peak:
        first += (f"Peak measured between the steps: {number(peak, 0)} GFLOP/s in float32, "
                  f"{number(wide, 0)} in bfloat16. ")
    first += f"Load average at the end: {raw['load_at_end']}."
    first += "".join(f" {name} {version}." for name, version in versions.items())
    first += " A quick run: small batches, one step, of no value but to show that all works." if raw["quick"] else ""
    lines = [first, ""]
    if any(name.startswith(("step ", "ratio ")) for name in raw["figures"]):
        lines += ["![Speed by size and by mask ratio](performance.svg)", ""]
    lines += steps_table(r) + thin_table(r) + compilers_table(r) + torch_steps_tables(r) + inference_table(r)
    lines += ratio_tables(r) + pipeline_table(r)
    lines += [f"- {note}" for note in raw["notes"]] + ([""] if raw["notes"] else [])
    for name, text in raw.get("profiles", {}).items():
        lines += listing(f"Where the time of a step of {name} goes (bench_step)", text)
    lines += listing("Kernels on one thread, the best of many short samples (bench_operators: model, stage, "
                     "channels, rows; OpenBLAS with the kernels it chose for this processor)", raw.get("operators"))
    return "\n".join(lines).rstrip() + "\n"


# ---- memory: what `fcmae info --json` plans, nothing is timed

def recomputed(info):
    """What the blocks of the first two stages keep of an image beside their inputs, for backward:
    normalised rows, hidden layer and its slope, 9 C floats per site. Recomputed, it would be saved."""
    kept = 0
    for stage in (0, 1):
        sites = info["macs"]["visible_cells"] * (8 >> stage) ** 2
        kept += info["depths"][stage] * sites * 9 * info["dims"][stage] * 4
    return kept


def share(part, whole):
    return f"{size(part)} ({100 * part / whole:.0f} %)"


def batch(value):
    return f"{value}" if value else "none"


def memory_text(memory):
    plans, rows, growth = memory["info"], [], []
    uses = {"pretraining": set(), "fine-tuning": set(), "inference": set()}
    for name in plans:
        info = plans[name]["plain"]["memory_bytes"]
        plan, tuned, used = info["pretrain"], info["finetune"], info["inference"]
        thin, together = plans[name]["thin"], plans[name]["together"]
        each = recomputed(plans[name]["plain"])
        rows.append([name, f"{plan['lanes']} x {plan['micro_batch']}", size(plan["total"]),
                     size(plan["activations"]), f"{100 * plan['activations'] / plan['total']:.0f} %",
                     share(each * plan["lanes"] * plan["micro_batch"], plan["total"]), size(thin["total"]),
                     size(together["total"]), f"{together['per_image'] / 2**20:.1f} MiB",
                     share(each * info["batch_size"], together["total"])])
        growth.append([name] + [cell for p in (plan, tuned, used) for cell in (
            size(p["fixed"]), batch(p["largest_batch_per_gib"]), batch(p["largest_batch_of_machine"]))])
        for sizes, p in zip(uses.values(), (plan, tuned, used)):
            sizes.add(f"{p['per_image'] / 2**10:.0f} KiB")
    if not rows:
        return ""
    info = next(iter(plans.values()))["plain"]["memory_bytes"]
    here = size(info["machine"])
    lines = section(f"Planned by `fcmae info MODEL --json` for {count(memory['processors'], 'processor')}, 224 pixels, "
                    f"mask ratio 0.6. Pretraining with batches of {info['batch_size']}; *recomputing* is what it "
                    "would save not to keep the blocks of stages 0 and 1:",
                    ["model", "lanes x micro-batch", "whole run", "activations", "of the run",
                     "recomputing would save", "run with `--lanes 1 --micro-batch 4`",
                     "run with `--grn-scope batch`", "each image there", "recomputing there"], rows)
    head = ["model"]
    for use in uses:
        head += [f"{use}: fixed", "largest batch per GiB", f"in {here}"]
    each = ", ".join(f"{' or '.join(sorted(sizes))} in {use}" for use, sizes in uses.items())
    return "\n".join(lines + section(
        f"The same as a fixed part and what every image of the batch costs: {each}. The fixed part is that of "
        "full lanes; a batch too small to fill them takes less. *None*: not even one image fits.", head, growth)).rstrip() + "\n"


# ---- the page

def write(path, text):
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def fill(text, name, content):
    """Replaces what stands between the marks of a place of the page."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, after = text.index(begin) + len(begin), text.index(end)
    return text[:before] + "\n" + content + text[after:]


def render(raw, root, docs):
    page = os.path.join(docs, "performance.md")
    source = page if os.path.exists(page) else os.path.join(root, "docs", "performance.md")
    with open(source, encoding="utf-8") as file:
        text = fill(file.read(), "measured", measured_text(raw))
    if raw.get("memory"):
        text = fill(text, "memory", memory_text(raw["memory"]))
    drawing = plot(Results(raw), SIZES, RATIOS)
    if drawing:
        write(os.path.join(docs, "performance.svg"), drawing)
    write(page, text)
