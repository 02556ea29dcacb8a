/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/*
 * The page's style: one column that becomes tiles where there is room, system fonts, colours as
 * variables with a light and a dark set. Series colours are those of canvas.c; on dark paper they
 * are lightened to keep a contrast of at least 4.5 : 1.
 */
#include "report/report.h"

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--page:#f6f8fa;--text:#1b1f24;--muted:#59636e;"
    "--rule:#d1d9e0;--accent:#0072b2;--warn:#9a3f00;"
    "--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#cc79a7;--s4:#e69f00;--s5:#56b4e9}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#161b22;--page:#0d1117;--text:#e6edf3;"
    "--muted:#9aa5b1;--rule:#343c46;--accent:#5cb8f0;--warn:#ff9a5c;"
    "--s0:#4aa8e8;--s1:#ff8a3d;--s2:#2cc79a;--s3:#e39cc6;--s4:#f2b632;--s5:#8fd0f5}}\n"
    "*{box-sizing:border-box}\n"
    "html{-webkit-text-size-adjust:100%}\n"
    "body{margin:0;background:var(--page);color:var(--text);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    "main{max-width:1280px;margin:0 auto;padding:20px 16px 60px}\n"
    "h1{font-size:1.6rem;line-height:1.25;margin:.2em 0 .1em;overflow-wrap:anywhere}\n"
    "h2{font-size:1.2rem;margin:0 0 12px}\n"
    "h3{font-size:1rem;margin:20px 0 8px;overflow-wrap:anywhere}\n"
    "p{margin:.4em 0;max-width:80ch}\n"
    ".muted{color:var(--muted);font-size:.9rem}\n"
    ".warn{color:var(--warn)}\n"
    "section{margin-top:32px}\n"
    "nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:10px;font-size:.95rem}\n"
    "a{color:var(--accent)}\n"
    ".tiles{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),"
    "1fr)"
    ")}\n"
    ".tile,.box{background:var(--paper);border:1px solid "
    "var(--rule);border-radius:8px;padding:10px;"
    "min-width:0}\n"
    ".tile svg{display:block;width:100%;height:auto}\n"
    ".scroll{overflow-x:auto;background:var(--paper);border:1px solid "
    "var(--rule);border-radius:8px}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}\n"
    "th,td{text-align:left;padding:6px 12px;border-bottom:1px solid "
    "var(--rule);vertical-align:top}\n"
    "tr:last-child>td,tr:last-child>th{border-bottom:0}\n"
    "thead th{color:var(--muted);font-weight:600;white-space:nowrap}\n"
    "td.n,th.n{text-align:right;white-space:nowrap}\n"
    "tbody th{font-weight:600}\n"
    ".name{min-width:8em}\n"
    ".config td{overflow-wrap:anywhere;min-width:9em}\n"
    ".differs th::after{content:' \\2260';color:var(--warn)}\n"
    ".differs td{font-weight:600}\n"
    "pre{background:var(--paper);border:1px solid "
    "var(--rule);border-radius:8px;padding:12px;margin:0;"
    "white-space:pre-wrap;overflow-wrap:anywhere;font:.88rem/1.5 ui-monospace,'DejaVu Sans Mono',"
    "monospace}\n"
    "figure{margin:0;background:var(--paper);border:1px solid var(--rule);border-radius:8px;"
    "padding:10px;min-width:0}\n"
    "figure img{display:block;max-width:100%;height:auto;margin:0 auto}\n"
    "figcaption{color:var(--muted);font-size:.9rem;margin-top:6px;overflow-wrap:anywhere}\n"
    "details{margin-top:14px}\n"
    "summary{cursor:pointer;color:var(--accent);margin-bottom:8px}\n"
    ".key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.5em}\n"
    ".k0{background:var(--s0)}.k1{background:var(--s1)}.k2{background:var(--s2)}"
    ".k3{background:var(--s3)}.k4{background:var(--s4)}.k5{background:var(--s5)}\n"
    "svg .fill-0{fill:var(--paper)}svg .fill-1{fill:var(--text)}svg .fill-2{fill:var(--muted)}"
    "svg .fill-3{fill:var(--rule)}svg .fill-4{fill:var(--s0)}svg .fill-5{fill:var(--s1)}"
    "svg .fill-6{fill:var(--s2)}svg .fill-7{fill:var(--s3)}svg .fill-8{fill:var(--s4)}"
    "svg .fill-9{fill:var(--s5)}\n"
    "svg .line-3{stroke:var(--rule)}svg .line-4{stroke:var(--s0)}svg .line-5{stroke:var(--s1)}"
    "svg .line-6{stroke:var(--s2)}svg .line-7{stroke:var(--s3)}svg .line-8{stroke:var(--s4)}"
    "svg .line-9{stroke:var(--s5)}\n"
    "@media print{body{background:#fff}section{break-inside:avoid}}\n";

const char *fcmae_report_style(void)
{
    return style;
}
