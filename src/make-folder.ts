import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder and its parents where they are missing. Not `mkdirSync` with `recursive`: under `/proc`,
 * where nobody can make a folder, Node 20 to 24 repeat it for ever instead of throwing ENOENT.
 * @throws Error with the code of the operating system.
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it since.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
