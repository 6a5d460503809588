import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSaleFixture, type SaleFixture } from '../../test/support/sale-fixture.ts'
import {
  archiveCancelled,
  archiveEnded,
  archiveSales,
  restoreRunning,
  cancelledSaleIds,
  decideRouting,
  findOffers,
  readCurrentSales,
  readProductIds,
  selectCurrentSales,
} from './current-sales.ts'
import { clearCart } from './carts.ts'
import { changeFlashSaleState, createFlashSale } from './flash-sales.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
let fixture: SaleFixture

beforeEach(async () => {
  fixture = await openSaleFixture()
})

afterEach(() => fixture.close())

const now = (): number => fixture.clock.now()
const current = () => fixture.read(readCurrentSales(now() + minuteMs, now() - hourMs))
const currentIds = async (): Promise<readonly number[]> => (await current()).map(({ id }) => id)
const archive = (limit = 100) => fixture.run(archiveSales(now(), now() - hourMs, limit))
const cancel = (flashSaleId: number) =>
  fixture.run(changeFlashSaleState(flashSaleId, 'cancelled', now()))

/** Sales without products, straight into the table: the scripts would take minutes. */
function insertSales(count: number, startsIn: number): void {
  const raw = fixture.openRaw()
  const insert = raw.prepare(`
    insert into flash_sales (name, starts_at, ends_at, hold_seconds, created_at)
    values ('many', ?, ?, 300, 0)`)
  raw.transaction(() => {
    for (let made = 0; made < count; made += 1)
      insert.run(now() + startsIn, now() + startsIn + hourMs)
  })()
}

function planOf(sql: string): string {
  const raw = fixture.openRaw()
  const parameters = Array.from(sql.matchAll(/\?/g), () => 1)
  const rows = raw.prepare(`explain query plan ${sql}`).all(...parameters) as { detail: string }[]
  return rows.map(({ detail }) => detail).join('\n')
}

describe('the sales that run or start soon', () => {
  it('are those within the times asked for, paused ones too, and no cancelled ones', async () => {
    const running = await fixture.sale()
    const paused = await fixture.sale()
    await fixture.run(changeFlashSaleState(paused.flashSaleId, 'paused', now()))
    await cancel((await fixture.sale()).flashSaleId)
    const soon = await fixture.sale({ startsIn: minuteMs })
    await fixture.sale({ startsIn: minuteMs + 1 })
    insertSales(1, -2 * hourMs)
    insertSales(1, -2 * hourMs + 1)
    const expected = [soon.flashSaleId + 3, running.flashSaleId, paused.flashSaleId]
    expect(await currentIds()).toEqual([...expected, soon.flashSaleId])
  })

  it('have no ceiling', async () => {
    insertSales(1_500, 0)
    const { flashSaleId } = await fixture.sale({ startsIn: 30_000 })
    const ids = await currentIds()
    expect(ids).toHaveLength(1_501)
    expect(ids.at(-1)).toBe(flashSaleId)
  })

  it('F30: are read by an index of those, whatever is planned or past', () => {
    const plan = planOf(selectCurrentSales)
    expect(plan).toContain(
      'SEARCH flash_sales USING INDEX flash_sales_current_by_start (starts_at<?)',
    )
    expect(plan).not.toContain('SCAN')
    expect(plan).not.toContain('TEMP B-TREE FOR ORDER BY')
  })

  it('F30: are few among 10,000 planned and 10,000 past once these are archived', async () => {
    insertSales(10_000, 24 * hourMs)
    insertSales(10_000, -24 * hourMs)
    const { flashSaleId } = await fixture.sale()
    let rounds = 0
    while ((await archive(1_000)) > 0) rounds += 1
    expect(rounds).toBe(10)
    expect(await currentIds()).toEqual([flashSaleId])
    const [left] = await fixture.rows<{ count: number }>(
      `select count(*) as count from flash_sales where archived_at is null and starts_at <= ?`,
      now() + minuteMs,
    )
    expect(left?.count).toBe(1)
  })

  it('count every product that comes or goes', async () => {
    const { flashSaleId, productId } = await fixture.sale()
    const revision = async () => (await current())[0]?.productsRevision
    const before = (await revision()) ?? 0
    await fixture.product(flashSaleId)
    expect(await revision()).toBe(before + 1)
    fixture.openRaw().prepare(`delete from flash_sale_details where product_id = ?`).run(productId)
    expect(await revision()).toBe(before + 2)
  })

  it('are given with the products of each, however many sales are asked for', async () => {
    const first = await fixture.sale()
    const second = await fixture.product(first.flashSaleId)
    insertSales(1_100, 0)
    const last = await fixture.sale()
    const products = await fixture.read(readProductIds(await currentIds()))
    expect(products.size).toBe(1_102)
    expect(products.get(first.flashSaleId)).toEqual([first.productId, second.productId])
    expect(products.get(last.flashSaleId)).toEqual([last.productId])
  })
})

