import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand, UsageError } from '../scripts/command-line.ts'
import { requireNsqd } from '../scripts/nsqd-process.ts'
import { writeDocument } from './document.ts'
import { isQuiet, readMachine } from './machine.ts'
import { readOptions, usage, type Options } from './options.ts'
import { chosen, planCells, planSoaks, type Cell, type Plan } from './plan.ts'
import { canReadProcesses, repository } from './processes.ts'
import { sectionsOf } from './report.ts'
import { estimateMinutes } from './schedule.ts'
import { allPassed, runPlan, verdictOn } from './rounds.ts'
import type { Scale } from './scale.ts'
import { soakSections } from './soak-report.ts'
import { makeShoppers } from './shoppers.ts'
import { summarize } from './statistics.ts'
import { number } from './table.ts'

/**
 * `npm run bench` runs rounds of cells, prints the report, writes docs/benchmarks.md and ends with
 * one of these.
 */
const exitCodes = { good: 0, checkFailed: 1 } as const
const documentPath = join(repository, 'docs', 'benchmarks.md')

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (!canReadProcesses()) throw new UsageError('CPU times are read from /proc: it needs Linux')
  if (!existsSync(join(repository, 'dist', 'main.js'))) {
    throw new UsageError('dist/main.js is missing: run `npm run build` first')
  }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  try {
    return await bench(options, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function bench(options: Options, folder: string): Promise<number> {
  const startedAt = performance.now()
  const { scale } = options
  const nsqdBinary = await requireNsqd()
  const plan = planOf(options, nsqdBinary)
  const machine = readMachine(nsqdBinary)
  if (!isQuiet(machine)) print(`The machine is busy (load ${machine.loadBefore.toFixed(2)}).`)
  const jwtSecret = randomBytes(32).toString('hex')
  const shoppers = { databasePath: join(folder, 'shoppers.db'), tokensPath: join(folder, 'tokens') }
  print(`making ${number(scale.shoppers)} shoppers with tokens`)
  const probeToken = await makeShoppers(shoppers, scale.shoppers, jwtSecret)
  print(`${planText(plan, scale)}: about ${number(Math.ceil(estimateMinutes(plan, scale)))} min`)
  const run = { ...options, nsqdBinary, jwtSecret, probeToken, shoppers }
  const outcome = await runPlan(plan, run, print)

  const sections = [
    ...sectionsOf(summarize(outcome.results), scale),
    ...soakSections(outcome.soaks),
  ]
  for (const { title, text } of sections) print(`\n${title}\n\n${text}`)
  print(`\n${verdictOn(outcome)}`)
  if (!allPassed(outcome)) return exitCodes.checkFailed
  if (options.mode === 'canonical' && nsqdBinary !== undefined) {
    const minutes = (performance.now() - startedAt) / 60_000
    const findings = { machine, scale, sections, date: new Date(), minutes }
    await writeFile(documentPath, await writeDocument(findings))
  }
  return exitCodes.good
}

/** @throws UsageError when nothing is left to run. */
function planOf({ mode, only, scale }: Options, nsqdBinary: string | undefined): Plan {
  const runnable = (cells: readonly Cell[]): readonly Cell[] =>
    chosen(cells, only).filter(({ contender }) => nsqdBinary !== undefined || contender !== 'nsq')
  const cells = mode === 'soak' ? [] : runnable(planCells(scale))
  const soaks = mode === 'soak' || mode === 'smoke' ? runnable(planSoaks(scale)) : []
  if (cells.length + soaks.length === 0) {
    throw new UsageError(`--only ${only.join(',')}: no such cell can be run`)
  }
  return { cells, soaks }
}

function planText({ cells, soaks }: Plan, { rounds }: Scale): string {
  const parts = [
    ...(cells.length > 0 ? [`${cells.length} cells, ${rounds} rounds`] : []),
    ...(soaks.length > 0 ? [`${soaks.length} soaks`] : []),
  ]
  return parts.join(', ')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

await runCommand({ usage, run: main })
