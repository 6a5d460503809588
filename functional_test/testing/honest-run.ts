import type { Audit, Invoice } from '../contract.ts'
import type { Evidence } from '../evidence.ts'
import {
  emptyHistory,
  type CartLook,
  type Hold,
  type KeyedAnswer,
  type StockSample,
} from '../history.ts'
import { judge } from '../invariants.ts'

/**
 * A small honest run, by the second: four bots, three units. Bot 0 buys one unit (t=1 to 3), bot 1
 * holds one and releases it (t=1 to 4), bot 2 is refused, then holds one and abandons it (t=5, due
 * at 15, seen to end at 16); bot 3 is refused for good. Each test breaks one thing in it.
 */
export const t = (seconds: number): number => 1_000_000 + seconds * 1000

export const stock = (at: number, available: number, held: number, sold: number): StockSample => ({
  productId: 11,
  allotment: 3,
  available,
  held,
  sold,
  sentAt: t(at),
  answeredAt: t(at) + 5,
})

export const hold = (bot: number, at: number, changed: Partial<Hold> = {}): Hold => ({
  bot,
  reservationId: `r${bot}`,
  quantity: 1,
  toldAt: t(at),
  expiresAt: t(at + 10),
  ...changed,
})

export const cart = (bot: number, at: number, ...reservationIds: readonly string[]): CartLook => ({
  bot,
  sentAt: t(at),
  answeredAt: t(at) + 5,
  items: reservationIds.map((reservationId) => ({ reservationId, quantity: 1 })),
})

export const keyed = (
  scope: string,
  at: number,
  changed: Partial<KeyedAnswer> = {},
): KeyedAnswer => ({
  step: 'add to cart',
  scope,
  sentAt: t(at),
  answeredAt: t(at) + 5,
  outcome: 'accepted',
  identity: 'reservation r0',
  verbatim: '201 {}',
  ...changed,
})

export const refusal = { outcome: 'refused', identity: 'sold_out', verbatim: null } as const

export const paidInvoice: Invoice = {
  id: 'i0',
  userId: 100,
  status: 'paid',
  lines: [{ reservationId: 'r0', productId: 11, quantity: 1 }],
  dueAt: t(12),
}

export const cleanAudit: Audit = {
  holds: true,
  invariants: [{ id: 'I1', title: 'never negative', violations: 0 }],
  unchecked: [],
}

export function honestRun(): Evidence {
  const history = emptyHistory()
  const race = { phase: 'race', quantity: 1, startedAt: t(0), settledAt: t(1) } as const
  history.tries.push(
    { ...race, bot: 0, outcome: 'held', code: null },
    { ...race, bot: 1, outcome: 'held', code: null },
    { ...race, bot: 2, outcome: 'refused', code: 'sold_out' },
    { ...race, bot: 3, outcome: 'refused', code: 'sold_out' },
    { ...race, bot: 2, startedAt: t(4.5), settledAt: t(5), outcome: 'held', code: null },
  )
  history.holds.push(hold(0, 1), hold(1, 1), hold(2, 5))
  history.invoices.push({
    bot: 0,
    invoiceId: 'i0',
    reservationIds: ['r0'],
    dueAt: t(12),
    askedAt: t(2),
  })
  history.carts.push(cart(0, 1.5, 'r0'), cart(1, 1.5, 'r1'), cart(3, 1.5), cart(2, 6, 'r2'))
  history.carts.push(cart(0, 40), cart(1, 40), cart(2, 40), cart(3, 40))
  history.payments.push({ bot: 0, invoiceId: 'i0', paymentId: 'p0' })
  history.releases.push({ reservationId: 'r1', sentAt: t(4), answeredAt: t(4.2) })
  history.endings.push({ reservationId: 'r2', seenAt: t(16) })
  history.keyedAnswers.push(keyed('bot 0', 0), keyed('bot 0', 0), keyed('bot 1', 0))
  history.stock.push(stock(2, 1, 2, 0), stock(3.5, 1, 1, 1), stock(10, 1, 1, 1))
  return {
    bots: 4,
    botOf: new Map([
      [100, 0],
      [101, 1],
      [102, 2],
      [103, 3],
    ]),
    productId: 11,
    buyers: 'others too',
    start: stock(0, 3, 0, 0),
    history,
    clock: { offsetMs: 0, errorMs: 50 },
    answers: {
      stockBefore: stock(41, 2, 0, 1),
      stockAfter: stock(42, 2, 0, 1),
      invoices: [paidInvoice],
      audit: cleanAudit,
    },
  }
}

export const answering = (evidence: Evidence, changed: Partial<Evidence['answers']>): Evidence => ({
  ...evidence,
  answers: { ...evidence.answers, ...changed },
})

export const violated = (evidence: Evidence): string[] =>
  judge(evidence)
    .filter((finding) => finding.violations > 0)
    .map((finding) => finding.title)

/** Breaks one thing in an honest run and returns the findings. */
export function findingsAfter(
  spoil: (history: Evidence['history'], evidence: Evidence) => unknown,
): string[] {
  const evidence = honestRun()
  spoil(evidence.history, evidence)
  return violated(evidence)
}
