import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One change of the text of a file. */
export interface Edit {
  /** From the top of the repository. */
  readonly file: string
  /** Occurs once in the file, or the mutant no longer applies. */
  readonly find: string
  readonly replace: string
}

/** The program without one of its guards. */
export interface Mutant extends Edit {
  readonly id: string
  /** What no longer holds without the guard; invariants and faults by their number in docs/guarantees.md. */
  readonly breaks: string
  /** The cheapest suite that must go red. */
  readonly suite: string
  /**
   * The guards that stand behind this one and are taken out with it. While they are there nobody can see
   * that it is gone; `kept` says why there are several.
   */
  readonly also?: readonly Edit[]
  readonly kept?: string
}

export const editsOf = (mutant: Mutant): readonly Edit[] => [mutant, ...(mutant.also ?? [])]

/** Why the mutant cannot be made of this tree; undefined when it can. */
export function misfit(tree: string, mutant: Mutant): string | undefined {
  for (const { file, find, replace } of editsOf(mutant)) {
    const occurrences = readFileSync(join(tree, file), 'utf8').split(find).length - 1
    const where = `${file}: ${JSON.stringify(find)}`
    if (find === replace) return `${where} is replaced by itself`
    if (occurrences !== 1) return `${where} is there ${occurrences} times, not once`
  }
  return undefined
}

/** Writes the mutant into the tree; the function it returns puts everything back. */
export function apply(tree: string, mutant: Mutant): () => void {
  const originals = new Map<string, string>()
  for (const { file, find, replace } of editsOf(mutant)) {
    const path = join(tree, file)
    const text = readFileSync(path, 'utf8')
    if (!originals.has(path)) originals.set(path, text)
    writeFileSync(
      path,
      text.replace(find, () => replace),
    )
  }
  return () => {
    for (const [path, text] of originals) writeFileSync(path, text)
  }
}
