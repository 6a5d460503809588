import type { Audit, Invoice } from './contract.ts'
import type { Evidence } from './evidence.ts'
import type { KeyedAnswer, StockSample } from './history.ts'
import {
  deadlines,
  livesOf,
  peakUnits,
  sweepGraceMs,
  unitsStillHeld,
  type Life,
} from './hold-times.ts'

/**
 * Evidence in, findings out; nothing here asks anybody anything. On somebody's running shop other
 * people buy as well, so our history is always compared as a part of the whole.
 */

export interface Finding {
  readonly id: string
  readonly title: string
  /** 0: the invariant holds. */
  readonly violations: number
  /** What was counted, for people. */
  readonly measured: string
  readonly examples: readonly string[]
}

type Judgement = Omit<Finding, 'id' | 'title'>

/** In the order they are printed; the server's own audit follows. */
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

const examplesMax = 3

function judged(violations: readonly string[], measured: string): Judgement {
  return { violations: violations.length, measured, examples: violations.slice(0, examplesMax) }
}

const unknown = (what: string): Judgement => judged([`${what} gave no answer`], 'not known')

/** Infinity of nothing. Spreading a long run's reads into Math.min would exhaust the stack. */
const least = (numbers: readonly number[]): number =>
  numbers.reduce((lowest, number) => Math.min(lowest, number), Infinity)

const allReads = ({ start, history, answers }: Evidence): StockSample[] =>
  [start, ...history.stock, answers.stockBefore, answers.stockAfter].filter(
    (sample) => sample !== null,
  )

const counters = ({ allotment, available, held, sold }: StockSample): string =>
  `allotment ${allotment}, available ${available}, held ${held}, sold ${sold}`

function neverNegative(evidence: Evidence): Judgement {
  const reads = allReads(evidence)
  const bad = reads.filter(
    ({ available, held, sold }) => !(available >= 0 && held >= 0 && sold >= 0),
  )
  const lowest = least(reads.flatMap(({ available, held, sold }) => [available, held, sold]))
  return judged(bad.map(counters), `lowest ${lowest} in ${reads.length} reads`)
}

function sumIsAllotment(evidence: Evidence): Judgement {
  const reads = allReads(evidence)
  const bad = reads.filter(
    ({ allotment, available, held, sold }) => available + held + sold !== allotment,
  )
  return judged(bad.map(counters), `${bad.length} of ${reads.length} reads differ`)
}

const isPaid = (invoice: Invoice): boolean => invoice.status === 'paid'

function paidUnits(evidence: Evidence, invoices: readonly Invoice[]): number {
  return invoices
    .filter(isPaid)
    .flatMap((invoice) => invoice.lines)
    .filter((line) => line.productId === evidence.productId)
    .reduce((sum, line) => sum + line.quantity, 0)
}

/** API B lies between two reads of API A: equal when nobody buys meanwhile, else in between. */
function soldIsPaid(evidence: Evidence): Judgement {
  const { stockBefore, stockAfter, invoices } = evidence.answers
  if (stockBefore === null || stockAfter === null) return unknown('API A')
  if (invoices === null) return unknown('API B')
  const paid = paidUnits(evidence, invoices)
  const sold =
    stockBefore.sold === stockAfter.sold
      ? `${stockBefore.sold}`
      : `${stockBefore.sold} to ${stockAfter.sold}`
  const holds = stockBefore.sold <= paid && paid <= stockAfter.sold
  const measured = `sold ${sold}, paid ${paid}`
  return judged(holds ? [] : [measured], measured)
}

function paidWithinAllotment(evidence: Evidence): Judgement {
  const { invoices } = evidence.answers
  if (invoices === null) return unknown('API B')
  const allotment = allotmentOf(evidence)
  const paid = paidUnits(evidence, invoices)
  const measured = `${paid} of ${allotment}`
  return judged(paid > allotment ? [`paid ${measured}`] : [], measured)
}

/** An operator may change it during a run; the largest one seen accuses nobody wrongly. */
const allotmentOf = (evidence: Evidence): number =>
  -least(allReads(evidence).map((sample) => -sample.allotment))

function toldPaidIsPaid(evidence: Evidence): Judgement {
  const { invoices } = evidence.answers
  if (invoices === null) return unknown('API B')
  const paid = new Set(invoices.filter(isPaid).map((invoice) => invoice.id))
  const told = new Set(evidence.history.payments.map((payment) => payment.invoiceId))
  const missing = [...told].filter((id) => !paid.has(id))
  return judged(
    missing.map((id) => `invoice ${id} was told paid, API B does not have it so`),
    `${told.size} told paid, ${missing.length} missing`,
  )
}

