import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TemporaryFolder {
  readonly path: string
  remove(): void
}

/** In the system's own folder for such unless given. */
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

/** In memory where the system offers that: for many short databases that no power cut will ever meet. */
export const createMemoryFolder = (): TemporaryFolder =>
  createTemporaryFolder(existsSync(memory) ? memory : tmpdir())
