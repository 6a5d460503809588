import { readFlags, readWholeNumber } from '../../scripts/command-line.ts'
import { randomSeed, seedMax } from '../support/random.ts'

export interface Options {
  /** The seed of the first run; each further run takes the next number. */
  readonly seed: number
  readonly runs: number
  /** `all` prints every step, `last` only the last steps of a failed run. */
  readonly steps: 'all' | 'last'
}

const runsDefault = 1_000

export const usage = `Usage: npm run simulate [-- flags]

The whole system in one process, on a simulated clock: API nodes, consumers and cron over a real SQLite
file, a broker that drops, delays, repeats and reorders, a payment provider that misbehaves, and processes
that are killed at any step and start again from what is on disk. When the storm is over, everything that
was told is compared with what is there. A seed decides all of it.

  --runs <n>   how many, each with the next seed   (default ${runsDefault}; 1 with --seed)
  --seed <n>   of the first                        (default: a random one, printed)
  --trace      print every step
  --help       this text

Exit code: 0 everything held, 1 something did not (its seed, what, and the last steps are printed),
2 wrong usage.`

const flags = {
  runs: { type: 'string' },
  seed: { type: 'string' },
  trace: { type: 'boolean', default: false },
} as const

/**
 * Reads the command line.
 * @throws UsageError with what is wrong in it.
 */
export function readOptions(args: readonly string[]): Options {
  const { trace, ...numbers } = readFlags(args, flags)
  const seed = readWholeNumber('seed', numbers.seed, { min: 0, max: seedMax })
  const runs = readWholeNumber('runs', numbers.runs, { min: 1, max: 100_000_000 })
  return {
    seed: seed ?? randomSeed(),
    runs: runs ?? (seed === undefined ? runsDefault : 1),
    steps: trace ? 'all' : 'last',
  }
}
