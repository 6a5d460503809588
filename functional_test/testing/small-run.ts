import type { Evidence } from '../evidence.ts'
import { emptyHistory, type Exchange, type Try } from '../history.ts'
import type { Finding } from '../judgement.ts'
import { summarize, type Summary } from '../summary.ts'

/**
 * A run of two bots and one unit, in ms: bot 0 asks at 0 and is told held at 10; bot 1 asks at 5
 * and is refused at 20, comes back at 1500 and is told held at 1510.
 */
const zero = 1_000_000

export function summaryOfASmallRun(findings: readonly Finding[] = []): Summary {
  const history = emptyHistory()
  history.exchanges.push(
    exchange(0, { at: 0, forMs: 10, status: 201, code: null }),
    exchange(1, { at: 5, forMs: 15, status: 409, code: 'sold_out' }),
    exchange(1, { at: 1500, forMs: 10, status: 201, code: null }),
  )
  history.tries.push(
    tryOf(0, { phase: 'race', at: 0, forMs: 10, code: null }),
    tryOf(1, { phase: 'race', at: 5, forMs: 15, code: 'sold_out' }),
    tryOf(1, { phase: 'return', at: 1500, forMs: 10, code: null }),
  )
  history.holds.push(holdOf(0, 10), holdOf(1, 1510))
  history.keyedAnswers.push({
    step: 'add to cart',
    scope: 'user 1',
    sentAt: zero + 5,
    answeredAt: zero + 20,
    outcome: 'refused',
    identity: 'sold_out',
    verbatim: null,
  })
  history.stock.push(stockAt(0, 1), stockAt(30, 0))
  return summarize({
    evidence: evidenceOf(history),
    findings,
    moments: { arrivalAt: zero - 500, raceAt: zero, raceSettledAt: zero + 20, endAt: zero + 2_000 },
    memory: [
      { process: 'bots', megabytes: 120, source: 'kernel' },
      { process: 'host', megabytes: 250, source: 'sampled from /metrics' },
    ],
    about: {
      startedAt: '2026-12-12T00:00:00.000Z',
      seed: 7,
      shop: 'a small shop',
      machine: '2 cores',
    },
  })
}

interface Timed {
  readonly at: number
  readonly forMs: number
  readonly code: string | null
}

const exchange = (
  bot: number,
  { at, forMs, code, status }: Timed & { readonly status: number },
): Exchange => ({
  step: 'add to cart',
  bot,
  status,
  code,
  retryAfter: 'missing',
  sentAt: zero + at,
  answeredAt: zero + at + forMs,
})

const tryOf = (
  bot: number,
  { at, forMs, code, phase }: Timed & { readonly phase: Try['phase'] },
): Try => ({
  bot,
  phase,
  quantity: 1,
  code,
  outcome: code === null ? 'held' : 'refused',
  startedAt: zero + at,
  settledAt: zero + at + forMs,
})

const holdOf = (bot: number, toldAt: number) => ({
  bot,
  reservationId: `r${bot}`,
  quantity: 1,
  toldAt: zero + toldAt,
  expiresAt: zero + toldAt + 5_000,
})

const stockAt = (at: number, available: number) => ({
  productId: 11,
  allotment: 1,
  available,
  held: 1 - available,
  sold: 0,
  sentAt: zero + at,
  answeredAt: zero + at + 1,
})

function evidenceOf(history: Evidence['history']): Evidence {
  return {
    bots: 2,
    botOf: new Map(),
    productId: 11,
    buyers: 'bots only',
    history,
    start: stockAt(0, 1),
    clock: { offsetMs: 0, errorMs: 50 },
    answers: { stockBefore: null, stockAfter: null, invoices: null, audit: null },
  }
}
