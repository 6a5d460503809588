import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/documents.ts'
import { mutants } from './list.ts'
import { editsOf, misfit } from './mutant.ts'

/**
 * Checks that the list fits the code. `npm run mutants` checks that each mutant dies; it takes
 * minutes.
 */
describe('the list of mutants', () => {
  it('fits the code: what each takes out is there, once', () => {
    const misfits = mutants.flatMap((mutant) => {
      const why = misfit(root, mutant)
      return why === undefined ? [] : [`${mutant.id}: ${why}`]
    })
    expect(misfits).toEqual([])
  })

  it('names suites that exist and need no build', () => {
    const suites = [...new Set(mutants.map(({ suite }) => suite))]
    const missing = suites.filter((suite) => !existsSync(join(root, suite)))
    expect(missing).toEqual([])
    expect(suites.filter((suite) => !/^src\/.*(?<!\.process)\.test\.ts$/.test(suite))).toEqual([])
  })

  it('has each id and each mutant once', () => {
    const ids = mutants.map(({ id }) => id)
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
    const edits = mutants.map((mutant) => JSON.stringify(editsOf(mutant)))
    expect(edits.filter((each, index) => edits.indexOf(each) !== index)).toEqual([])
  })

  it('takes nothing but the program and its schema', () => {
    const files = mutants.flatMap(editsOf).map(({ file }) => file)
    expect(files.filter((file) => !/^(?:src|migrations)\/(?!.*\.test\.ts$)/.test(file))).toEqual([])
  })
})