function paidIsTold(evidence: Evidence): Judgement {
  const { invoices } = evidence.answers
  if (invoices === null) return unknown('API B')
  const told = new Set(evidence.history.payments.map((payment) => payment.invoiceId))
  const ours = invoices.filter((invoice) => isPaid(invoice) && evidence.userIds.has(invoice.userId))
  const untold = ours.filter((invoice) => !told.has(invoice.id))
  return judged(
    untold.map((invoice) => `invoice ${invoice.id} of user ${invoice.userId} is paid, untold`),
    `${ours.length} paid, ${untold.length} untold`,
  )
}

function chargedOnce({ history }: Evidence): Judgement {
  const payments = new Map<string, Set<string>>()
  for (const { invoiceId, paymentId } of history.payments) {
    const seen = payments.get(invoiceId) ?? new Set()
    if (paymentId !== null) seen.add(paymentId)
    payments.set(invoiceId, seen)
  }
  const twice = [...payments].filter(([, seen]) => seen.size > 1)
  return judged(
    twice.map(([id, seen]) => `invoice ${id} was charged by ${[...seen].join(' and ')}`),
    `${payments.size} invoices, ${twice.length} charged more often`,
  )
}

function aliveWithinAllotment(evidence: Evidence): Judgement {
  const peak = peakUnits(livesOf(evidence.history, evidence.clock))
  const measured = `peak ${peak} of ${allotmentOf(evidence)}`
  return judged(peak > allotmentOf(evidence) ? [measured] : [], measured)
}

/** What was sold before we came can never be ours, because no sale is ever undone. */
function aliveWithinLeftOver(evidence: Evidence): Judgement {
  const leftOver = allotmentOf(evidence) - evidence.start.sold
  const peak = peakUnits(livesOf(evidence.history, evidence.clock))
  const measured = `peak ${peak} of ${leftOver} left over`
  return judged(peak > leftOver ? [measured] : [], measured)
}

/** A reader may be served from a copy this old. */
const staleReadMsMax = 1_000

function stockCountsHolds(evidence: Evidence): Judgement {
  const lives = livesOf(evidence.history, evidence.clock)
  const reads = allReads(evidence)
  const short = reads.flatMap((sample) => {
    const ours = unitsThroughout(lives, sample)
    const counted = sample.held + sample.sold - evidence.start.sold
    return ours > counted ? [`bots had ${ours} units, API A counted ${counted}`] : []
  })
  return judged(short, `${short.length} of ${reads.length} reads too low`)
}

function unitsThroughout(lives: readonly Life[], { sentAt, answeredAt }: StockSample): number {
  return lives
    .filter((life) => life.from <= sentAt - staleReadMsMax && answeredAt <= life.until)
    .reduce((sum, life) => sum + life.hold.quantity, 0)
}

function reservationsAreDistinct({ history }: Evidence): Judgement {
  const owners = new Map<string, number>()
  const shared: string[] = []
  for (const { reservationId, bot } of history.holds) {
    const owner = owners.get(reservationId) ?? bot
    if (owner !== bot) shared.push(`${reservationId} was told to bots ${owner} and ${bot}`)
    owners.set(reservationId, owner)
  }
  return judged(shared, `${owners.size} reservations`)
}

function holdsLast({ history, clock }: Evidence): Judgement {
  const early = history.losses.flatMap(({ reservationId, code, answeredAt }) => {
    const deadline = deadlines(history, reservationId).earliest - clock.offsetMs
    const leftMs = deadline - clock.errorMs - answeredAt
    return leftMs > 0
      ? [`${reservationId} was gone (${code}) ${(leftMs / 1000).toFixed(1)} s too early`]
      : []
  })
  return judged(
    early,
    `${early.length} lost early, ${history.losses.length - early.length} in time`,
  )
}

/** A hold whose time had not come when the run ended is not held against the shop. */
function holdsEnd({ history, clock }: Evidence): Judgement {
  const overdue = history.overstays.filter(({ reservationId, askedAt }) => {
    const deadline = deadlines(history, reservationId).latest - clock.offsetMs
    return askedAt > deadline + clock.errorMs + sweepGraceMs
  })
  return judged(
    overdue.map(
      (hold) => `${hold.reservationId} outlived its deadline by ${sweepGraceMs / 1000} s`,
    ),
    `${history.endings.length} ended, ${overdue.length} overdue`,
  )
}

