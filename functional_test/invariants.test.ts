import { describe, expect, test } from 'vitest'
import type { Audit } from './contract.ts'
import type { Evidence } from './evidence.ts'
import {
  answering,
  cleanAudit,
  hold,
  honestRun,
  keyed,
  paidInvoice,
  refusal,
  findingsAfter,
  stock,
  t,
  violated,
} from './testing/honest-run.ts'

test('an honest run violates nothing', () => {
  expect(violated(honestRun())).toEqual([])
})

describe('API A', () => {
  test('a single negative read is a violation', () => {
    expect(findingsAfter((history) => history.stock.push(stock(5, -1, 3, 1)))).toEqual([
      'available, held and sold are never negative (API A)',
    ])
  })

  test('counters that do not add up are a violation', () => {
    expect(findingsAfter((history) => history.stock.push(stock(3.6, 0, 1, 1)))).toEqual([
      'available + held + sold = allotment (API A)',
    ])
  })

  test('a hold that API A does not count is a violation', () => {
    expect(findingsAfter((history) => history.stock.push(stock(8, 2, 0, 1)))).toEqual([
      'API A counts every hold the bots were told of',
    ])
  })

  test('a unit that is uncounted only while it is being released is none', () => {
    expect(findingsAfter((history) => history.stock.push(stock(4.1, 2, 0, 1)))).toEqual([])
  })
})

describe('API B', () => {
  const soldIsPaid = 'sold units (API A) = units of paid invoices (API B)'

  test('units sold without a paid invoice are a violation', () => {
    const evidence = answering(honestRun(), {
      stockBefore: stock(41, 1, 0, 2),
      stockAfter: stock(42, 1, 0, 2),
    })
    expect(violated(evidence)).toEqual([soldIsPaid])
  })

  test('others who buy between the reads do not count as a violation', () => {
    const evidence = answering(honestRun(), { stockAfter: stock(42, 1, 0, 2) })
    expect(violated(evidence)).toEqual([])
  })

  test('other products on an invoice do not count', () => {
    const lines = [...paidInvoice.lines, { reservationId: 'r9', productId: 12, quantity: 5 }]
    expect(violated(answering(honestRun(), { invoices: [{ ...paidInvoice, lines }] }))).toEqual([])
  })

  test('more units paid than the allotment are a violation', () => {
    const lines = [{ reservationId: 'r0', productId: 11, quantity: 4 }]
    const evidence = answering(honestRun(), { invoices: [{ ...paidInvoice, lines }] })
    expect(violated(evidence)).toEqual([
      soldIsPaid,
      'paid units (API B) are at most the allotment',
      'no cart or invoice has a hold its bot was not told of',
    ])
  })

  test('a bot told paid whose invoice was cancelled is a violation', () => {
    const evidence = answering(honestRun(), {
      invoices: [{ ...paidInvoice, status: 'cancelled' }],
      stockBefore: stock(41, 2, 1, 0),
      stockAfter: stock(42, 2, 1, 0),
    })
    expect(violated(evidence)).toContain('every bot told paid has a paid invoice (API B)')
  })

  test('a paid invoice that its bot was never told of is a violation', () => {
    expect(
      findingsAfter((history) => {
        history.payments.length = 0
      }),
    ).toEqual(['every paid invoice of a bot was told to it'])
  })

  test('the paid invoice of a stranger is none', () => {
    const evidence = answering(honestRun(), {
      invoices: [paidInvoice, { ...paidInvoice, id: 'i9', userId: 9 }],
      stockBefore: stock(41, 1, 0, 2),
      stockAfter: stock(42, 1, 0, 2),
    })
    expect(violated(evidence)).toEqual([])
  })

  test('silence is a violation of everything that needs it', () => {
    expect(violated(answering(honestRun(), { invoices: null }))).toHaveLength(7)
    expect(violated(answering(honestRun(), { stockAfter: null }))).toEqual([
      soldIsPaid,
      'what has ended is no longer held (API A)',
    ])
  })
})

