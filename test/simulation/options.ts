import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'

export interface Options {
  readonly kind: 'run'
  /** The seed of the first run; each further run takes the next number. */
  readonly seed: number
  readonly runs: number
  /** `all` prints every step, `last` only the last steps of a failed run. */
  readonly steps: 'all' | 'last'
}

/** Thrown for a command line that cannot be used; `message` gives the reason. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const runsDefault = 1_000
const seedMax = 2 ** 31

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

const optionNames = {
  runs: { type: 'string' },
  seed: { type: 'string' },
  trace: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

/**
 * Reads the command line.
 * @throws UsageError with what is wrong in it.
 */
export function readOptions(args: readonly string[]): Options | { readonly kind: 'help' } {
  const { help, trace, ...numbers } = parse(args)
  if (help) return { kind: 'help' }
  const seed = within('seed', numbers.seed, { min: 0, max: seedMax })
  const runs = within('runs', numbers.runs, { min: 1, max: 100_000_000 })
  return {
    kind: 'run',
    seed: seed ?? randomInt(seedMax),
    runs: runs ?? (seed === undefined ? runsDefault : 1),
    steps: trace ? 'all' : 'last',
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: optionNames, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function within(
  name: string,
  written: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  if (written === undefined) return undefined
  const value = Number(written)
  if (/^\d+$/.test(written) && value >= min && value <= max) return value
  throw new UsageError(`--${name}: expected a number from ${min} to ${max}, got '${written}'`)
}
