import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireNsqd } from '../scripts/nsqd-process.ts'
import { runCell } from './cell.ts'
import { writeDocument } from './document.ts'
import { startLoadProcess } from './load-process.ts'
import { isQuiet, readMachine } from './machine.ts'
import { readOptions, usage, UsageError, type Options } from './options.ts'
import { chosen, planCells, type Cell } from './plan.ts'
import { canReadProcesses, repository } from './processes.ts'
import { sectionsOf } from './report.ts'
import { estimateMinutes } from './schedule.ts'
import type { CellResult, Run } from './result.ts'
import type { Scale } from './scale.ts'
import { makeShoppers } from './shoppers.ts'
import { rateOf, summarize } from './statistics.ts'
import { number } from './table.ts'

/** `npm run bench`: rounds of cells → summaries → report, and docs/benchmarks.md. */
const exitCodes = { good: 0, checkFailed: 1, unusable: 2 } as const
const documentPath = join(repository, 'docs', 'benchmarks.md')

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.kind === 'help') {
    print(usage)
    return exitCodes.good
  }
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
  const cells = chosen(planCells(scale), options.only)
  if (cells.length === 0) throw new UsageError(`--only ${options.only.join(',')}: no such cell`)
  const nsqdBinary = await requireNsqd()
  const machine = readMachine(nsqdBinary)
  if (!isQuiet(machine)) print(`The machine is busy (load ${machine.loadBefore.toFixed(2)}).`)
  const jwtSecret = randomBytes(32).toString('hex')
  const shoppers = { databasePath: join(folder, 'shoppers.db'), tokensPath: join(folder, 'tokens') }
  print(`making ${number(scale.shoppers)} shoppers with tokens`)
  const doorToken = await makeShoppers(shoppers, scale.shoppers, jwtSecret)
  const missing = nsqdBinary === undefined
  const runnable = cells.filter(({ contender }) => !(missing && contender === 'nsq'))
  print(`${runnable.length} cells, ${scale.rounds} rounds: about ${minutesText(runnable, scale)}`)
  const generator = startLoadProcess()
  const run = { ...options, nsqdBinary, jwtSecret, doorToken, shoppers, generator }
  const results = await runRounds(runnable, run).finally(generator.stop)

  const sections = sectionsOf(summarize(results), scale)
  for (const { title, text } of sections) print(`\n${title}\n\n${text}`)
  const minutes = (performance.now() - startedAt) / 60_000
  const text = await writeDocument({ machine, scale, sections, date: new Date(), minutes })
  const failed = results.filter(({ failures }) => failures.length > 0)
  print(`\n${verdict(results, failed)}`)
  if (failed.length > 0) return exitCodes.checkFailed
  if (options.mode === 'canonical' && !missing) await writeFile(documentPath, text)
  return exitCodes.good
}

async function runRounds(cells: readonly Cell[], run: Run): Promise<readonly CellResult[]> {
  const results: CellResult[] = []
  for (let round = 1; round <= run.scale.rounds; round++) {
    for (const cell of cells) {
      const result = await runCell(cell, run)
      results.push(result)
      print(progressLine(round, result))
    }
  }
  return results
}

function minutesText(cells: readonly Cell[], scale: Scale): string {
  return `${number(Math.ceil(estimateMinutes(cells, scale)))} min`
}

function progressLine(round: number, result: CellResult): string {
  const { cell, load, failures, cpuSeconds } = result
  const { p50, p99 } = load.latency
  const cpu = Object.entries(cpuSeconds).map(([name, seconds]) => `${name} ${number(seconds)}`)
  const line = [
    `${round}  ${cell.id.padEnd(26)} ${number(rateOf(result)).padStart(7)}/s`,
    `p50 ${number(p50)} ms  p99 ${number(p99)} ms`.padEnd(30),
    `CPU s: ${cpu.join(', ')}`,
  ].join('  ')
  return [line, ...failures.map((failure) => `     FAILED: ${failure}`)].join('\n')
}

function verdict(results: readonly CellResult[], failed: readonly CellResult[]): string {
  if (failed.length === 0) return `VERDICT: all checks of ${results.length} cells passed`
  const ids = [...new Set(failed.map(({ cell }) => cell.id))].join(', ')
  return `VERDICT: checks FAILED in ${failed.length} of ${results.length} cells: ${ids}`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n\n${usage}\n`)
  process.exitCode = exitCodes.unusable
}
