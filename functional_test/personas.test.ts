import { expect, test } from 'vitest'
import { characterOf, personas } from './personas.ts'

const crowd = (seed: number) => Array.from({ length: 500 }, (_, bot) => characterOf(seed, bot))

test('the same seed makes the same crowd, another seed another one', () => {
  expect(crowd(42)).toEqual(crowd(42))
  expect(crowd(42)).not.toEqual(crowd(43))
})

test('every persona and every way of clicking is in a crowd of 500', () => {
  const present = crowd(42)
  expect(new Set(present.map(({ persona }) => persona))).toEqual(new Set(personas))
  expect(new Set(present.map(({ clicks }) => clicks))).toEqual(new Set(['once', 'twice', 'again']))
  expect(new Set(present.map(({ quantity }) => quantity))).toEqual(new Set([1, 2, 3]))
  expect(new Set(present.map(({ comesBack }) => comesBack)).size).toBe(2)
})

test('a bot keeps its character when the crowd grows', () => {
  expect(characterOf(42, 7)).toEqual(crowd(42)[7])
})
