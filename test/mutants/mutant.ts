import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One change of the text of a file. */
export interface Edit {
  /** The path from the top of the repository. */
  readonly file: string
  /**
   * The code to take out. It must occur once in the file, or the mutant no longer applies. White space, line
   * breaks and trailing commas do not count, so that a mutant survives reformatting.
   */
  readonly find: string
  readonly replace: string
}

/** A change that removes one guard of the program. */
export interface Mutant extends Edit {
  readonly id: string
  /** The promise that is broken without the guard, with its number in docs/guarantees.md. */
  readonly breaks: string
  /** The cheapest suite that must fail. */
  readonly suite: string
  /**
   * Further guards of the same promise, removed together with this one: while they are there no
   * test can notice that it is gone. `kept` gives the reason for having several.
   */
  readonly also?: readonly Edit[]
  readonly kept?: string
}

export const editsOf = (mutant: Mutant): readonly Edit[] => [mutant, ...(mutant.also ?? [])]

/** Returns the reason why the mutant does not fit this tree; undefined when it does. */
export function misfit(tree: string, mutant: Mutant): string | undefined {
  return misfitIn((file) => readFileSync(join(tree, file), 'utf8'), mutant)
}

/** The same for files whose text `read` says. */
export function misfitIn(read: (file: string) => string, mutant: Mutant): string | undefined {
  for (const { file, find, replace } of editsOf(mutant)) {
    const occurrences = [...read(file).matchAll(patternOf(find))].length
    const where = `${file}: ${JSON.stringify(find)}`
    if (find === replace) return `${where} is replaced by itself`
    if (occurrences !== 1) return `${where} is there ${occurrences} times, not once`
  }
  return undefined
}

/** A word, or one sign: `a.b >= ?` has the tokens `a` `.` `b` `>` `=` `?`. */
const tokens = /[\w$]+|[^\w$\s]/g

/** Matches the tokens of `find`, however they are laid out. */
export function patternOf(find: string): RegExp {
  let pattern = ''
  let before = ''
  let end = 0
  for (const { 0: token, index } of find.replaceAll(/,(?=\s*[)\]}])/g, '').matchAll(tokens)) {
    const areApart = index > end && /\w$/.test(before) && /^\w/.test(token)
    if (before !== '') pattern += areApart ? '\\s+' : '\\s*'
    if (/[)\]}]/.test(token)) pattern += '(?:,\\s*)?'
    pattern += token.replace(/[^\w\s]/, '\\$&')
    before = token
    end = index + token.length
  }
  return new RegExp(pattern, 'g')
}

/** Writes the mutant into the tree. The returned function restores the files. */
export function apply(tree: string, mutant: Mutant): () => void {
  const originals = new Map<string, string>()
  for (const { file, find, replace } of editsOf(mutant)) {
    const path = join(tree, file)
    const text = readFileSync(path, 'utf8')
    if (!originals.has(path)) originals.set(path, text)
    writeFileSync(
      path,
      text.replace(patternOf(find), () => replace),
    )
  }
  return () => {
    for (const [path, text] of originals) writeFileSync(path, text)
  }
}
