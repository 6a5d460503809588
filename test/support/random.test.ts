import { expect, it } from 'vitest'
import { createRandom, drawInteger, pick, randomSeed, seedMax } from './random.ts'

const draw = (seed: number, stream?: number): readonly number[] => {
  const random = createRandom(seed, stream)
  return Array.from({ length: 1_000 }, () => random())
}
const firstOf = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index))
const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length

it('gives the same numbers for the same seed and stream, in every version', () => {
  expect(draw(42, 7)).toEqual(draw(42, 7))
  expect(draw(42).slice(0, 3)).toEqual([
    0.6011037519201636, 0.44829055899754167, 0.8524657934904099,
  ])
})

it('gives other numbers for another seed and another stream', () => {
  expect(draw(42, 7)).not.toEqual(draw(42, 8))
  expect(draw(42, 7)).not.toEqual(draw(43, 7))
})

it('draws evenly, from the first number of neighbouring seeds and streams on', () => {
  const seeds = firstOf(1_000, (seed) => createRandom(seed)())
  const streams = firstOf(1_000, (stream) => createRandom(1, stream)())
  for (const drawn of [draw(1), seeds, streams]) {
    expect(mean(drawn)).toBeCloseTo(0.5, 1)
    expect(drawn.filter((number) => number < 0.1).length).toBeGreaterThan(60)
    expect(drawn.every((number) => number >= 0 && number < 1)).toBe(true)
  }
})

it('draws whole numbers below a bound, and every choice', () => {
  const random = createRandom(1)
  const integers = firstOf(100, () => drawInteger(random, 3))
  expect(new Set(integers)).toEqual(new Set([0, 1, 2]))
  expect(new Set(firstOf(100, () => pick(random, ['a', 'b'])))).toEqual(new Set(['a', 'b']))
})

it('makes seeds up that it takes itself', () => {
  const seed = randomSeed()
  expect(Number.isInteger(seed) && seed >= 0 && seed <= seedMax).toBe(true)
})
