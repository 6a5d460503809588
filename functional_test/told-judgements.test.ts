import { describe, expect, test } from 'vitest'
import type { Invoice } from './contract.ts'
import type { Evidence } from './evidence.ts'
import type { StockSample } from './history.ts'
import {
  answering,
  cart,
  honestRun,
  paidInvoice,
  findingsAfter,
  stock,
  t,
  violated,
} from './testing/honest-run.ts'

describe('the database', () => {
  const isThere = 'every hold told is in its cart or invoice'
  const isTold = 'no cart or invoice has a hold its bot was not told of'
  const hasNothing = 'a bot told refused has nothing in cart or invoice'

  test('must have a hold in the cart of the bot that was told of it', () => {
    expect(findingsAfter((history) => history.carts.push(cart(1, 2)))).toEqual([isThere])
  })

  test('must have it with the quantity that was told', () => {
    const items = [{ reservationId: 'r1', quantity: 2 }]
    expect(findingsAfter((history) => history.carts.push({ ...cart(1, 2), items }))).toEqual([
      isThere,
      isTold,
    ])
  })

  test('need not have in the cart what was checked out, given back or is over', () => {
    expect(
      findingsAfter((history) =>
        history.carts.push(cart(0, 3), cart(1, 5), cart(2, 15), cart(2, 17)),
      ),
    ).toEqual([])
  })

  test('must have the invoice that was told, with the hold on it', () => {
    expect(
      violated(answering(honestRun(), { invoices: [{ ...paidInvoice, lines: [] }] })),
    ).toContain(isThere)
    expect(
      violated(answering(honestRun(), { invoices: [{ ...paidInvoice, userId: 101 }] })),
    ).toContain(isThere)
  })

  test('must not have a second hold of a bot that was told of one', () => {
    expect(findingsAfter((history) => history.carts.push(cart(1, 30, 'r7')))).toEqual([isTold])
  })

  test('must not have anything of a bot that was told no, in its cart', () => {
    expect(findingsAfter((history) => history.carts.push(cart(3, 30, 'r7')))).toEqual([hasNothing])
  })

  test('must not have anything of a bot that was told no, on an invoice', () => {
    const lines = [{ reservationId: 'r7', productId: 11, quantity: 1 }]
    const other: Invoice = { id: 'i7', userId: 103, status: 'expired', lines, dueAt: t(12) }
    expect(violated(answering(honestRun(), { invoices: [paidInvoice, other] }))).toEqual([
      hasNothing,
    ])
  })

  test('must be seen: a refused bot whose cart was never shown proves nothing', () => {
    expect(
      findingsAfter((history) => {
        const seen = history.carts.filter((look) => look.bot !== 3)
        history.carts.splice(0, Infinity, ...seen)
      }),
    ).toEqual([hasNothing])
  })

  test('may have what a bot without an answer does not know of', () => {
    expect(
      findingsAfter((history) => {
        history.carts.push(cart(3, 30, 'r7'))
        history.unanswered.push({ bot: 3, step: 'add to cart', why: 'no final answer in time' })
      }),
    ).toEqual(['no bot is left without an answer'])
  })
})

describe('when only bots buy, API A', () => {
  const countsNoMore = 'API A counts no hold that nobody was told of'
  const counting = (...samples: readonly StockSample[]): string[] => {
    const evidence: Evidence = { ...honestRun(), buyers: 'bots only' }
    evidence.history.stock.push(...samples)
    return violated(evidence)
  }

  test('must not count a unit that no bot can have', () => {
    expect(counting(stock(3, 0, 3, 0))).toEqual([countsNoMore])
  })

  test('may count one whose holder is still waiting to be told', () => {
    expect(counting(stock(4.8, 1, 1, 1))).toEqual([])
  })

  test('may count one that the sweep has not reached yet, but not for ever', () => {
    expect(counting(stock(20, 1, 1, 1))).toEqual([])
    expect(counting(stock(30, 1, 1, 1))).toEqual([countsNoMore])
  })

  test('may count one for which the answer was lost', () => {
    const evidence: Evidence = { ...honestRun(), buyers: 'bots only' }
    evidence.history.stock.push(stock(3, 0, 3, 0))
    evidence.history.tries.push({
      bot: 3,
      phase: 'race',
      quantity: 1,
      startedAt: t(0),
      settledAt: t(1),
      outcome: 'unanswered',
      code: null,
    })
    expect(violated(evidence)).toEqual([])
  })
})
