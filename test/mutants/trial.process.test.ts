import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../support/documents.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts'
import { mutants } from './list.ts'
import type { Mutant } from './mutant.ts'
import { copyTree } from './tree.ts'
import { tryMutant } from './trial.ts'

/** A mutant whose suite is quick; it is tried in a real copy. */
const killable = mutants.find(({ id }) => id === 'gate-reopening-stamp')!

let folder: TemporaryFolder
let tree: string

beforeAll(() => {
  folder = createTemporaryFolder()
  tree = join(folder.path, 'tree')
  copyTree(root, tree)
})

afterAll(() => {
  folder.remove()
})

const textIn = (place: string): string => readFileSync(join(place, killable.file), 'utf8')

async function verdictOn(replace: string) {
  const mutant: Mutant = { ...killable, replace }
  return (await tryMutant(tree, mutant)).verdict
}

describe('a mutant', () => {
  it('dies by the test that misses the guard, and the tree is as before', async () => {
    const { verdict } = await tryMutant(tree, killable)
    expect(verdict).toEqual({
      kind: 'red',
      suite: killable.suite,
      title: expect.stringContaining('stamped before the reopening') as string,
      failure: 'AssertionError: expected false to be true // Object.is equality',
    })
    expect(textIn(tree)).toBe(textIn(root))
  })

  it('that changes nothing anybody sees survives', async () => {
    expect(await verdictOn(`${killable.find} // as it was`)).toMatchObject({ kind: 'green' })
  })

  it.each([
    ['does not load', 'return ('],
    ['does not know what it names', 'return nobodyKnows'],
  ])('that %s was not tried', async (_title, replace) => {
    expect(await verdictOn(replace)).toMatchObject({ kind: 'untested' })
  })
})
