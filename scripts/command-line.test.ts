import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { readDecimal, readFlags, readWholeNumber, runCommand, UsageError } from './command-line.ts'

const flags = { port: { type: 'string' }, json: { type: 'boolean', default: false } } as const
const bounds = { min: 1, max: 10 }

it('reads flags in both spellings', () => {
  expect(readFlags(['--port', '1', '--json'], flags)).toEqual({ port: '1', json: true })
  expect(readFlags(['--port=1'], flags)).toEqual({ port: '1', json: false })
})

it.each([['--prot=1'], ['--port'], ['word'], ['--json=yes']])('refuses %s', (argument) => {
  expect(() => readFlags([argument], flags)).toThrow(UsageError)
})

it('reads whole numbers within their bounds, both included', () => {
  expect(readWholeNumber('n', undefined, bounds)).toBeUndefined()
  expect([readWholeNumber('n', '1', bounds), readWholeNumber('n', '10', bounds)]).toEqual([1, 10])
})

it.each(['', '0', '11', '1.0', '1e0', '0x1', ' 1', '-1', 'one'])(
  'refuses “%s” as a whole number and names the flag',
  (written) => {
    const refusal = `--n: expected a whole number from 1 to 10, got '${written}'`
    expect(() => readWholeNumber('n', written, bounds)).toThrow(new UsageError(refusal))
  },
)

it('reads numbers with a fraction, and refuses the other spellings', () => {
  const read = (written: string) => readDecimal('n', written, { min: 0.1, max: 10 })
  expect(['0.1', '.5', '10'].map(read)).toEqual([0.1, 0.5, 10])
  for (const written of ['', '.', '0.09', '10.1', '1e0', 'Infinity', '-1']) {
    expect(() => read(written)).toThrow(UsageError)
  }
})

let printed: string[] = []
const { argv, exitCode } = process

beforeEach(() => {
  printed = []
  vi.spyOn(console, 'log').mockImplementation((text: string) => void printed.push(text))
  vi.spyOn(console, 'error').mockImplementation((text: string) => void printed.push(text))
})
afterEach(() => {
  vi.restoreAllMocks()
  process.argv = argv
  process.exitCode = exitCode
})

async function play(args: readonly string[], run: () => Promise<number | undefined>) {
  process.argv = ['node', 'script', ...args]
  await runCommand({ usage: 'Usage: this', run })
  return { printed, exitCode: process.exitCode }
}

it.each([[['--help']], [['--port', '--help', '--no-such-flag']], [['-help']]])(
  '%j prints the usage and starts nothing',
  async (args) => {
    const run = vi.fn(() => Promise.resolve(1))
    expect(await play(args, run)).toEqual({ printed: ['Usage: this'], exitCode })
    expect(run).not.toHaveBeenCalled()
  },
)

it('exits as the command says', async () => {
  expect(await play([], () => Promise.resolve(3))).toEqual({ printed: [], exitCode: 3 })
})

it('tells wrong usage with the usage and exits with 2', async () => {
  const run = () => Promise.reject(new UsageError('--port is missing'))
  const told = ['--port is missing\n\nUsage: this']
  expect(await play([], run)).toEqual({ printed: told, exitCode: 2 })
})

it('leaves every other error to the command', async () => {
  await expect(play([], () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
})
