import { areaChart, barChart, counted, type Colour, type Marker } from './charts.ts'
import { html, Html } from './html.ts'
import type { Finding } from './judgement.ts'
import { pageScript, pageStyle } from './page-parts.ts'
import { megabytes, sameSecond, verdictLine } from './report.ts'
import type { Bin } from './statistics.ts'
import { sliceMs, type RaceNumbers, type Summary } from './summary.ts'

/**
 * The run as one page that opens offline: style, script and charts are in it, nothing is fetched.
 */
export function pageOf(summary: Summary): string {
  const { about, findings } = summary
  const verdict = verdictLine(findings)
  const tone = findings.every((finding) => finding.violations === 0) ? 'good' : 'bad'
  const { text } = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${counted(about.bots)} bots, ${verdict}</title>
        <style>
          ${new Html(pageStyle)}
        </style>
      </head>
      <body>
        <main>
          <header>
            <h1>${counted(about.bots)} shoppers, ${counted(about.availableAtStart)} units</h1>
            <p class="verdict ${tone}">${verdict}</p>
            <p class="about">
              ${about.shop} · ${about.machine} · ${dateOf(about.startedAt)} · seed ${about.seed}
            </p>
          </header>
          ${tiles(summary)} ${firstSecondSection(summary)} ${stockSection(summary)}
          ${outcomesSection(summary)} ${latencySection(summary)} ${tables(summary)}
          ${findingsSection(findings)}
        </main>
        <div id="tip" hidden></div>
        <script>
          ${new Html(pageScript)}
        </script>
      </body>
    </html> `
  return text
}

function tiles({ race, latencies, memory, about }: Summary): Html {
  const raced = latencies.find(({ step }) => step === 'add to cart, race')
  const p99 = raced === undefined ? '?' : `${counted(Math.round(raced.p99))} ms`
  const largest = memory
    .filter(({ process }) => process !== 'bots')
    .reduce((most, { megabytes: value }) => Math.max(most, value ?? 0), 0)
  return html`<section class="tiles">
      ${tile(`${counted(Math.round(race.sentWithinMs))} ms`, 'from the first to the last first add-to-cart sent')}
      ${tile(`${counted(Math.round(race.answeredWithinMs))} ms`, 'until the last bot had its answer')}
      ${tile(p99, 'p99 of an add-to-cart in the race')} ${outcomeTile(race, 'holds')}
      ${outcomeTile(race, 'refusals')}
      ${tile(largest === 0 ? '?' : `${counted(largest)} MB`, 'peak memory of the largest server process')}
    </section>
    <p>
      ${sameSecond(about.bots, race)}. Everybody had connected before that, in
      ${race.connectSeconds.toFixed(1)} s.
    </p>`
}

/** A rate alone misleads: 29 holds in a third of a second are 90 per second, and there were never 90. */
function outcomeTile(race: RaceNumbers, kind: 'holds' | 'refusals'): Html {
  const within = kind === 'holds' ? race.holdsWithinMs : race.refusalsWithinMs
  const rate = kind === 'holds' ? race.holdsPerSecond : race.refusalsPerSecond
  const label =
    race[kind] === 0
      ? 'in the race'
      : `in the race, all told within ${counted(Math.round(within))} ms: a rate of ${counted(Math.round(rate))} per second`
  return tile(`${counted(race[kind])} ${kind}`, label)
}

const dateOf = (startedAt: string): string => `${startedAt.slice(0, 16).replace('T', ' ')} UTC`

const tile = (value: string, label: string): Html =>
  html`<div class="tile"><strong>${value}</strong><span>${label}</span></div>`

const timeLabel = 'seconds since the first add-to-cart was sent'

function stockSection({ stock, phases, about }: Summary): Html {
  const units = (count: number): string => counted(count)
  return section(
    'Stock over time',
    html`API A, read all the time: what is sold, held and available, stacked. Together they are the
    allotment of ${units(about.allotment)}.`,
    legend(['sold', 'held', 'available']),
    areaChart({
      description: 'Sold, held and available units over time, stacked',
      x: { label: timeLabel, max: phases.ends },
      y: { label: 'units', max: about.allotment },
      markers: [raceEnd(phases)],
      height: 320,
      xs: stock.map(({ second }) => second),
      layers: [
        { name: 'sold', values: stock.map(({ sold }) => sold) },
        { name: 'held', values: stock.map(({ held }) => held) },
        { name: 'available', values: stock.map(({ available }) => available) },
      ],
      tips: stock.map(
        ({ second, sold, held, available }) =>
          `${second.toFixed(1)} s: sold ${units(sold)}, held ${units(held)}, available ${units(available)}`,
      ),
    }),
  )
}

const raceEnd = ({ raceEnds }: Summary['phases']): Marker => ({
  at: raceEnds,
  label: 'everybody has an answer',
})

function firstSecondSection({ firstSecond, phases }: Summary): Html {
  const raceEndsMs = phases.raceEnds * 1_000
  const markers = raceEndsMs <= 1_000 ? [{ ...raceEnd(phases), at: raceEndsMs }] : []
  const one = (kind: 'holds' | 'refusals'): Html =>
    barChart({
      description: `${kind} told in the first second`,
      x: { label: 'ms since the first add-to-cart was sent', max: 1_000 },
      y: { label: `${kind} / ${sliceMs} ms`, max: largest(firstSecond.map((row) => row[kind])) },
      markers,
      height: 220,
      colour: kind,
      bars: firstSecond.map((row) => ({
        from: row.fromMs,
        to: row.fromMs + sliceMs,
        count: row[kind],
        tip: `${row.fromMs} to ${row.fromMs + sliceMs} ms: ${counted(row[kind])} ${kind}`,
      })),
    })
  return section(
    'The first second',
    html`Everybody asks in the same moment, so most of the race is over within a second.`,
    legend(['holds', 'refusals']),
    one('holds'),
    one('refusals'),
  )
}

function outcomesSection(summary: Summary): Html {
  return section(
    'Outcomes per second',
    html`What the bots were told in each second. Holds and refusals have an axis of their own: a
    refusal is cheap, a hold is not.`,
    legend(['holds', 'refusals']),
    perSecond(summary, 'holds'),
    perSecond(summary, 'refusals'),
  )
}

function perSecond({ perSecond: rows, phases }: Summary, kind: 'holds' | 'refusals'): Html {
  return barChart({
    description: `${kind} told per second`,
    x: { label: timeLabel, max: Math.max(phases.ends, rows.length) },
    y: { label: `${kind} / s`, max: largest(rows.map((row) => row[kind])) },
    markers: [raceEnd(phases)],
    height: 220,
    colour: kind,
    bars: rows.map((row) => ({
      from: row.second,
      to: row.second + 1,
      count: row[kind],
      tip: `${row.second} to ${row.second + 1} s: ${counted(row[kind])} ${kind}`,
    })),
  })
}

function latencySection({ raceLatencies, latencies }: Summary): Html {
  const raced = latencies.find(({ step }) => step === 'add to cart, race')
  const max = largest([...raceLatencies.held, ...raceLatencies.refused].map(({ to }) => to))
  const markers =
    raced === undefined
      ? []
      : [
          { at: raced.p50, label: `p50 ${counted(Math.round(raced.p50))} ms` },
          { at: raced.p99, label: `p99 ${counted(Math.round(raced.p99))} ms` },
        ]
  // Labels of markers that are close together would overlap.
  const apart = markers.length === 2 && (markers[1]!.at - markers[0]!.at) / max > 0.35
  const shown = apart ? markers : markers.slice(-1)
  const one = (bins: readonly Bin[], colour: Colour): Html =>
    barChart({
      description: `Latency of ${colour} in the race`,
      x: { label: 'ms from first byte sent to last byte received', max },
      y: {
        label: `${colour} / ${counted(widthOf(bins))} ms`,
        max: largest(bins.map(({ count }) => count)),
      },
      markers: shown,
      height: 220,
      colour,
      bars: bins.map((bin) => ({
        ...bin,
        tip: `${counted(bin.from)} to ${counted(bin.to)} ms: ${counted(bin.count)} ${colour}`,
      })),
    })
  return section(
    'Latency of an add-to-cart in the race',
    html`How long each answer took; the dashed lines are of both together.`,
    legend(['holds', 'refusals']),
    one(raceLatencies.held, 'holds'),
    one(raceLatencies.refused, 'refusals'),
  )
}

const widthOf = (bins: readonly Bin[]): number => (bins[0]?.to ?? 0) - (bins[0]?.from ?? 0)

function tables({ outcomes, events, latencies, memory }: Summary): Html {
  const ms = (value: number): string =>
    value.toLocaleString('en-GB', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
  return html`<section>
    <h2>Numbers</h2>
    ${table(
      'ms per step, first byte sent to last byte received',
      ['answers', 'p50', 'p95', 'p99', 'max'],
      latencies.map(({ step, answers, p50, p95, p99, max }) => [
        step,
        counted(answers),
        ...[p50, p95, p99, max].map(ms),
      ]),
    )}
    <div class="columns">
      ${table(
        'outcome of an add-to-cart',
        ['race', 'coming back'],
        outcomes.map((row) => [row.outcome, counted(row.race), counted(row.comingBack)]),
      )}
      ${table(
        'what else happened',
        ['times'],
        events.map(({ what, times }) => [what, counted(times)]),
      )}
      ${table(
        'peak memory',
        ['MB', 'source'],
        memory.map((peak) => [peak.process, megabytes(peak.megabytes), peak.source]),
      )}
    </div>
  </section>`
}

function table(
  first: string,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): Html {
  const body = rows.map(
    ([name = '', ...cells]) =>
      html`<tr>
        <th scope="row">${name}</th>
        ${cells.map((cell) => html`<td>${cell}</td>`)}
      </tr>`,
  )
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          <th scope="col">${first}</th>
          ${headings.map((heading) => html`<th scope="col">${heading}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${body}
      </tbody>
    </table>
  </div>`
}

function findingsSection(findings: readonly Finding[]): Html {
  const rows = findings.map(({ id, title, violations, measured, examples }) => {
    const isGood = violations === 0
    const shown = isGood ? [] : examples.filter((example) => example !== measured)
    const more = shown.map((example) => html`<div class="example">${example}</div>`)
    return html`<tr>
      <td class="${isGood ? 'good' : 'bad'}">${isGood ? '✓ holds' : '✗ violated'}</td>
      <td>${id}</td>
      <td>${title}${more}</td>
      <td>${measured}</td>
    </tr>`
  })
  return html`<section>
    <h2>Invariants</h2>
    <p>From API A, API B, the carts, the audit, and what every bot was told.</p>
    <table class="findings">
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`
}

function section(title: string, lead: Html, ...parts: readonly Html[]): Html {
  return html`<section>
    <h2>${title}</h2>
    <p>${lead}</p>
    ${parts}
  </section>`
}

const legend = (colours: readonly Colour[]): Html =>
  html`<ul class="legend">
    ${colours.map((colour) => html`<li><i class="${colour}"></i>${colour}</li>`)}
  </ul>`

const largest = (numbers: readonly number[]): number =>
  numbers.reduce((most, number) => Math.max(most, number), 0)
