import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format } from 'prettier'
import { describe, expect, it } from 'vitest'
import { readText, root } from '../support/documents.ts'
import { createTemporaryFolder } from '../support/temporary-folder.ts'
import { mutants } from './list.ts'
import { apply, editsOf, misfit, misfitIn, patternOf, type Mutant } from './mutant.ts'

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

/** Every file of the list as it would look with lines of that length. */
async function formatted(printWidth: number): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>()
  const files = new Set(mutants.flatMap(editsOf).map(({ file }) => file))
  for (const file of files) {
    const text = readText(file)
    const style = { parser: 'typescript', printWidth, semi: false, singleQuote: true }
    texts.set(file, file.endsWith('.sql') ? text.replaceAll(' ', '\n') : await format(text, style))
  }
  return texts
}

describe('the place of a mutant', () => {
  it.each([80, 140])('is found when the code is formatted to %i characters', async (width) => {
    const texts = await formatted(width)
    const misfits = mutants.flatMap(
      (mutant) => misfitIn((file) => texts.get(file) ?? '', mutant) ?? [],
    )
    expect(misfits).toEqual([])
  })

  it.each([
    ['f(a, b)', 'f(\n  a,\n  b,\n)'],
    ['f(\n  a,\n  b,\n)', 'f(a, b)'],
    ['where id = ? and n > 0', 'where id = ?\n    and n > 0'],
    ['{ a: [1, 2] }', '{a:[1,2]}'],
  ])('of %j is %j', (find, text) => {
    expect(text.match(patternOf(find))).toEqual([text])
  })

  it.each([
    ['a b', 'ab'],
    ['f(a, b)', 'f(a b)'],
    ['n >= 0', 'n > 0'],
    ['a.b', 'acb'],
  ])('of %j is not %j', (find, text) => {
    expect(text.match(patternOf(find))).toBeNull()
  })

  it('is put back as it was', () => {
    const folder = createTemporaryFolder()
    const path = join(folder.path, 'a.ts')
    const text = 'before(\n  one,\n  $1,\n)\n'
    writeFileSync(path, text)
    const mutant: Mutant = {
      id: 'm',
      breaks: '',
      suite: '',
      file: 'a.ts',
      find: 'one, $1)',
      replace: "'$&')",
    }
    const restore = apply(folder.path, mutant)
    expect(readFileSync(path, 'utf8')).toBe("before(\n  '$&')\n")
    restore()
    expect(readFileSync(path, 'utf8')).toBe(text)
    folder.remove()
  })
})