test('two payments for one invoice are a violation', () => {
  expect(
    findingsAfter((history) => history.payments.push({ bot: 0, invoiceId: 'i0', paymentId: 'p1' })),
  ).toEqual(['one invoice is charged once'])
})

describe('holds', () => {
  test('more alive at one moment than the allotment are a violation', () => {
    const found = findingsAfter((history) => {
      history.holds.push(hold(3, 2, { quantity: 2 }))
      history.endings.push({ reservationId: 'r3', seenAt: t(13) })
    })
    expect(found).toContain('holds alive at any moment are at most the allotment')
    expect(found).toContain('nobody is told held beyond what others left over')
  })

  test('one that begins when another has ended is none', () => {
    expect(
      findingsAfter((history) => {
        history.holds.push(hold(3, 16, { quantity: 2 }))
      }),
    ).toEqual([])
  })

  test('what strangers bought before is not left over', () => {
    const evidence: Evidence = {
      ...answering(honestRun(), {
        invoices: [
          paidInvoice,
          {
            ...paidInvoice,
            id: 'i9',
            userId: 9,
            lines: paidInvoice.lines.concat(paidInvoice.lines),
          },
        ],
        stockBefore: stock(41, 0, 0, 3),
        stockAfter: stock(42, 0, 0, 3),
      }),
      start: stock(0, 1, 0, 2),
    }
    expect(violated(evidence)).toContain('nobody is told held beyond what others left over')
    expect(violated(evidence)).not.toContain('holds alive at any moment are at most the allotment')
  })

  test('one reservation told to two bots is a violation', () => {
    expect(
      findingsAfter((history) => history.holds.push(hold(2, 5, { reservationId: 'r0' }))),
    ).toEqual(['no reservation is told to two bots'])
  })

  test('one that is gone before its time is a violation', () => {
    const loss = { reservationId: 'r2', code: 'cart_empty', sentAt: t(9), answeredAt: t(9) + 5 }
    expect(findingsAfter((history) => history.losses.push(loss))).toEqual([
      'a hold is not lost before its time',
    ])
  })

  test('one that is gone at its time is none', () => {
    const loss = { reservationId: 'r2', code: 'cart_empty', sentAt: t(15), answeredAt: t(15) + 5 }
    expect(findingsAfter((history) => history.losses.push(loss))).toEqual([])
  })

  test('an abandoned one that is still there long after its time is a violation', () => {
    expect(
      findingsAfter((history) => history.overstays.push({ reservationId: 'r2', askedAt: t(26) })),
    ).toEqual(['a hold nobody pays for ends in time'])
  })

  test('one that the sweep has not reached yet is none', () => {
    expect(
      findingsAfter((history) => history.overstays.push({ reservationId: 'r2', askedAt: t(24) })),
    ).toEqual([])
  })

  test('deadlines are read with the clock of the server', () => {
    const behind = { ...honestRun(), clock: { offsetMs: -60_000, errorMs: 50 } }
    behind.history.overstays.push({ reservationId: 'r2', askedAt: t(26) })
    expect(violated(behind)).not.toContain('a hold nobody pays for ends in time')
  })
})

describe('units that API A still counts as held at the end', () => {
  const leaking = (buyers: Evidence['buyers']): Evidence =>
    answering({ ...honestRun(), buyers }, { stockAfter: stock(42, 1, 1, 1) })

  test('are a violation when no bot has them', () => {
    expect(violated(leaking('bots only'))).toEqual([
      'API A counts no hold that nobody was told of',
      'what has ended is no longer held (API A)',
    ])
  })

  test('are none when a bot has them, or a stranger may', () => {
    const notEnded = leaking('bots only')
    notEnded.history.endings.length = 0
    expect(violated(notEnded)).toEqual([])
    expect(violated(leaking('others too'))).toEqual([])
  })
})

