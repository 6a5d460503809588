import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { filesNeeded, openFilesOf, ownOpenFiles, requireOpenFiles } from './open-files.ts'
import { SetupError } from './setup-error.ts'

test('too few are refused before the race, with what to do about it', () => {
  const requiring = () => {
    requireOpenFiles('this program', 1024, 10_000)
  }
  expect(requiring).toThrow(SetupError)
  expect(requiring).toThrow('10000 bots need 12700 open files, this program may open 1024')
  expect(requiring).toThrow('ulimit -n 12700')
  expect(requiring).toThrow('--bots 659')
})

test('as many bots as are proposed do fit', () => {
  expect(filesNeeded(659)).toBeLessThanOrEqual(1024)
  expect(() => {
    requireOpenFiles('the started program', 1024, 659)
  }).not.toThrow()
})

test('a system that does not say is trusted', () => {
  expect(() => {
    requireOpenFiles('this program', null, 20_000)
  }).not.toThrow()
})

test('the limit of this process is what the system says', () => {
  expect(ownOpenFiles()).toBeGreaterThan(0)
  const kernel = openFilesOf('self')
  if (kernel !== null) expect(ownOpenFiles()).toBe(kernel)
})

test('a shell with a low limit is told so by the program itself', () => {
  const program = join(import.meta.dirname, 'main.ts')
  const command = 'ulimit -n 400; exec "$0" --import tsx "$1" --bots 1000'
  const { stderr, status } = spawnSync('sh', ['-c', command, process.execPath, program], {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
  })
  expect(stderr).toContain('1000 bots need 1450 open files, this program may open 400')
  expect(status).toBe(2)
})
