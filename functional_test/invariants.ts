import {
  everybodyAnswered,
  noFaults,
  noUnexpected,
  sameKeySameAnswer,
} from './answer-judgements.ts'
import type { Audit } from './contract.ts'
import type { Evidence } from './evidence.ts'
import {
  aliveWithinAllotment,
  aliveWithinLeftOver,
  holdsEnd,
  holdsLast,
  nothingLeaks,
  reservationsAreDistinct,
  stockCountsHolds,
  stockCountsNoMore,
} from './hold-judgements.ts'
import { examplesMax, judged, unknown, type Finding, type Judgement } from './judgement.ts'
import {
  chargedOnce,
  neverNegative,
  paidIsTold,
  paidWithinAllotment,
  soldIsPaid,
  sumIsAllotment,
  toldPaidIsPaid,
} from './shop-judgements.ts'
import { nothingUntold, refusedHaveNothing, toldHeldIsThere } from './told-judgements.ts'

/**
 * This file turns evidence into findings and sends no request. In a running shop other people buy
 * as well, so the history of the bots is always compared as a part of the whole.
 */

/** The invariants in the order of the report; the server's own audit follows. */
const invariants: readonly {
  readonly title: string
  readonly judge: (evidence: Evidence) => Judgement
}[] = [
  { title: 'available, held and sold are never negative (API A)', judge: neverNegative },
  { title: 'available + held + sold = allotment (API A)', judge: sumIsAllotment },
  { title: 'sold units (API A) = units of paid invoices (API B)', judge: soldIsPaid },
  { title: 'paid units (API B) are at most the allotment', judge: paidWithinAllotment },
  { title: 'every bot told paid has a paid invoice (API B)', judge: toldPaidIsPaid },
  { title: 'every paid invoice of a bot was told to it', judge: paidIsTold },
  { title: 'one invoice is charged once', judge: chargedOnce },
  { title: 'holds alive at any moment are at most the allotment', judge: aliveWithinAllotment },
  { title: 'nobody is told held beyond what others left over', judge: aliveWithinLeftOver },
  { title: 'API A counts every hold the bots were told of', judge: stockCountsHolds },
  { title: 'API A counts no hold that nobody was told of', judge: stockCountsNoMore },
  { title: 'every hold told is in its cart or invoice', judge: toldHeldIsThere },
  { title: 'no cart or invoice has a hold its bot was not told of', judge: nothingUntold },
  { title: 'a bot told refused has nothing in cart or invoice', judge: refusedHaveNothing },
  { title: 'no reservation is told to two bots', judge: reservationsAreDistinct },
  { title: 'a hold is not lost before its time', judge: holdsLast },
  { title: 'a hold nobody pays for ends in time', judge: holdsEnd },
  { title: 'what has ended is no longer held (API A)', judge: nothingLeaks },
  { title: 'the same key gets the same answer', judge: sameKeySameAnswer },
  { title: 'no 5xx other than 503 with Retry-After', judge: noFaults },
  { title: 'every answer is one the contract allows', judge: noUnexpected },
  { title: 'no bot is left without an answer', judge: everybodyAnswered },
]

export function judge(evidence: Evidence): Finding[] {
  const ours = invariants.map((invariant, index) => ({
    id: `B${index + 1}`,
    title: invariant.title,
    ...invariant.judge(evidence),
  }))
  return [...ours, ...auditFindings(evidence.answers.audit)]
}

function auditFindings(audit: Audit | null): Finding[] {
  const title = "the server's own audit holds"
  if (audit === null) return [{ id: 'audit', title, ...unknown('GET /v1/admin/audit') }]
  const rows = audit.invariants.map((invariant) => ({
    id: `audit ${invariant.id}`,
    title: invariant.title,
    violations: invariant.violations,
    measured: `${invariant.violations} violations`,
    examples: (invariant.examples ?? [])
      .slice(0, examplesMax)
      .map((example) => JSON.stringify(example)),
  }))
  const measured = `${rows.length} invariants, ${audit.unchecked.length} not checked`
  const doubts = audit.holds && rows.length > 0 ? [] : [measured]
  const unchecked = audit.unchecked.map((what) => `not checked: ${what}`)
  return [{ id: 'audit', title, ...judged([...doubts, ...unchecked], measured) }, ...rows]
}
