import { createRandom, drawInteger } from '../support/random.ts'
import { now, pause } from '../../functional_test/time.ts'
import { drawFault, type Fault, type Victim } from './faults.ts'
import type { Shop } from './shop.ts'

export interface StormOptions {
  readonly seed: number
  readonly seconds: number
  readonly say: (line: string) => void
}

/** The random stream of the storm; bots use the low numbers. */
const stormStream = 2_000_000
const pauseMsMin = 200
const pauseMsMax = 2_000

/**
 * Causes random faults of the seed until the time is over. Resolves with their number when the last
 * one is repaired and every process runs.
 */
export async function storm(shop: Shop, options: StormOptions): Promise<number> {
  const { seed, seconds, say } = options
  const random = createRandom(seed, stormStream)
  const under = new Map<Victim, Promise<void>>()
  const endsAt = now() + seconds * 1_000
  let count = 0
  while (now() < endsAt) {
    const fault = drawFault(random)
    const patienceMs = pauseMsMin + drawInteger(random, pauseMsMax - pauseMsMin)
    await under.get(fault.victim)
    count += 1
    under.set(fault.victim, suffer(shop, fault, say))
    await Promise.race([pause(patienceMs), failure(under.values())])
  }
  await Promise.all(under.values())
  for (const part of shop.parts) await part.revive()
  return count
}

async function suffer(shop: Shop, fault: Fault, say: (line: string) => void): Promise<void> {
  const { victim, title, lastsMs, strike } = fault
  say(`${victim} ${title}, for ${(lastsMs / 1_000).toFixed(1)} s`)
  const putRight = await strike(shop)
  await pause(lastsMs)
  await putRight()
  say(`${victim} is back`)
}

/** Returns a promise that never resolves and rejects with the first rejection of `all`. */
function failure(all: Iterable<Promise<void>>): Promise<never> {
  return new Promise((_, reject) => {
    for (const each of all) each.catch(reject)
  })
}