describe('the same key', () => {
  const title = 'the same key gets the same answer'

  test('must not give a second reservation', () => {
    const other = keyed('bot 0', 0, { identity: 'reservation r7' })
    expect(findingsAfter((history) => history.keyedAnswers.push(other))).toEqual([title])
  })

  test('must not give another body', () => {
    const other = keyed('bot 0', 0, { verbatim: '200 {}' })
    expect(findingsAfter((history) => history.keyedAnswers.push(other))).toEqual([title])
  })

  test('may be answered by way of a 202', () => {
    const other = keyed('bot 0', 0, { verbatim: null })
    expect(findingsAfter((history) => history.keyedAnswers.push(other))).toEqual([])
  })

  test('must not be refused and accepted in the same moment', () => {
    expect(
      findingsAfter((history) => history.keyedAnswers.push(keyed('bot 0', 0, refusal))),
    ).toEqual([title])
  })

  test('must not be refused after it was accepted', () => {
    expect(
      findingsAfter((history) => history.keyedAnswers.push(keyed('bot 0', 6, refusal))),
    ).toEqual([title])
  })

  test('may be accepted after a refusal once stock is back', () => {
    expect(
      findingsAfter((history) =>
        history.keyedAnswers.push(
          keyed('bot 2', 1, refusal),
          keyed('bot 2', 5, { identity: 'reservation r2' }),
        ),
      ),
    ).toEqual([])
  })

  test('must not pay with two outcomes', () => {
    const paid = { step: 'pay', identity: 'invoice i0' } as const
    const busy = { ...paid, ...refusal, identity: 'payment_in_progress' }
    expect(
      findingsAfter((history) =>
        history.keyedAnswers.push(keyed('pay', 2, paid), keyed('pay', 2, busy)),
      ),
    ).toEqual([title])
  })
})

describe('answers', () => {
  const exchange = {
    step: 'add to cart',
    bot: 0,
    sentAt: t(0),
    answeredAt: t(1),
    code: null,
    retryAfter: 'missing',
  } as const

  test.each([500, 502, 503])('a %s without Retry-After is a violation', (status) => {
    expect(findingsAfter((history) => history.exchanges.push({ ...exchange, status }))).toEqual([
      'no 5xx other than 503 with Retry-After',
    ])
  })

  test('a 503 with Retry-After is none, nor is a lost connection', () => {
    expect(
      findingsAfter((history) =>
        history.exchanges.push(
          { ...exchange, status: 503, retryAfter: 'said' },
          { ...exchange, status: 'lost' },
        ),
      ),
    ).toEqual([])
  })

  test('a 500 with Retry-After is still a violation', () => {
    expect(
      findingsAfter((history) =>
        history.exchanges.push({ ...exchange, status: 500, retryAfter: 'said' }),
      ),
    ).toEqual(['no 5xx other than 503 with Retry-After'])
  })

  test('one that the contract does not know is a violation', () => {
    expect(
      findingsAfter((history) => history.unexpected.push({ step: 'pay', what: 'answered 418' })),
    ).toEqual(['every answer is one the contract allows'])
  })

  test('a bot that waits in vain is a violation', () => {
    expect(
      findingsAfter((history) =>
        history.unanswered.push({ bot: 2, step: 'pay', why: 'no final answer in time' }),
      ),
    ).toEqual(['no bot is left without an answer'])
  })

  test('a bot that never got into the race is a violation', () => {
    expect(findingsAfter((history) => history.tries.splice(0, 1))).toEqual([
      'no bot is left without an answer',
    ])
  })
})

describe("the server's audit", () => {
  const audited = (audit: Audit | null): string[] => violated(answering(honestRun(), { audit }))

  test('is believed when it accuses itself', () => {
    const invariants = [{ id: 'I4', title: 'counters = ledger', violations: 2 }]
    expect(audited({ holds: false, invariants, unchecked: [] })).toEqual([
      "the server's own audit holds",
      'counters = ledger',
    ])
    expect(audited({ holds: true, invariants, unchecked: [] })).toEqual(['counters = ledger'])
  })

  test('must answer and must have looked at something', () => {
    expect(audited(null)).toEqual(["the server's own audit holds"])
    expect(audited({ ...cleanAudit, invariants: [] })).toEqual(["the server's own audit holds"])
  })

  test('must have looked at everything', () => {
    const unchecked = ['I12 at the provider: out of time']
    expect(audited({ ...cleanAudit, unchecked })).toEqual(["the server's own audit holds"])
  })
})
