import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { flashSaleStatuses, type FlashSaleStatus } from '../domain/flash-sale.ts'
import { all, type Statement } from './database.ts'
import { listFlashSales, type ListedFlashSale, type ListedPage } from './flash-sale-list.ts'
import { changeFlashSaleState, createFlashSale } from './flash-sales.ts'

let fixture: SaleFixture
const hourMs = 3_600_000
const now = (): number => fixture.clock.now()

beforeEach(async () => {
  fixture = await openSaleFixture()
})
afterEach(() => fixture.close())

const pageOf = (changes: Partial<ListedPage> = {}): ListedPage => ({
  status: undefined,
  after: undefined,
  limit: 50,
  productsMax: 20,
  now: now(),
  ...changes,
})

const list = (changes: Partial<ListedPage> = {}): Promise<readonly ListedFlashSale[]> =>
  fixture.read(listFlashSales(pageOf(changes)))
const idsOf = (sales: readonly ListedFlashSale[]): number[] => sales.map(({ id }) => id)

async function sale(startsIn = -hourMs, endsIn = hourMs): Promise<number> {
  const times = { startsAt: now() + startsIn, endsAt: now() + endsIn, now: now() }
  return (await fixture.run(createFlashSale({ name: '12.12', holdSeconds: 300, ...times }))).id
}

async function saleOf(status: FlashSaleStatus, index: number): Promise<number> {
  const later = index * 1_000
  switch (status) {
    case 'scheduled':
      return sale(hourMs, 2 * hourMs + later)
    case 'active':
      return sale(-hourMs, hourMs + later)
    case 'ended':
      return sale(-2 * hourMs, -later - 1)
    case 'paused':
    case 'cancelled': {
      const id = await sale(-hourMs, hourMs + later)
      await fixture.run(changeFlashSaleState(id, status, now()))
      return id
    }
  }
}

describe('the list of sales', () => {
  it('has what is not over, what ends first coming first, and of the same end the newest', async () => {
    const late = await sale(-hourMs, 3 * hourMs)
    const scheduled = await sale(hourMs, 2 * hourMs)
    const older = await sale()
    const newer = await sale()
    await saleOf('ended', 0)
    await saleOf('cancelled', 0)
    const paused = await saleOf('paused', 1)
    expect(idsOf(await list())).toEqual([newer, older, paused, scheduled, late])
  })

  it.each(flashSaleStatuses)('has those that are %s, page by page', async (status) => {
    const made: number[] = []
    for (let index = 0; index < 5; index += 1) {
      for (const each of flashSaleStatuses) {
        const id = await saleOf(each, index)
        if (each === status) made.push(id)
      }
    }
    const seen: number[] = []
    let after: ListedPage['after']
    for (;;) {
      const sales = await list({ status, after, limit: 2 })
      seen.push(...idsOf(sales))
      after = sales.at(-1)
      if (sales.length < 2) break
    }
    // Coming sales begin with the nearest end, past ones with the latest.
    expect(seen).toEqual(status === 'cancelled' ? made.toReversed() : made)
  })

  it('tells a sale that ends this very moment from one that ends in the next', async () => {
    const ending = await sale(-hourMs, 0)
    const running = await sale(-hourMs, 1)
    const starting = await sale(0, hourMs)
    const coming = await sale(1, hourMs)
    expect(idsOf(await list({ status: 'ended' }))).toEqual([ending])
    expect(idsOf(await list({ status: 'active' }))).toEqual([running, starting])
    expect(idsOf(await list({ status: 'scheduled' }))).toEqual([coming])
  })

  it('has the first products of each, and says whether there are more', async () => {
    const offer = await fixture.sale()
    const products = [offer.productId]
    const add = async () =>
      products.push((await fixture.product(offer.flashSaleId, { stock: 3 })).productId)
    for (let count = 1; count < 3; count += 1) await add()
    const empty = await sale()
    const shown = async () =>
      (await list({ productsMax: 3 })).map((each) => [
        each.id,
        each.products.map(({ productId }) => productId),
        each.moreProducts,
      ])
    expect(await shown()).toEqual([
      [empty, [], false],
      [offer.flashSaleId, products, false],
    ])
    await add()
    expect((await shown())[1]).toEqual([offer.flashSaleId, products.slice(0, 3), true])
  })
})

describe('the statements of the list', () => {
  /** The statements of a page, with what SQLite means to do for each. */
  async function plans(changes: Partial<ListedPage>): Promise<string[]> {
    const script = listFlashSales(pageOf(changes))
    const steps: string[] = []
    let step = script.next()
    while (step.done !== true) {
      const { text, values }: Statement = step.value
      const plan = await fixture.rows<{ detail: string }>(`explain query plan ${text}`, ...values)
      steps.push(plan.map(({ detail }) => detail).join('; '))
      step = script.next(await fixture.read(all<Record<string, unknown>>(text, ...values)))
    }
    return steps
  }

  it.each([
    [undefined, 'flash_sales_listed'],
    ['scheduled', 'flash_sales_listed'],
    ['active', 'flash_sales_listed'],
    ['paused', 'flash_sales_paused'],
    ['ended', 'flash_sales_listed'],
    ['cancelled', 'flash_sales_cancelled'],
  ] as const)(
    'find a page of status %s by the index %s, and sort nothing',
    async (status, index) => {
      for (const each of flashSaleStatuses) await saleOf(each, 0)
      const after = { endsAt: now() + hourMs, id: 1 }
      for (const changes of [{ status }, { status, after }]) {
        const [sales = '', products = ''] = await plans(changes)
        expect(sales).toContain(`USING INDEX ${index} (ends_at`)
        expect(`${sales} ${products}`).not.toMatch(/SCAN|TEMP B-TREE FOR ORDER BY(?! LAST)/)
      }
    },
  )
})
