import type { Invoice } from './contract.ts'
import type { Evidence } from './evidence.ts'
import type { StockSample } from './history.ts'

/** The result of a judgement. */
export interface Finding {
  readonly id: string
  readonly title: string
  /** The number of violations; 0 when the invariant holds. */
  readonly violations: number
  /** The counted numbers as text. */
  readonly measured: string
  readonly examples: readonly string[]
}

export type Judgement = Omit<Finding, 'id' | 'title'>

export const examplesMax = 3

/** An answer may come from a copy of this age. */
export const staleReadMsMax = 1_000

export function judged(violations: readonly string[], measured: string): Judgement {
  return { violations: violations.length, measured, examples: violations.slice(0, examplesMax) }
}

export const unknown = (what: string): Judgement => judged([`${what} gave no answer`], 'not known')

/**
 * Returns the smallest number; Infinity for none. `Math.min(...)` would exhaust the stack with
 * many.
 */
export const least = (numbers: readonly number[]): number =>
  numbers.reduce((lowest, number) => Math.min(lowest, number), Infinity)

export const allReads = ({ start, history, answers }: Evidence): StockSample[] =>
  [start, ...history.stock, answers.stockBefore, answers.stockAfter].filter(
    (sample) => sample !== null,
  )

/**
 * Returns the largest allotment seen: an operator may change it during a run, and no shop is
 * accused wrongly.
 */
export const allotmentOf = (evidence: Evidence): number =>
  -least(allReads(evidence).map((sample) => -sample.allotment))

export const isPaid = (invoice: Invoice): boolean => invoice.status === 'paid'
