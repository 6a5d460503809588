import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'

export interface Options {
  readonly kind: 'run'
  /** How long faults happen; starting and healing come on top. */
  readonly seconds: number
  readonly seed: number
  /** Of one wave; a wave comes every `waveEverySeconds`. */
  readonly bots: number
}

/** The command line cannot be used; `message` says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const seedMax = 2 ** 31

export const usage = `Usage: npm run chaos -- [flags]

Starts nsqd, a worker, two API nodes and the payment simulator, sends bots to one sale after the
other, and meanwhile kills, stops, locks and restarts all of it at random. Then everything is healed,
the rest is waited for, and what every bot was told is compared with the shop, and our books with the
provider's.

  --minutes <n>   how long it goes wrong (default 5)
  --seconds <n>   the same in seconds
  --bots <n>      bots of each sale, at most 1000 (default 100)
  --seed <n>      the same seed gives the same faults in the same order, and the same bots
                  (default: a random one, printed)
  --help          this text

Exit code: 0 everything holds, 1 something is violated, 2 wrong usage or it could not begin,
130 interrupted.`

const optionNames = {
  minutes: { type: 'string' },
  seconds: { type: 'string' },
  bots: { type: 'string' },
  seed: { type: 'string' },
  help: { type: 'boolean' },
} as const

/** @throws UsageError */
export function readOptions(commandLine: readonly string[]): Options | { readonly kind: 'help' } {
  const { help, minutes, seconds, bots, seed } = parse(commandLine)
  if (help === true) return { kind: 'help' }
  if (minutes !== undefined && seconds !== undefined) {
    throw new UsageError('either --minutes or --seconds')
  }
  const inMinutes = wholeNumber('minutes', minutes ?? '5', { max: 24 * 60 }) * 60
  return {
    kind: 'run',
    seconds: seconds === undefined ? inMinutes : wholeNumber('seconds', seconds, { max: 86_400 }),
    seed: wholeNumber('seed', seed ?? String(randomInt(seedMax)), { min: 0, max: seedMax }),
    bots: wholeNumber('bots', bots ?? '100', { max: 1_000 }),
  }
}

function parse(commandLine: readonly string[]) {
  try {
    return parseArgs({ args: [...commandLine], options: optionNames, strict: true }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function wholeNumber(
  name: string,
  text: string,
  { min = 1, max }: { readonly min?: number; readonly max: number },
): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`--${name}: expected a whole number from ${min} to ${max}, got '${text}'`)
}