describe('the routing of a sale', () => {
  async function saleOf(products: number): Promise<number> {
    const { flashSaleId } = await fixture.sale()
    for (let made = 1; made < products; made += 1) await fixture.product(flashSaleId)
    return flashSaleId
  }

  const queueOf = async (id: number) => {
    const sale = (await current()).find((each) => each.id === id)
    return sale && [sale.routing, sale.topicKey]
  }

  it.each([
    [1, 'channel-per-product'],
    [4, 'channel-per-product'],
    [5, 'topic-per-product'],
  ])('of %i products is %s when nobody says otherwise', async (products, routing) => {
    const id = await saleOf(products)
    expect(await queueOf(id)).toEqual([null, null])
    await fixture.run(decideRouting(id, 'auto', 'k3x9q'))
    expect(await queueOf(id)).toEqual([routing, 'k3x9q'])
  })

  it('is what the first node says, and stays when the fifth product comes', async () => {
    const id = await saleOf(4)
    await fixture.run(decideRouting(id, 'channel-per-product', 'first'))
    await fixture.product(id)
    await fixture.run(decideRouting(id, 'topic-per-product', 'other'))
    await fixture.run(decideRouting(id, 'auto', 'other'))
    expect(await queueOf(id)).toEqual(['channel-per-product', 'first'])
  })

  it('cannot be changed or half written, whoever writes', async () => {
    const id = await saleOf(1)
    const raw = fixture.openRaw()
    const half = `update flash_sales set routing = 'topic-per-product' where id = ${id}`
    expect(() => raw.exec(half)).toThrow('CHECK')
    await fixture.run(decideRouting(id, 'auto', 'k3x9q'))
    expect(() => raw.exec(half)).toThrow('the routing of a sale stays')
    const otherKey = `update flash_sales set topic_key = 'other' where id = ${id}`
    expect(() => raw.exec(otherKey)).toThrow('the routing of a sale stays')
  })
})

describe('archiving', () => {
  it('leaves a sale that ended less than an hour ago, and one with a hold', async () => {
    const recent = await fixture.sale({ endsIn: 1 })
    const holding = await fixture.sale({ endsIn: 1 })
    const user = await fixture.user()
    await fixture.hold(user, holding)
    fixture.clock.advance(hourMs)
    expect(await archive()).toBe(0)
    fixture.clock.advance(1)
    expect(await archive()).toBe(1)
    await fixture.run(clearCart(user, now()))
    expect(await archive()).toBe(1)
    expect(await archive()).toBe(0)
    expect(await currentIds()).not.toContain(recent.flashSaleId)
  })

  it('takes a cancelled sale as soon as its last hold is released', async () => {
    const offer = await fixture.sale()
    const user = await fixture.user()
    await fixture.hold(user, offer)
    await cancel(offer.flashSaleId)
    const cancelled = () => fixture.rows<{ id: number }>(cancelledSaleIds)
    expect(await archive()).toBe(0)
    expect(await cancelled()).toEqual([{ id: offer.flashSaleId }])
    await fixture.run(clearCart(user, now()))
    expect(await archive()).toBe(1)
    expect(await cancelled()).toEqual([])
  })

  it('is taken back when the clock that archived a sale was ahead, but not for a cancelled one', async () => {
    const early = await fixture.sale({ endsIn: 6 * hourMs })
    const cancelled = await fixture.sale({ endsIn: 6 * hourMs })
    await cancel(cancelled.flashSaleId)
    const ahead = now() + 8 * hourMs
    await fixture.run(archiveSales(ahead, ahead - hourMs, 100))
    expect(await currentIds()).not.toContain(early.flashSaleId)
    await archive()
    expect(await currentIds()).toContain(early.flashSaleId)
    expect(await currentIds()).not.toContain(cancelled.flashSaleId)
  })

  it('F30: what is taken back is found by an index that ends with the present', () => {
    expect(planOf(restoreRunning)).toContain('flash_sales_archived_by_end (ends_at>?)')
  })

  it.each([
    ['ended', archiveEnded, 'flash_sales_current_by_end (ends_at<?)'],
    ['cancelled', archiveCancelled, 'flash_sales_current_cancelled'],
  ])('F30: finds %s sales by an index of those that are left', (_, sql, index) => {
    const plan = planOf(sql)
    expect(plan).toContain(index)
    expect(plan).toContain('reservations_held_by_sale (flash_sale_id=?)')
    expect(plan.replace(/.*flash_sales_current_cancelled.*/, '')).not.toContain('SCAN')
  })

  it('F30: the sweep finds the holds of cancelled sales by the same index', () => {
    expect(planOf(cancelledSaleIds)).toContain('flash_sales_current_cancelled')
  })
})

describe('looking up offers', () => {
  it('gives the sale of each, in order, and reads the same one once', async () => {
    const offer = await fixture.sale()
    const { id } = await fixture.run(
      createFlashSale({ name: 'x', startsAt: 5, endsAt: 9, holdSeconds: 300, now: now() }),
    )
    const unknown = { ...offer, flashSaleId: 999 }
    const other = { flashSaleId: id, productId: offer.productId }
    const found = await fixture.read(findOffers([unknown, offer, other, offer]))
    expect(found.map((each) => each?.offered)).toEqual([undefined, true, false, true])
    expect(found[2]).toMatchObject({ state: 'open', startsAt: 5, endsAt: 9 })
  })
})
