import { format } from 'prettier'
import { isQuiet, type Machine } from './machine.ts'
import type { Section } from './report.ts'
import { smokeScale, type Scale } from './scale.ts'

/** The results that docs/benchmarks.md shows. */
export interface Findings {
  readonly machine: Machine
  readonly scale: Scale
  readonly sections: readonly Section[]
  readonly date: Date
  readonly minutes: number
}

export function writeDocument(findings: Findings): Promise<string> {
  const [headline, reach, ...tables] = findings.sections
  const text = [
    '# Benchmarks',
    '<!-- Written by `npm run bench`. Edit bench/document.ts, not this file. -->',
    introduction,
    ...[headline, reach].map(sectionText),
    machineText(findings),
    howToRead(findings.scale),
    ...tables.map(sectionText),
  ].join('\n\n')
  return format(text, { parser: 'markdown' })
}

const introduction = `What does the queue buy us? The easy solution, a guarded \`UPDATE\` straight from every
request, never oversells either. So it runs here beside Holdfast, on the same machine, in the same run, under the
same load, with the same promise: every answered hold is a row on disk (\`synchronous=FULL\`).

Holds and refusals are counted apart everywhere: a refusal is cheap, and a rate that mixes them says nothing. All of
this page comes from one command, without arguments:

\`\`\`sh
npm run bench
\`\`\`

\`npm run bench -- --help\` says how to run a part of it, with profiles, and \`--soak <minutes>\`: a long storm with crowds
that vanish, after which heap, descriptors, timers and memory must be as before.`

function sectionText(section: Section | undefined): string {
  return section === undefined ? '' : `## ${section.title}\n\n${section.text}`
}

function machineText({ machine, date, minutes, scale }: Findings): string {
  const { processor, memoryGb, system, node, sqlite, nsqd, commit, loadBefore } = machine
  const quiet = isQuiet(machine) ? '' : ': **somebody else was using the machine**'
  return `## This run

- ${date.toISOString()}, commit ${commit}, ${Math.round(minutes)} minutes
- ${processor}, ${memoryGb} GB, ${system}; **the load generator runs on the same cores**, so everything is slower than it
  would be alone, the fast contenders most
- Node ${node}, SQLite ${sqlite}, ${nsqd}
- ${scale.rounds} rounds; warm-up ${scale.warmUpSeconds} s, measured ${scale.seconds} s per cell
- load average before: ${loadBefore.toFixed(2)}${quiet}`
}

function howToRead({ returning }: Scale): string {
  return `## How to read it

All contenders are measured in turn, then all again: a machine that changes its speed changes it for everybody. Shown
are medians of the rounds with (lowest–highest). Ratios are taken within a round. Compare ratios with other machines,
not absolute numbers.

- **bare**: node:http parses the JSON and answers. The ceiling of anything written in Node.
- **express**: the same on Express 5. The ceiling of anything behind Express.
- **easy**: Express and better-sqlite3. The same token, body, sale, limit and idempotency checks and the same rows on the
  same schema as Holdfast, one transaction per request, statements prepared once. See \`bench/contenders/\`.
- **embedded**: Holdfast in one process.
- **nsq**: Holdfast as an API process, nsqd and a worker process.

Every cell begins with a fresh copy of the same database and fresh processes. The load is a closed loop: each connection
asks again when it has its answer, so a slow server is asked less, and latencies say how long a shopper in such a
crowd waits. *Plenty*: every request comes from a shopper who was never seen before, with an own token and an
Idempotency-Key; a cart, a reservation, a cart line and a ledger row are written for each. *Sold out*: ${returning} shoppers
without luck come again and again, without keys. *Race*: all ask in the same moment; a shopper with a 202 asks again until it
is decided, and this time counts as waiting; winners check out and pay, over Holdfast's own code in all three (neither goes
through the queue). *Orders*: the same with a unit for everybody.

Before a load begins all shoppers have connected and read the product once, as a page that waits for the sale does.
(libuv accepts one connection per turn of its loop, so a busy process accepts new connections only after seconds.)

A cell counts only if every single answer was the one the workload demands, no connection broke, the rows in the
database are exactly the holds answered, Holdfast's audit found every invariant intact, and every process ended well.
CPU seconds are those of the measured window, from the kernel.

A second tool checks the first: in the smoke run (\`npm run bench -- --smoke\`, part of \`npm test\`) autocannon sends
${smokeScale.crossCheckRequests} requests to every contender that is sold out, and has to count as many refusals.`
}
