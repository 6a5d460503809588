import type { RunResult } from './run.ts'

const shownMax = 5

/** Describes a failed run: its seed, the violations, and the last steps before them. */
export function describeFailure({ seed, violations, lastSteps }: RunResult): string {
  const broken = violations.slice(0, shownMax).map(({ invariant, what }) => `${invariant}: ${what}`)
  return [
    ...lastSteps,
    '',
    `Seed ${seed} broke what always holds:`,
    ...broken,
    `Again, exactly: npm run simulate -- --seed ${seed} --trace`,
  ].join('\n')
}
