import { createHash } from 'node:crypto'

/** All steps of a run in order. Two equal runs have the same hash. */
export interface Trace {
  note(line: string): void
  /** Returns the last steps, which the report of a failure prints. */
  last(): readonly string[]
  hash(): string
  steps(): number
}

const lastMax = 120

/** Makes a trace. `print`, when given, receives every line. */
export function createTrace(
  now: () => number,
  print: (line: string) => void = () => undefined,
): Trace {
  const hash = createHash('sha256')
  const startedAt = now()
  let lines: string[] = []
  let steps = 0

  return {
    note(text) {
      const line = `${((now() - startedAt) / 1000).toFixed(3).padStart(8)} ${text}`
      hash.update(line).update('\n')
      steps += 1
      lines.push(line)
      if (lines.length > 2 * lastMax) lines = lines.slice(-lastMax)
      print(line)
    },
    last: () => lines.slice(-lastMax),
    hash: () => hash.copy().digest('hex'),
    steps: () => steps,
  }
}
