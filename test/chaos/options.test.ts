import { expect, it } from 'vitest'
import { UsageError } from '../../scripts/command-line.ts'
import { readOptions } from './options.ts'

it.each(['0', '4294967295'])('a seed of %s can be given', (seed) => {
  expect(readOptions(['--seed', seed])).toMatchObject({ seed: Number(seed) })
})

it.each(['-1', '1.5', 'one', '4294967296', ''])('a seed of “%s” cannot', (seed) => {
  expect(() => readOptions([`--seed=${seed}`])).toThrow(UsageError)
})

it('nobody storms for no time and with no bots', () => {
  expect(() => readOptions(['--seconds', '0'])).toThrow('from 1 to 86400')
  expect(() => readOptions(['--bots', '0'])).toThrow('from 1 to 1000')
})
