import type { RunResult } from './run.ts'

const shownMax = 5

/** The seed, what did not hold, and the steps that led there. */
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
