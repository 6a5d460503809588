import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readFlags, runCommand, UsageError } from '../../scripts/command-line.ts'
import { mutants } from './list.ts'
import { editsOf, misfit, type Mutant } from './mutant.ts'
import { runSuites } from './run-suites.ts'
import { copyTree, removeTree } from './tree.ts'
import { tryMutant, type Trial } from './trial.ts'

/**
 * `npm run mutants` removes the guards from copies of the program one by one and shows which test
 * failed. Exit code 0: every mutant was noticed. 1: a mutant survived or could not be tried. 2: the
 * suites fail without any mutant, or the command line cannot be used. It only reads the working
 * tree.
 */
const usage = `Usage: npm run mutants [-- flags]

  --only <id,id>  these mutants, by their ids; all of them without it
  --list          print what each takes out and what breaks, and try none
  --help          this text

Exit code: 0 every mutant was killed, 1 one survived or could not be tried, 2 wrong usage or the suites
are red without any.`

const flags = { only: { type: 'string' }, list: { type: 'boolean', default: false } } as const

const root = join(import.meta.dirname, '..', '..')
/** A suite takes about one core, and the machine has two. */
const lanesMax = 2
const baselineTimeoutMs = 300_000
/** Without a handler these signals end the process without an `exit` event, and the copies stay. */
const interruptions = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const

async function main(args: readonly string[]): Promise<number> {
  const { only, list } = readFlags(args, flags)
  const chosen = choose(only)
  if (list) {
    for (const mutant of chosen) console.log(describe(mutant))
    return 0
  }
  const misfits = chosen.flatMap((mutant) => {
    const why = misfit(root, mutant)
    return why === undefined ? [] : [`${mutant.id} does not apply: ${why}`]
  })
  for (const line of misfits) console.error(line)
  return misfits.length > 0 ? 1 : tryAll(chosen)
}

function describe(mutant: Mutant): string {
  const { id, breaks, suite, kept } = mutant
  const files = [...new Set(editsOf(mutant).map(({ file }) => file))].join(', ')
  const why = kept === undefined ? '' : `\n  ${kept}`
  return `${id}\n  ${breaks}\n  taken out of ${files}, seen by ${suite}${why}`
}

function choose(only: string | undefined): readonly Mutant[] {
  if (only === undefined) return mutants
  return only.split(',').map((id) => {
    const found = mutants.find((mutant) => mutant.id === id)
    if (found === undefined) throw new UsageError(`there is no mutant ${id}`)
    return found
  })
}

async function tryAll(chosen: readonly Mutant[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-mutants-'))
  process.once('exit', () => {
    removeTree(folder)
  })
  for (const [signal, code] of interruptions) process.once(signal, () => process.exit(code))
  const lanes = Array.from({ length: Math.min(lanesMax, chosen.length) }, (_, lane) =>
    join(folder, String(lane)),
  )
  for (const lane of lanes) copyTree(root, lane)
  if (!(await isGreen(lanes[0] ?? folder, chosen))) return 2

  const startedAt = performance.now()
  const open = [...chosen]
  const trials: Trial[] = []
  const work = async (lane: string): Promise<void> => {
    for (let mutant = open.shift(); mutant !== undefined; mutant = open.shift()) {
      const trial = await tryMutant(lane, mutant)
      trials.push(trial)
      console.log(`${trials.length}/${chosen.length} ${line(trial)}`)
    }
  }
  await Promise.all(lanes.map(work))
  const seconds = (performance.now() - startedAt) / 1000
  return summarize(
    chosen.flatMap((mutant) => trials.filter((trial) => trial.mutant === mutant)),
    seconds,
  )
}

/** Runs the suites without any mutant: a suite that fails already proves nothing. */
async function isGreen(tree: string, chosen: readonly Mutant[]): Promise<boolean> {
  const suites = [...new Set(chosen.map(({ suite }) => suite))]
  const run = { tree, suites, workersMax: lanesMax, timeoutMs: baselineTimeoutMs }
  const startedAt = performance.now()
  const verdict = await runSuites(run)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
  const of = `${suites.length} suites without a mutant`
  switch (verdict.kind) {
    case 'green':
      console.log(`${of}: ${verdict.tests} tests green in ${seconds} s`)
      return true
    case 'red':
      console.error(`${of}: ${verdict.suite} is red already, “${verdict.title}”`)
      return false
    case 'untested':
      console.error(`${of}: ${verdict.reason}`)
      return false
  }
}

function line({ mutant, verdict, seconds }: Trial): string {
  const { id, suite } = mutant
  switch (verdict.kind) {
    case 'red':
      return `killed    ${id}: ${verdict.suite} “${verdict.title}” (${seconds.toFixed(1)} s)`
    case 'green':
      return `SURVIVED  ${id}: all ${verdict.tests} tests of ${suite} stay green`
    case 'untested':
      return `UNTESTED  ${id}: ${verdict.reason}`
  }
}

function summarize(trials: readonly Trial[], seconds: number): number {
  console.log('\nguard taken out: what breaks, who saw it, and what they saw')
  for (const { mutant, verdict } of trials) {
    console.log(`${mutant.id}\n  ${mutant.breaks}`)
    if (verdict.kind !== 'red') console.log('  NOBODY')
    else console.log(`  ${verdict.suite} “${verdict.title}”\n  ${verdict.failure}`)
  }
  const failed = trials.filter(({ verdict }) => verdict.kind !== 'red')
  const killed = trials.length - failed.length
  console.log(`\n${killed} of ${trials.length} mutants killed in ${seconds.toFixed(0)} s`)
  for (const trial of failed) console.log(line(trial))
  return failed.length === 0 ? 0 : 1
}

await runCommand({ usage, run: main })
