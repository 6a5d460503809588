import { randomInt } from 'node:crypto'

/**
 * The seeded numbers of every harness: the same seed and stream give the same numbers on every
 * machine and in every version. It imports nothing of src, so that black boxes can use it.
 */

/** Draws the next number, 0 ≤ number < 1. */
export type Random = () => number

/** The largest seed; the smallest is 0. */
export const seedMax = 0xffff_ffff

/** Draws a random seed. The caller prints it. */
export function randomSeed(): number {
  return randomInt(seedMax + 1)
}

/**
 * Makes a generator (Mulberry32). Every stream of a seed is a sequence of its own, so that the
 * numbers of one bot never depend on how many another bot has used. Neighbouring seeds and streams
 * are unrelated from the first number on; pure-rand's generators are not (docs/decisions.md).
 */
export function createRandom(seed: number, stream = 0): Random {
  let state = (seed ^ Math.imul(stream, 0x9e3779b9)) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Draws a whole number, 0 ≤ number < below. */
export function drawInteger(random: Random, below: number): number {
  return Math.floor(random() * below)
}

/** Draws one of `choices`, none of which is undefined. */
export function pick<T>(random: Random, choices: readonly [T, ...T[]]): T {
  return choices[drawInteger(random, choices.length)] ?? choices[0]
}
