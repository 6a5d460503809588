/** The style and the script of the page. They contain no data of the run. */

export const pageStyle = `
:root {
  --paper: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #5b6676; --line: #e1e5eb;
  --good: #0f7b4f; --good-paper: #e3f5ec; --bad: #b3261e; --bad-paper: #fce8e6;
  --sold: #2b66c9; --held: #f0a72e; --available: #c3cad5; --holds: #12876f; --refusals: #b0527a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161d; --card: #1a2029; --ink: #e6eaf0; --soft: #9aa6b6; --line: #2c3542;
    --good: #5cd6a0; --good-paper: #143527; --bad: #ff8a80; --bad-paper: #43201f;
    --sold: #5d93ee; --held: #e0a03a; --available: #465161; --holds: #35b99b; --refusals: #d57fa5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
}
main { max-width: 1160px; margin: 0 auto; padding: 32px 20px 64px; }
header { margin-bottom: 20px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 12px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 0 0 8px; color: var(--soft); }
.verdict { display: inline-block; padding: 6px 14px; border-radius: 999px; font-weight: 600; }
.verdict.good { color: var(--good); background: var(--good-paper); }
.verdict.bad { color: var(--bad); background: var(--bad-paper); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; }
section.tiles { background: none; border: 0; padding: 0; margin: 0 0 12px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.tile strong { display: block; font-size: 24px; font-variant-numeric: tabular-nums; }
.tile span { display: block; color: var(--soft); font-size: 13px; line-height: 1.35; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 20px; margin: 16px 0;
}
svg { display: block; width: 100%; height: auto; margin-top: 8px; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg text.label { font-size: 13px; }
.grid { stroke: var(--line); }
.axis { stroke: var(--soft); }
.marker { stroke: var(--soft); stroke-dasharray: 4 4; }
.reach { fill: transparent; }
.hit:hover .reach { fill: var(--ink); fill-opacity: 0.08; }
.area.sold, .bar.sold { fill: var(--sold); }
.area.held, .bar.held { fill: var(--held); }
.area.available, .bar.available { fill: var(--available); }
.bar.holds { fill: var(--holds); }
.bar.refusals { fill: var(--refusals); }
.legend { list-style: none; display: flex; gap: 18px; margin: 8px 0 0; padding: 0; font-size: 13px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.legend .sold { background: var(--sold); }
.legend .held { background: var(--held); }
.legend .available { background: var(--available); }
.legend .holds { background: var(--holds); }
.legend .refusals { background: var(--refusals); }
table { border-collapse: collapse; width: 100%; margin-top: 12px; font-size: 14px; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; font-weight: 500; padding-left: 0; }
thead th { color: var(--soft); font-weight: 500; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 8px 32px; align-items: start; }
.columns > * { min-width: 0; }
.wide { overflow-x: auto; }
.phone { display: none; }
.findings td { text-align: left; vertical-align: top; }
.findings td:first-child { white-space: nowrap; padding-left: 0; font-weight: 600; }
.findings td:nth-child(2) { color: var(--soft); white-space: nowrap; }
.findings td.good { color: var(--good); }
.findings td.bad { color: var(--bad); }
.example { color: var(--bad); font-size: 13px; overflow-wrap: anywhere; }
#tip {
  position: fixed; pointer-events: none; background: var(--ink); color: var(--card); padding: 4px 9px;
  border-radius: 6px; font-size: 13px; white-space: nowrap; font-variant-numeric: tabular-nums;
}
@media (max-width: 700px) {
  main { padding: 20px 12px 40px; }
  h1 { font-size: 24px; }
  .about, .findings td { overflow-wrap: anywhere; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tile { padding: 10px 12px; }
  .tile strong { font-size: 19px; }
  section { padding: 14px; }
  .desk { display: none; }
  .phone { display: block; }
  table { font-size: 12px; }
  th, td { padding: 4px; }
  .findings tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--line); }
  .findings td { display: inline; border: 0; padding: 0 8px 0 0; }
  .findings td:nth-child(3), .findings td:nth-child(4) { display: block; padding: 2px 0; }
  .findings td:nth-child(4) { color: var(--soft); }
}
@media print { body { background: #ffffff; } section { break-inside: avoid; } }
`

/** Numbers of a moment beside the mouse. */
export const pageScript = `
const tip = document.getElementById('tip')
document.addEventListener('mousemove', (event) => {
  const hit = event.target.closest ? event.target.closest('.hit') : null
  tip.hidden = hit === null
  if (hit === null) return
  tip.textContent = hit.dataset.tip
  const right = event.clientX + 14 + tip.offsetWidth
  tip.style.left = (right > innerWidth ? event.clientX - 14 - tip.offsetWidth : event.clientX + 14) + 'px'
  tip.style.top = event.clientY + 14 + 'px'
})
`
