"""How a report looks, light and dark."""

STYLE = """
:root {
  color-scheme: light dark; --ink: #1b1f24; --soft: #656d76; --line: #d8dee4; --paper: #ffffff; --card: #f6f8fa;
  --blue: #2f6fdb; --orange: #d9730d; --green: #1a7f37; --red: #cf222e; --amber: #9a6700; --shared: #c5ccd3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6edf3; --soft: #8d96a0; --line: #30363d; --paper: #0d1117; --card: #161b22;
    --blue: #6ea8fe; --orange: #f0a35e; --green: #3fb950; --red: #f85149; --amber: #d29922; --shared: #484f58;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 32px 20px 48px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 0 0 8px; } p { margin: 6px 0; }
.muted-text { color: var(--soft); font-size: 13px; }
.note { border-left: 4px solid var(--blue); background: var(--card); padding: 8px 12px; border-radius: 4px; }
.note.good { border-color: var(--green); } .note.bad { border-color: var(--red); }
.note.warn { border-color: var(--amber); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(120px, 1fr)); gap: 10px; margin: 18px 0 14px; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; }
.tiles b { display: block; font-size: 18px; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: 12px; }
figure, section {
  margin: 18px 0 0; padding: 14px 16px; border: 1px solid var(--line); border-radius: 8px; overflow-x: auto;
  break-inside: avoid;
}
figcaption { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; margin-top: 6px; }
figcaption i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }
figcaption i { background: currentColor; vertical-align: -1px; } figcaption span { color: var(--soft); }
footer { margin-top: 24px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.grid line { stroke: var(--line); stroke-width: 1; }
polyline { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
circle, rect { fill: currentColor; }
.hover { fill: transparent; } .hover:hover { fill: var(--soft); fill-opacity: 0.15; }
.limit { stroke: var(--red); stroke-dasharray: 5 4; stroke-width: 1.2; }
.blue { color: var(--blue); } .orange { color: var(--orange); }
.green { color: var(--green); } .red { color: var(--red); }
.bad { color: var(--red); } p.bad { color: inherit; } .muted { color: var(--soft); } .shared { color: var(--shared); }
.c0 { color: #4c78c9; } .c1 { color: #e39c2d; } .c2 { color: #d9574a; } .c3 { color: #4fae9b; }
.c4 { color: #5da04c; } .c5 { color: #d1709f; } .c6 { color: #9166c9; } .c7 { color: #9c6b4e; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; } th { color: var(--soft); font-weight: 500; } td { border-top: 1px solid var(--line); }
th, td { padding: 4px 8px; white-space: nowrap; } th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; white-space: normal; }
"""
