import type { Evidence } from '../../functional_test/evidence.ts'
import type { Finding } from '../../functional_test/judgement.ts'
import { now, pause } from '../../functional_test/time.ts'
import type { Options } from './options.ts'
import { startShop, type Shop } from './shop.ts'
import { storm } from './storm.ts'
import { judgeBooks, judgeEnds, judgeWaves } from './verdict.ts'
import { prepareWave, type Wave } from './wave.ts'

/**
 * Prints a line of the run: start the shop, run the storm and the waves at the same time, repair, judge.
 */

type Say = (line: string) => void

const waveEveryMs = 6_000
const madeWithinMs = 60_000
/** A bot that still waits after this never gets an answer. */
const answeredWithinMs = 120_000
const interruptedExitCode = 130
const signals = ['SIGINT', 'SIGTERM'] as const

/**
 * Plays the whole run and returns its findings.
 * @throws SetupError when it cannot begin.
 */
export async function run(options: Options, say: Say): Promise<Finding[]> {
  say('starting nsqd, the provider, a worker and two API nodes')
  const shop = await startShop()
  const leave = (): void => {
    void shop.stop().then(() => process.exit(interruptedExitCode))
  }
  for (const signal of signals) process.on(signal, leave)
  try {
    say(`the database is ${shop.databasePath}`)
    const findings = await runIn(shop, options, say)
    await shop.stop()
    return [...findings, ...shop.parts.flatMap(judgeEnds)]
  } finally {
    await shop.stop()
    for (const signal of signals) process.off(signal, leave)
  }
}

async function runIn(shop: Shop, options: Options, say: Say): Promise<Finding[]> {
  const { seconds, seed, bots } = options
  const count = Math.max(1, Math.floor((seconds * 1_000) / waveEveryMs))
  say(`making ${count} sales with ${bots} bots each`)
  const waves: Wave[] = []
  try {
    const deadlineAt = now() + madeWithinMs + seconds * 1_000 + answeredWithinMs
    const indexes = Array.from({ length: count }, (_, index) => index)
    await Promise.all(
      indexes.map(async (index) => {
        waves[index] = await prepareWave(shop, { index, bots, seed, deadlineAt })
      }),
    )
    say('the storm begins')
    const [faults] = await Promise.all([storm(shop, { seed, seconds, say }), runWaves(waves, say)])
    say(`${faults} faults are over and put right, every bot is done; waiting for the rest`)
    const evidence: Evidence[] = await Promise.all(waves.map((wave) => wave.settle()))
    say('asking both books')
    return [...judgeWaves(evidence), await judgeBooks(shop)]
  } finally {
    await Promise.all(waves.map((wave) => wave.close()))
  }
}

async function runWaves(waves: readonly Wave[], say: Say): Promise<void> {
  await Promise.all(
    waves.map(async (wave, index) => {
      await pause(index * waveEveryMs)
      say(`sale ${index + 1} opens`)
      await wave.run()
      say(`sale ${index + 1}: every bot is done`)
    }),
  )
}
