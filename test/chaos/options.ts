import { readFlags, readWholeNumber, UsageError } from '../../scripts/command-line.ts'
import { randomSeed, seedMax } from '../support/random.ts'

export interface Options {
  /** Faults happen for this long; starting and repairing take additional time. */
  readonly seconds: number
  readonly seed: number
  /** The bots of one wave; a wave starts every `waveEverySeconds`. */
  readonly bots: number
}

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

const flags = {
  minutes: { type: 'string' },
  seconds: { type: 'string' },
  bots: { type: 'string' },
  seed: { type: 'string' },
} as const

/**
 * Reads the command line.
 * @throws UsageError
 */
export function readOptions(args: readonly string[]): Options {
  const { minutes, seconds, bots, seed } = readFlags(args, flags)
  if (minutes !== undefined && seconds !== undefined) {
    throw new UsageError('either --minutes or --seconds')
  }
  const inMinutes = readWholeNumber('minutes', minutes, { min: 1, max: 24 * 60 }) ?? 5
  return {
    seconds: readWholeNumber('seconds', seconds, { min: 1, max: 86_400 }) ?? inMinutes * 60,
    seed: readWholeNumber('seed', seed, { min: 0, max: seedMax }) ?? randomSeed(),
    bots: readWholeNumber('bots', bots, { min: 1, max: 1_000 }) ?? 100,
  }
}
