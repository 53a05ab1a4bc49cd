"""How the page looks: dense and calm, readable on a phone and on paper."""

STYLE = """
:root { color-scheme: light; --ink: #1d2733; --soft: #5d6875; --line: #d9dfe6; --tint: #f4f6f8;
  --navy: #17406d; --warn: #8a4b08; }
* { box-sizing: border-box; stroke-linejoin: round; stroke-linecap: butt; }
body { margin: 0 auto; padding: 28px 24px 40px; max-width: 1200px; color: var(--ink);
  background: #fff; font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial,
  sans-serif; font-variant-numeric: tabular-nums; }
header { border-bottom: 3px solid var(--navy); padding-bottom: 12px; }
h1 { margin: 0; font-size: 26px; line-height: 1.2; letter-spacing: -0.01em; color: var(--navy); }
h2 { margin: 26px 0 8px; font-size: 15px; font-weight: 600; color: var(--navy);
  border-bottom: 1px solid var(--line); padding-bottom: 4px; }
h2 small { font-weight: 400; color: var(--soft); margin-left: 6px; }
.lead { margin: 4px 0 0; color: var(--soft); }
h1, .lead, .legend li, .warnings li, td.text { overflow-wrap: anywhere; min-width: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 12px 0 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.warnings { margin: 16px 0 0; padding: 10px 14px 10px 30px; background: #fdf4e7;
  border-left: 4px solid #d98a29; }
.warnings li { margin: 3px 0; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0 28px; }
.columns > * { min-width: 0; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; font-family: inherit; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 4px; padding: 0;
  list-style: none; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 18px; height: 0; border-top: 3px solid; margin-right: 6px;
  vertical-align: 4px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { padding: 3px 8px; text-align: right; white-space: nowrap; }
thead th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line);
  vertical-align: bottom; white-space: normal; }
th:first-child, td.text, th.text { text-align: left; }
tbody th { font-weight: 400; position: sticky; left: 0; background: inherit; }
thead th, tbody th { max-width: 36ch; overflow: hidden; text-overflow: ellipsis; }
tbody tr { background: #fff; }
td.text { white-space: normal; min-width: 220px; }
table.windows td.text { min-width: 380px; }
tbody tr:nth-child(even) { background: var(--tint); }
td.first, th.first { font-weight: 600; color: var(--navy); }
tr.flag td, tr.flag th { color: var(--warn); }
table.heat { table-layout: auto; } table.heat td { text-align: center; padding: 3px 4px; }
table.heat tbody tr { background: #fff; }
table.heat td:empty { background: none; }
footer { margin-top: 28px; padding-top: 10px; border-top: 1px solid var(--line); font-size: 12px;
  color: var(--soft); }
code { font-size: 12px; overflow-wrap: anywhere; }
@media screen and (max-width: 760px) {
  body { padding: 16px 12px 28px; }
  h1 { font-size: 21px; }
  .columns { grid-template-columns: minmax(0, 1fr); }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 6px; }
  .wide svg { width: 760px; }
  th, td { padding: 3px 6px; }
  td.text { min-width: 420px; } table.windows td.text { min-width: 680px; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11px; }
  table { font-size: 10px; } th, td { padding: 1px 4px; }
  h2, .legend { break-after: avoid; }
  section:has(figure), figure, tr, .warnings { break-inside: avoid; }
  td.text, table.windows td.text { min-width: 0; white-space: normal; }
  h1 { font-size: 18px; } h2 { margin-top: 14px; }
  .scroll { overflow: visible; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
figure { margin: 0; }
"""
