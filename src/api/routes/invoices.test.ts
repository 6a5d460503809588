import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectProblem } from '../../../test/support/expect-problem.ts'
import { expectAuditClean, readStock } from '../../../test/support/expectations.ts'
import {
  createSale,
  createShopper,
  type TestSale,
  type TestShopper,
} from '../../../test/support/sale.ts'
import { checkOut, hold, invoiced, invoiceIdOf, pay } from '../../../test/support/shopping.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'

let app: TestApp
let sale: TestSale

beforeAll(async () => {
  app = await startApp()
  sale = await createSale(app.call, { stock: 1_000 })
})
afterAll(async () => {
  await expectAuditClean(app.call)
  await app.stop()
})

interface Page {
  readonly items: readonly { readonly id: string; readonly status: string }[]
  readonly nextCursor: string | null
}

/** Reads all pages of a list, from the first to the last. */
async function readAll(path: string, token: string): Promise<readonly Page[]> {
  const pages: Page[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const next: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { status, text, body } = await app.call('GET', `${path}${next}`, { token })
    if (status !== 200) throw new Error(text)
    const page = body as unknown as Page
    pages.push(page)
    cursor = page.nextCursor
  }
  return pages
}

const idsOf = (pages: readonly Page[]): string[] =>
  pages.flatMap(({ items }) => items.map(({ id }) => id))

/** Makes `count` invoices of one shopper and returns their ids in that order. */
async function invoices(shopper: TestShopper, count: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) {
    await hold(app.call, sale, shopper)
    ids.push(invoiceIdOf(await checkOut(app.call, shopper)))
  }
  return ids
}

const cancel = ({ token }: TestShopper, invoiceId: string) =>
  app.call('POST', `/v1/invoices/${invoiceId}/cancel`, { token })

describe('a shopper’s invoices', () => {
  it('are listed newest first, page by page', async () => {
    const shopper = await createShopper(app.call)
    const ids = await invoices(shopper, 5)
    const pages = await readAll('/v1/invoices?limit=2', shopper.token)
    expect(pages.map(({ items }) => items.length)).toEqual([2, 2, 1])
    expect(idsOf(pages)).toEqual([...ids].reverse())
  })

  it('are none at first', async () => {
    const { token } = await createShopper(app.call)
    const { body } = await app.call('GET', '/v1/invoices', { token })
    expect(body).toEqual({ items: [], nextCursor: null })
  })

  it('are shown one by one as in the list', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    const { token } = shopper
    const shown = await app.call('GET', `/v1/invoices/${invoiceId}`, { token })
    const { body } = await app.call('GET', '/v1/invoices', { token })
    expect((body as unknown as Page).items).toEqual([shown.body])
  })

  it.each(['limit=0', 'limit=201', 'limit=-1', 'limit=1.5', 'limit=1e1', 'limit=0x10', 'limit='])(
    'are not listed with %s',
    async (query) => {
      const { token } = await createShopper(app.call)
      expectProblem(
        await app.call('GET', `/v1/invoices?${query}`, { token }),
        400,
        'validation_failed',
      )
    },
  )

  it.each([
    'cursor=',
    'cursor=~',
    'cursor=zzz',
    'cursor=1',
    'cursor=%00',
    'cursor=a&cursor=b',
    'limit=5&limit=6',
    'limit=%205',
    'offset=5',
    'status=paid',
    '__proto__=1',
    'constructor=1',
  ])('are not listed with %s', async (query) => {
    const { token } = await createShopper(app.call)
    expectProblem(
      await app.call('GET', `/v1/invoices?${query}`, { token }),
      400,
      'validation_failed',
    )
  })
})

describe('cancelling an invoice', () => {
  it('gives its units back at once and says so every time', async () => {
    const before = await readStock(app.call, sale.productId)
    const { shopper, invoiceId } = await invoiced(app.call, sale, 3)
    const first = await cancel(shopper, invoiceId)
    expect(first.status).toBe(200)
    expect(first.body).toMatchObject({ invoice: { id: invoiceId, status: 'cancelled' } })
    const again = await cancel(shopper, invoiceId)
    expect([again.status, again.text]).toEqual([200, first.text])
    expect(await readStock(app.call, sale.productId)).toEqual(before)
    expectProblem(await pay(app.call, shopper, invoiceId), 409, 'invoice_cancelled')
  })

  it('is too late when it is paid', async () => {
    const { shopper, invoiceId } = await invoiced(app.call, sale)
    await pay(app.call, shopper, invoiceId)
    expectProblem(await cancel(shopper, invoiceId), 409, 'invoice_paid')
  })

  it('racing a payment ends in one or the other', async () => {
    const races = await Promise.all(Array.from({ length: 10 }, () => invoiced(app.call, sale)))
    for (const [index, { shopper, invoiceId }] of races.entries()) {
      const both = [() => cancel(shopper, invoiceId), () => pay(app.call, shopper, invoiceId)]
      const order = index % 2 === 0 ? both : both.reverse()
      const answers = await Promise.all(order.map((send) => send()))
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    }
  })
})

describe('invoices as the operator sees them', () => {
  const list = '/v1/admin/invoices'
  const token = testAdminToken

  it('are those with the product, oldest first, page by page, of one status if asked', async () => {
    const mine = await createSale(app.call)
    const made: string[] = []
    const shoppers: TestShopper[] = []
    while (made.length < 7) {
      const { shopper, invoiceId } = await invoiced(app.call, mine)
      made.push(invoiceId)
      shoppers.push(shopper)
    }
    const paid = [1, 4, 5]
    for (const index of paid) await pay(app.call, shoppers[index]!, made[index]!)
    await cancel(shoppers[6]!, made[6]!)

    const all = await readAll(`${list}?productId=${mine.productId}&limit=3`, token)
    expect(all.map(({ items }) => items.length)).toEqual([3, 3, 1])
    expect(idsOf(all)).toEqual(made)
    const some = await readAll(`${list}?productId=${mine.productId}&status=paid&limit=1`, token)
    expect(idsOf(some)).toEqual(paid.map((index) => made[index]))
    const cancelled = await readAll(`${list}?status=cancelled&productId=${mine.productId}`, token)
    expect(idsOf(cancelled)).toEqual([made[6]])
    const expired = await readAll(`${list}?status=expired&productId=${mine.productId}`, token)
    expect(idsOf(expired)).toEqual([])
  })

  it('are all of them without a product, and none for a product nobody has', async () => {
    const all = await readAll(`${list}?limit=200`, token)
    expect(new Set(idsOf(all)).size).toBe(idsOf(all).length)
    expect(idsOf(await readAll(`${list}?productId=999999`, token))).toEqual([])
  })

  it.each([
    'productId=0',
    'productId=-1',
    'productId=x',
    'productId=1e0',
    'productId=9007199254740993',
    'status=lost',
    'status=',
    'cursor=zzz',
    'limit=1000',
    'userId=1',
  ])('are not listed with %s', async (query) => {
    const answer = await app.call('GET', `${list}?${query}`, { token })
    expectProblem(answer, 400, 'validation_failed')
  })
})
