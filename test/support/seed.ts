import { createRandom, seedMax, type Random } from './random.ts'

/**
 * The seed of every suite that draws numbers. `npm test` uses a fixed one, so that a merge is never refused
 * for a number that somebody else's change has drawn; `npm run test:random` draws one and sets `HOLDFAST_SEED`.
 */
const fixedSeed = 20_261_128

export const testSeed = readSeed(process.env['HOLDFAST_SEED'])

function readSeed(written: string | undefined): number {
  if (written === undefined) return fixedSeed
  const seed = /^\d+$/.test(written) ? Number(written) : Number.NaN
  if (seed <= seedMax) return seed
  throw new Error(`HOLDFAST_SEED: expected a whole number from 0 to ${seedMax}, got '${written}'`)
}

let streams = 0

/** A generator of the seed for a part that only spreads its retries; every call gives another stream. */
export function testRandom(): Random {
  streams += 1
  return createRandom(testSeed, streams)
}
