import { apply, type Mutant } from './mutant.ts'
import { runSuites, type Verdict } from './run-suites.ts'

/** The result of one mutant; it is killed when the suite failed. */
export interface Trial {
  readonly mutant: Mutant
  readonly verdict: Verdict
  readonly seconds: number
}

const timeoutMs = 90_000

/** Runs the mutant's suite in a copy of the tree, and leaves that copy as it was. */
export async function tryMutant(tree: string, mutant: Mutant): Promise<Trial> {
  const restore = apply(tree, mutant)
  const startedAt = performance.now()
  try {
    const verdict = await runSuites({ tree, suites: [mutant.suite], workersMax: 1, timeoutMs })
    return { mutant, verdict, seconds: (performance.now() - startedAt) / 1000 }
  } finally {
    restore()
  }
}
