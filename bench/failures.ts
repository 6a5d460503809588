import type { Contender } from './contender.ts'
import type { LoadResult } from './load/job.ts'
import { auditFailures } from './operator.ts'
import { sells, type Cell } from './plan.ts'
import type { Run } from './result.ts'
import { countRows } from './sale-database.ts'

/** A measurement counts only when every answer is the demanded one and the database agrees. */
export interface Evidence {
  readonly cell: Cell
  readonly run: Run
  readonly contender: Contender
  readonly databasePath: string
  readonly load: LoadResult
  readonly waitedAtOnce: number | undefined
}

export async function failuresOf(evidence: Evidence): Promise<readonly string[]> {
  const { cell, load, contender } = evidence
  const failures = [...load.faults, ...answerFailures(evidence)]
  if (!sells(cell)) return failures
  failures.push(...rowFailures(evidence))
  // When answers are missing the server may be gone; then its exit says more than the audit.
  const askable = load.faults.length === 0 ? contender.admin : undefined
  if (askable !== undefined) failures.push(...(await auditFailures(askable)))
  return failures
}

function answerFailures({ cell, load, run, waitedAtOnce = 0 }: Evidence): string[] {
  const { answers } = load
  switch (cell.workload) {
    case 'plenty':
    case 'sold-out': {
      const answered = Object.values(answers).reduce((sum, count) => sum + count, 0)
      return answered > 0 ? [] : ['nothing was answered within the window']
    }
    case 'waiting':
      return [
        ...differences('answers', answers, { 201: cell.connections }),
        ...differences('at once', { waiting: waitedAtOnce }, { waiting: cell.connections }),
      ]
    case 'race': {
      const { units, shoppers } = run.scale.race
      const told = { 201: units, '409 sold_out': shoppers - units }
      return [...differences('answers', answers, told), ...paymentFailures(load, units)]
    }
    case 'orders': {
      const { connections } = cell
      const told = differences('answers', answers, { 201: connections })
      return [...told, ...paymentFailures(load, connections)]
    }
  }
}

function paymentFailures({ paying }: LoadResult, paid: number): string[] {
  return differences('payments', { paid: paying?.paid ?? 0 }, { paid })
}

function rowFailures({ databasePath, load }: Evidence): string[] {
  const holds = load.answersInAll['201'] ?? 0
  const paidInvoices = load.paying?.paid ?? 0
  const told = {
    reservations: holds,
    cartDetails: holds,
    heldMovements: holds,
    unitsTaken: holds,
    paidInvoices,
  }
  return differences('rows', { ...countRows(databasePath) }, told)
}

function differences(
  what: string,
  found: Readonly<Record<string, number>>,
  expected: Readonly<Record<string, number>>,
): string[] {
  const names = new Set([...Object.keys(found), ...Object.keys(expected)])
  return [...names]
    .filter((name) => (found[name] ?? 0) !== (expected[name] ?? 0))
    .map((name) => `${what}: ${found[name] ?? 0} × ${name}, not ${expected[name] ?? 0}`)
}
