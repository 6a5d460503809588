import type { Invoice } from './contract.ts'
import type { Evidence } from './evidence.ts'
import type { StockSample } from './history.ts'

/** What every judgement is made with. */
export interface Finding {
  readonly id: string
  readonly title: string
  /** 0: the invariant holds. */
  readonly violations: number
  /** What was counted, for people. */
  readonly measured: string
  readonly examples: readonly string[]
}

export type Judgement = Omit<Finding, 'id' | 'title'>

export const examplesMax = 3

/** A reader may be served from a copy this old. */
export const staleReadMsMax = 1_000

export function judged(violations: readonly string[], measured: string): Judgement {
  return { violations: violations.length, measured, examples: violations.slice(0, examplesMax) }
}

export const unknown = (what: string): Judgement => judged([`${what} gave no answer`], 'not known')

/** Infinity of nothing. Spreading a long run's reads into Math.min would exhaust the stack. */
export const least = (numbers: readonly number[]): number =>
  numbers.reduce((lowest, number) => Math.min(lowest, number), Infinity)

export const allReads = ({ start, history, answers }: Evidence): StockSample[] =>
  [start, ...history.stock, answers.stockBefore, answers.stockAfter].filter(
    (sample) => sample !== null,
  )

/** An operator may change it during a run; the largest one seen accuses nobody wrongly. */
export const allotmentOf = (evidence: Evidence): number =>
  -least(allReads(evidence).map((sample) => -sample.allotment))

export const isPaid = (invoice: Invoice): boolean => invoice.status === 'paid'
