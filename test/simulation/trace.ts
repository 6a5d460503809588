import { createHash } from 'node:crypto'

/** Everything that happened, in order: its hash tells whether two runs were the same. */
export interface Trace {
  note(line: string): void
  /** The last steps, for whoever has to understand a failure. */
  last(): readonly string[]
  hash(): string
  steps(): number
}

const lastMax = 120

/** `print` sees every line; nobody unless given. */
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
