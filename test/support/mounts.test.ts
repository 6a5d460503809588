import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { mountFragile, mountSmall } from './mounts.ts'
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts'

let folder: TemporaryFolder

beforeEach(() => {
  folder = createTemporaryFolder()
})

afterEach(() => {
  vi.unstubAllEnvs()
  folder.remove()
})

/** Makes a PATH with only these commands; each succeeds (`true`) or fails (`false`). */
function machineWith(commands: Readonly<Record<string, 'true' | 'false'>>): void {
  const path = join(folder.path, 'commands')
  mkdirSync(path)
  for (const [name, result] of Object.entries(commands)) {
    const target = execFileSync('which', [result], { encoding: 'utf8' }).trim()
    symlinkSync(target, join(path, name))
  }
  vi.stubEnv('PATH', path)
}

it.each([
  ['perl', {}],
  ['mkfs.ext4', { perl: 'true' }],
  ['mount', { perl: 'true', 'mkfs.ext4': 'true' }],
  ['root and Linux, for mount to work', { perl: 'true', 'mkfs.ext4': 'true', mount: 'false' }],
] as const)('a disk that loses its power lacks %s', (lacks, commands) => {
  machineWith(commands)
  expect(mountFragile(folder.path)).toEqual({ lacks })
})

it('a small disk lacks root', () => {
  machineWith({ mount: 'false' })
  expect(mountSmall(folder.path, 1)).toEqual({ lacks: 'root and Linux, for mount to work' })
})
