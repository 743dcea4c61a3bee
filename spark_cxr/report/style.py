"""The looks of every page, in one place: light, dark, phone and print."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --muted: #5b6570; --line: #dde2e7; --faint: #f5f7f9;
  --accent: #0a5c8f; --warn: #9a4a00; --warn-paper: #fff6ea; --warn-line: #d9822b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e4e7eb; --muted: #9aa5b1; --line: #2c333b; --faint: #1b2026;
    --accent: #6db8e8; --warn: #f3b56b; --warn-paper: #261d12; --warn-line: #b86a1d;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
    sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.015em; margin: .3rem 0 0; }
h2 { font-size: 1.25rem; line-height: 1.3; letter-spacing: -.01em; margin: 0 0 1rem; }
h3 { font-size: 1rem; margin: 2rem 0 .75rem; }
h4 { font-size: .875rem; color: var(--muted); margin: 1.25rem 0 .5rem; }
p { margin: 0 0 .75rem; max-width: 44rem; }
h1 + .remarks { margin-top: 1.25rem; }
section { margin-top: 3.5rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
.eyebrow { color: var(--muted); font-size: .875rem; margin: 0; overflow-wrap: anywhere; }
.beside { margin-top: .5rem; }
a { color: var(--accent); }
.notice {
  margin: 0 0 2rem; padding: .5rem .9rem; max-width: none; border-radius: .4rem;
  background: var(--warn-paper); color: var(--warn); font-weight: 600; font-size: .9375rem;
  border: 1px solid var(--warn-line);
}
.verdict { font-size: 1.375rem; line-height: 1.45; margin: 1.75rem 0 1rem; max-width: 48rem; }
.verdict strong { color: var(--accent); font-weight: 650; }
.remarks { max-width: 48rem; }
ul.remarks { margin: 0; padding-left: 1.2rem; }
ul.remarks li + li { margin-top: .35rem; }
.caveats {
  margin: 1.75rem 0 0; padding: 1rem 1.25rem; border-left: 4px solid var(--warn-line);
  border-radius: .25rem; background: var(--warn-paper); max-width: 48rem;
}
.caveats h2 { font-size: 1rem; color: var(--warn); margin: 0 0 .4rem; }
.caveats ul { margin: 0; padding-left: 1.2rem; }
.caveats li + li { margin-top: .25rem; }
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1px;
  margin: 2rem 0 0; background: var(--line); border: 1px solid var(--line);
  border-radius: .6rem; overflow: hidden;
}
.tiles > div { background: var(--paper); padding: 1rem 1.1rem; margin: 0; }
.tiles dt { color: var(--muted); font-size: .875rem; }
.tiles dd {
  margin: .15rem 0 0; font-size: 1.6rem; line-height: 1.25; font-weight: 600;
  font-variant-numeric: tabular-nums;
}
small, .tiles small {
  display: block; font-size: .8125rem; line-height: 1.4; font-weight: 400; color: var(--muted);
  white-space: nowrap;
}
.wide { overflow-x: auto; margin: 0 0 1.5rem; }
.wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; }
caption {
  max-width: calc(100vw - 2rem); text-align: left; color: var(--muted); font-size: .9375rem;
  padding: 0 0 .6rem;
}
th, td {
  text-align: left; vertical-align: top; padding: .6rem 1.1rem .6rem 0;
  border-bottom: 1px solid var(--line);
}
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--muted); font-size: .8125rem; font-weight: 600; vertical-align: bottom; }
th.number, td.number { text-align: right; white-space: nowrap; }
thead th.number { white-space: normal; max-width: 8.5rem; }
tbody th { font-weight: 600; overflow-wrap: break-word; min-width: 6rem; max-width: 16rem; }
.dense th, .dense td { padding-right: .55rem; font-size: .875rem; }
.dense small { font-size: .6875rem; }
.dense thead th { font-size: .75rem; line-height: 1.35; }
.dense tbody th { min-width: 7.5rem; position: sticky; left: 0; background: var(--paper); }
.dense tbody th small { white-space: normal; overflow-wrap: anywhere; }
.heat {
  display: block; padding: .2rem .4rem; border-radius: .25rem;
  background: color-mix(in srgb, var(--accent) var(--heat), transparent);
}
.heat small { color: inherit; }
dl { margin: 0 0 1.5rem; }
section > dl > div {
  display: grid; grid-template-columns: minmax(8rem, 14rem) 1fr; gap: 0 1.25rem;
  padding: .5rem 0; border-bottom: 1px solid var(--line);
}
section > dl dt { color: var(--muted); }
section > dl dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.plots {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr));
  gap: 2.5rem 3rem; align-items: start;
}
figure { margin: 0; }
figure + .wide, .plots + .wide { margin-top: 2rem; }
.sheet img { display: block; max-width: 100%; height: auto; }
.maps {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 16rem), 1fr));
  gap: 1.5rem; margin-bottom: .75rem;
}
.maps svg { display: block; width: 100%; max-width: 24rem; height: auto; }
.plot svg { display: block; width: 100%; max-width: 32rem; height: auto; }
figcaption { color: var(--muted); font-size: .875rem; line-height: 1.45; margin-top: .6rem; }
.films {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1.5rem;
}
.film img {
  display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #000;
  border-radius: .3rem;
}
.panels {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  gap: 1.5rem;
}
.panel img { aspect-ratio: auto; }
.film.own img { outline: 3px solid var(--accent); }
.film b { color: var(--ink); }
.contents ul {
  display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 2rem 0 0;
  padding: 0; font-size: .9375rem;
}
.spot { fill: transparent; }
.spot:hover, a:focus-visible > .spot {
  fill: currentColor; fill-opacity: .18; stroke: currentColor; stroke-width: 1.5;
}
svg a { color: inherit; }
.cells ul {
  display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0 0 1rem;
  padding: 0; font-size: .9375rem;
}
.cells a { display: inline-block; min-height: 1.5rem; overflow-wrap: anywhere; }
.cells a[aria-current] { font-weight: 650; text-decoration: none; color: var(--ink); }
.cell h3 { overflow-wrap: anywhere; }
.paths {
  columns: 16rem; list-style: none; margin: 1rem 0 0; padding: 0; font-size: .875rem;
  overflow-wrap: anywhere;
}
.pages { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: 1.5rem 0; }
.pages button, .chosen select {
  font: inherit; color: inherit; background: var(--faint); border: 1px solid var(--muted);
  border-radius: .3rem; padding: .3rem .8rem; min-height: 2rem; max-width: 100%;
}
.pages button:disabled { opacity: .5; }
.operating {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr));
  gap: 1.5rem 3rem; align-items: start; margin-bottom: 2rem;
}
.operating text { fill: currentColor; font-size: 11px; text-anchor: middle; }
.operating text.end { text-anchor: end; }
.operating .axis, .operating .guess, .operating .curve { fill: none; stroke: currentColor; }
.operating .guess { opacity: .35; }
.operating .curve { stroke: var(--accent); stroke-width: 2; }
.operating .point { fill: #d55e00; stroke: var(--paper); stroke-width: 1.5; }
.chosen label { display: block; margin-bottom: .75rem; }
.chosen input { display: block; width: 100%; min-height: 1.75rem; accent-color: var(--accent); }
.chosen dl {
  display: grid; grid-template-columns: 1fr 1fr; gap: .75rem 1.25rem; margin: .75rem 0;
}
.operating svg { max-width: 24rem; }
.chosen small { white-space: normal; }
.chosen dt { color: var(--muted); font-size: .875rem; }
.chosen dd { margin: 0; font-size: 1.25rem; font-weight: 600; }
thead button {
  font: inherit; color: inherit; background: none; border: 0; padding: .15rem 0; margin: 0;
  min-height: 1.5rem; text-align: inherit; cursor: pointer;
}
thead button:focus-visible, .enlarge:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
th[aria-sort="ascending"] button::after { content: " ▲"; }
th[aria-sort="descending"] button::after { content: " ▼"; }
.enlarge { display: block; width: 100%; padding: 0; border: 0; background: none; cursor: zoom-in; }
dialog {
  color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: .5rem;
  padding: 1rem; max-width: 96vw; max-height: 96vh;
}
dialog img { display: block; width: min(90vw, 90vh); max-height: 84vh; object-fit: contain; }
dialog button { font: inherit; margin-top: .75rem; padding: .4rem 1rem; min-height: 2.5rem; }
dialog::backdrop { background: rgb(0 0 0 / 70%); }
@media print { .contents { display: none; } }
.queue fieldset { border: 0; margin: .5rem 0 0; padding: 0; min-width: 0; }
.queue legend { color: var(--muted); font-size: .8125rem; padding: 0; }
.queue label {
  display: flex; gap: .45rem; align-items: baseline; padding: .2rem 0; font-size: .9375rem;
  overflow-wrap: anywhere;
}
#save {
  position: sticky; bottom: 1rem; margin-top: 1.5rem; padding: .6rem 1.1rem; font: inherit;
  font-weight: 600; color: var(--paper); background: var(--accent); border: 0;
  border-radius: .4rem; cursor: pointer;
}
#save:disabled { color: var(--muted); background: var(--faint); cursor: default; }
#save:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
.film code { display: block; overflow-wrap: anywhere; font-size: .75rem; margin-top: .2rem; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre {
  margin: 0 0 1.5rem; padding: .9rem 1.1rem; font-size: .875rem; line-height: 1.5;
  background: var(--faint); border: 1px solid var(--line); border-radius: .4rem;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
.checks { list-style: none; margin: 0 0 1.5rem; padding: 0; max-width: 48rem; }
.checks li {
  display: grid; grid-template-columns: 6.5rem 1fr; gap: .1rem 1rem; padding: .7rem 0;
  border-bottom: 1px solid var(--line);
}
.checks li > :last-child { grid-column: 2; }
.checks small { white-space: normal; overflow-wrap: anywhere; margin-top: .15rem; }
.status { font-size: .875rem; white-space: nowrap; color: var(--muted); line-height: 1.7; }
.status.fail { color: var(--warn); font-weight: 700; }
.status.warn { color: var(--warn); }
.paper { display: none; }
.status.pass { color: var(--accent); }
footer { margin-top: 4rem; color: var(--muted); font-size: .875rem; }
@media (max-width: 36rem) {
  main { padding: 1.25rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  .verdict { font-size: 1.1875rem; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .tiles > div { padding: .8rem .9rem; }
  .tiles dd { font-size: 1.35rem; }
  .tiles small { white-space: normal; }
  section { margin-top: 2.5rem; }
  section > dl > div { grid-template-columns: 1fr; }
  th, td { padding-right: .8rem; font-size: .9375rem; }
  thead th { font-size: .8125rem; }
  tbody th { overflow-wrap: anywhere; min-width: 8rem; max-width: 9rem; }
  .films { grid-template-columns: 1fr 1fr; gap: 1.25rem 1rem; }
  .checks li { grid-template-columns: 1fr; }
  .checks li > :last-child { grid-column: 1; }
}
@page { margin: 16mm 14mm; }
@media print {
  :root {
    color-scheme: light; font-size: 12.5px;
    --paper: #fff; --ink: #000; --muted: #444; --line: #bbb; --faint: #fff;
    --accent: #000; --warn: #000; --warn-paper: #fff; --warn-line: #777;
  }
  body { font-size: 9.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.5rem; padding-top: 1rem; }
  h2, h2 + p, h3, caption { break-after: avoid; }
  figure, table, tr, .tiles, .caveats, .film, pre, .checks li { break-inside: avoid; }
  .plots { grid-template-columns: 1fr 1fr; gap: 1.5rem 2rem; }
  .films { grid-template-columns: repeat(4, 1fr); }
  .wide { overflow: visible; break-inside: avoid; }
  th, td { padding-right: .7rem; }
  .dense th, .dense td { padding-right: .35rem; font-size: 7.5pt; }
  .dense small, .dense thead th { font-size: 6.5pt; }
  .dense tbody th { position: static; min-width: 0; }
  .short .screen, .short .contents, .short .operating { display: none; }
  .short section { margin-top: .6rem; padding-top: .4rem; }
  .short .films > :nth-child(n + 5), .short .plots > :nth-child(n + 9),
  .short tbody tr:nth-child(n + 13) { display: none; }
  .short .plots {
    grid-template-columns: repeat(auto-fit, minmax(4.1cm, 1fr)); gap: .4rem 1rem;
  }
  .short .plots.triples { grid-template-columns: 1fr 1fr; }
  .short .plots svg { max-width: min(100%, 7cm); }
  .short figure svg { max-height: 5.5cm; }
  .short .tiles { grid-template-columns: repeat(4, 1fr); margin-top: 1rem; }
  .short .tiles > div { padding: .4rem .6rem; }
  .short .tiles dd { font-size: 14pt; }
  .short th, .short td { padding: .2rem .4rem .2rem 0; font-size: 8pt; }
  .short small, .short .tiles small { font-size: 6.5pt; white-space: normal; }
  .short tbody th, .short .dense tbody th { min-width: 0; }
  .short dl > div { padding: .2rem 0; font-size: 9pt; }
  .short p, .short li, .short figcaption, .short caption { font-size: 8.5pt; line-height: 1.35; }
  .short .caveats { padding: .5rem .8rem; margin-top: .75rem; }
  .short .verdict { font-size: 12pt; margin-top: .5rem; }
  .short footer { margin-top: 1rem; }
  .short .wide, .short table { break-inside: auto; }
  .paper { display: block; }
}
"""
