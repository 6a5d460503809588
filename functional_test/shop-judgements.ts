import type { Invoice } from './contract.ts'
import type { Evidence } from './evidence.ts'
import type { StockSample } from './history.ts'
import {
  allotmentOf,
  allReads,
  isPaid,
  judged,
  least,
  unknown,
  type Judgement,
} from './judgement.ts'

/** Formats the counters of API A. The judgements below compare them with API B and the money. */

const counters = ({ allotment, available, held, sold }: StockSample): string =>
  `allotment ${allotment}, available ${available}, held ${held}, sold ${sold}`

export function neverNegative(evidence: Evidence): Judgement {
  const reads = allReads(evidence)
  const bad = reads.filter(
    ({ available, held, sold }) => !(available >= 0 && held >= 0 && sold >= 0),
  )
  const lowest = least(reads.flatMap(({ available, held, sold }) => [available, held, sold]))
  return judged(bad.map(counters), `lowest ${lowest} in ${reads.length} reads`)
}

export function sumIsAllotment(evidence: Evidence): Judgement {
  const reads = allReads(evidence)
  const bad = reads.filter(
    ({ allotment, available, held, sold }) => available + held + sold !== allotment,
  )
  return judged(bad.map(counters), `${bad.length} of ${reads.length} reads differ`)
}

function paidUnits(evidence: Evidence, invoices: readonly Invoice[]): number {
  return invoices
    .filter(isPaid)
    .flatMap((invoice) => invoice.lines)
    .filter((line) => line.productId === evidence.productId)
    .reduce((sum, line) => sum + line.quantity, 0)
}

/**
 * Judges that API A and B agree. API B is read between two reads of API A, so its number lies
 * between theirs.
 */
export function soldIsPaid(evidence: Evidence): Judgement {
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

export function paidWithinAllotment(evidence: Evidence): Judgement {
  const { invoices } = evidence.answers
  if (invoices === null) return unknown('API B')
  const allotment = allotmentOf(evidence)
  const paid = paidUnits(evidence, invoices)
  const measured = `${paid} of ${allotment}`
  return judged(paid > allotment ? [`paid ${measured}`] : [], measured)
}

export function toldPaidIsPaid(evidence: Evidence): Judgement {
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

export function paidIsTold(evidence: Evidence): Judgement {
  const { invoices } = evidence.answers
  if (invoices === null) return unknown('API B')
  const told = new Set(evidence.history.payments.map((payment) => payment.invoiceId))
  const ours = invoices.filter((invoice) => isPaid(invoice) && evidence.botOf.has(invoice.userId))
  const untold = ours.filter((invoice) => !told.has(invoice.id))
  return judged(
    untold.map((invoice) => `invoice ${invoice.id} of user ${invoice.userId} is paid, untold`),
    `${ours.length} paid, ${untold.length} untold`,
  )
}

export function chargedOnce({ history }: Evidence): Judgement {
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