/** Units that stay held though nobody has them any more would never be sold. */
function nothingLeaks({ buyers, history, answers }: Evidence): Judgement {
  if (answers.stockAfter === null) return unknown('API A')
  const { held } = answers.stockAfter
  if (buyers === 'others too') return judged([], `${held} held, perhaps by others`)
  const measured = `${held} held, ${unitsStillHeld(history)} by bots`
  return judged(held > unitsStillHeld(history) ? [measured] : [], measured)
}

function sameKeySameAnswer(evidence: Evidence): Judgement {
  const byScope = new Map<string, KeyedAnswer[]>()
  for (const answer of evidence.history.keyedAnswers) {
    byScope.set(answer.scope, [...(byScope.get(answer.scope) ?? []), answer])
  }
  const repeated = [...byScope.values()].filter((answers) => answers.length > 1)
  const returnsAt = firstReturn(evidence)
  const different = repeated.flatMap((answers) => firstDisagreement(answers, returnsAt) ?? [])
  return judged(different, `${repeated.length} repeated keys, ${different.length} differ`)
}

function firstDisagreement(answers: readonly KeyedAnswer[], returnsAt: number): string | null {
  for (const [index, answer] of answers.entries()) {
    const other = answers.slice(index + 1).find((later) => !agree(answer, later, returnsAt))
    if (other !== undefined) return `${answer.scope}: ${said(answer)}, then ${said(other)}`
  }
  return null
}

const said = (answer: KeyedAnswer): string =>
  `${answer.verbatim?.slice(0, 3) ?? answer.outcome} ${answer.identity}`

function agree(one: KeyedAnswer, other: KeyedAnswer, returnsAt: number): boolean {
  if (one.outcome !== other.outcome) return isNewTry(one, other, returnsAt)
  if (one.step === 'add to cart' && one.outcome === 'refused') return true
  if (one.identity !== other.identity) return false
  return one.verbatim === null || other.verbatim === null || one.verbatim === other.verbatim
}

/** A refused add-to-cart is not remembered: with the same key it may succeed once stock is back. */
function isNewTry(one: KeyedAnswer, other: KeyedAnswer, returnsAt: number): boolean {
  if (one.step !== 'add to cart') return false
  const [refused, accepted] = one.outcome === 'refused' ? [one, other] : [other, one]
  const refusedFirst = refused.sentAt <= accepted.answeredAt
  return refusedFirst && accepted.answeredAt >= returnsAt
}

/** When stock may have come back for the first time: a release, a deadline, or seen in API A. */
function firstReturn({ history, clock }: Evidence): number {
  const released = history.releases.map((release) => release.sentAt)
  const deadline = history.holds.map((hold) => hold.expiresAt - clock.offsetMs - clock.errorMs)
  const seen = history.stock
    .filter((sample, index) => sample.available > (history.stock[index - 1]?.available ?? Infinity))
    .map((sample) => sample.sentAt - staleReadMsMax)
  return least([...released, ...deadline, ...seen])
}

function noFaults({ history }: Evidence): Judgement {
  const faults = history.exchanges.filter(
    ({ status, retryAfter }) =>
      status !== 'lost' && status >= 500 && !(status === 503 && retryAfter === 'said'),
  )
  return judged(
    faults.map((exchange) => `${exchange.step}: ${exchange.status} ${exchange.code ?? ''}`.trim()),
    `${faults.length} of ${history.exchanges.length} answers`,
  )
}

function noUnexpected({ history }: Evidence): Judgement {
  return judged(
    history.unexpected.map((unexpected) => `${unexpected.step}: ${unexpected.what}`),
    `${history.unexpected.length} of ${history.exchanges.length} answers`,
  )
}

/** Who asked and was never told; a bot that never even asked counts as well. */
function everybodyAnswered({ bots, history }: Evidence): Judgement {
  const raced = new Set(history.tries.filter((one) => one.phase === 'race').map((one) => one.bot))
  const silent = Array.from({ length: bots }, (_, bot) => bot).filter((bot) => !raced.has(bot))
  const without = new Set([...silent, ...history.unanswered.map((one) => one.bot)])
  const reasons = history.unanswered.map((one) => `bot ${one.bot}, ${one.step}: ${one.why}`)
  return {
    violations: without.size,
    measured: `${without.size} of ${bots} bots`,
    examples: [...reasons, ...silent.map((bot) => `bot ${bot} never got into the race`)].slice(
      0,
      examplesMax,
    ),
  }
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
  const measured = `${rows.length} invariants`
  const summary = judged(audit.holds && rows.length > 0 ? [] : [measured], measured)
  return [{ id: 'audit', title, ...summary }, ...rows]
}
