import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'

/** These folders are made by commands, so a copy makes its own. */
const leftOut = ['.git', 'node_modules', 'dist', 'data', 'out', 'coverage']

/**
 * Copies a working tree to a folder that does not exist yet. The packages are links in a folder of
 * the copy, so that the cache of a test runner beside them stays out of the working tree.
 */
export function copyTree(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    filter: (source) => !leftOut.includes(relative(from, source)),
  })
  const packages = join(from, 'node_modules')
  mkdirSync(join(to, 'node_modules'))
  for (const name of readdirSync(packages)) {
    const isCache = name.startsWith('.') && name !== '.bin'
    if (!isCache) symlinkSync(join(packages, name), join(to, 'node_modules', name))
  }
}

export function removeTree(tree: string): void {
  rmSync(tree, { recursive: true, force: true })
}
