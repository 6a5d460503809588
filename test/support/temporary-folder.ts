import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryFolder {
  readonly path: string
  remove(): void
}

/** Makes a temporary folder; by default in the system's folder for them. */
export function createTemporaryFolder(parent = tmpdir()): TemporaryFolder {
  const path = mkdtempSync(join(parent, 'holdfast-'))
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true })
    },
  }
}

const memory = '/dev/shm'

/** Makes a folder in memory where the system has one, for databases that need no durability. */
export const createMemoryFolder = (): TemporaryFolder =>
  createTemporaryFolder(existsSync(memory) ? memory : tmpdir())
