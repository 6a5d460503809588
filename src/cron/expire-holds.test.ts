import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recordUnanswered } from '../db/reserve/add-to-cart-requests.ts'
import type { Database } from '../db/database.ts'
import { changeFlashSaleState } from '../db/flash-sales.ts'
import { claimOperatorRequest } from '../db/operator-requests.ts'
import { createMetrics } from '../metrics.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { createExpireHolds } from './expire-holds.ts'

let fixture: SaleFixture
let offer: Offer
let user: number
/** The product ids that were announced as released, one entry per announcement. */
let announced: (readonly number[])[]
let metrics: ReturnType<typeof createMetrics>

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 500, holdSeconds: 300 })
  user = await fixture.user()
  announced = []
  metrics = createMetrics()
})

afterEach(async () => {
  expect(await fixture.violated()).toEqual([])
  await fixture.close()
})

const holdMs = 300_000
const announce = (productIds: readonly number[]): void => {
  if (productIds.length > 0) announced.push(productIds)
}

function sweeper(database: Database = fixture.database, announceStockReleased = announce) {
  const { clock } = fixture
  return createExpireHolds({ database, announceStockReleased, clock, metrics })
}

const sweep = () => sweeper()()

/** Reads from the ledger how holds ended: `kind × quantity`, in order. */
async function endings(): Promise<readonly string[]> {
  const rows = await fixture.rows<{ ending: string }>(`
    select kind || ' ' || quantity as ending from stock_movements
    where kind not in ('allotted', 'held') order by id`)
  return rows.map(({ ending }) => ending)
}

async function holdEach(count: number): Promise<readonly number[]> {
  const users = await fixture.users(count)
  await fixture.reserve(...users.map((each) => fixture.wish(each, offer)))
  return users
}

/** Wraps the database: counts write transactions and calls `after` following each commit. */
function observed(database: Database, after: () => Promise<void>): Database {
  return {
    ...database,
    async transaction(script) {
      const result = await database.transaction(script)
      await after()
      return result
    },
  }
}

describe('a hold in a cart', () => {
  it('goes back to stock when its time is over, with a ledger row, and the gates are told', async () => {
    const { id } = await fixture.hold(user, offer, 3)
    fixture.clock.advance(holdMs)
    await sweep()
    expect(await fixture.stock(offer)).toBe('500/0/0')
    expect(await fixture.status('reservations', id)).toBe('expired')
    expect(await endings()).toEqual(['expired 3'])
    expect(await fixture.rows('select reservation_id from cart_details')).toEqual([])
    expect(announced).toEqual([[offer.productId]])
  })

  it('stays until the last millisecond of its time, and nothing is announced', async () => {
    const { id } = await fixture.hold(user, offer)
    fixture.clock.advance(holdMs - 1)
    await sweep()
    expect(await fixture.status('reservations', id)).toBe('held')
    expect(await fixture.stock(offer)).toBe('499/1/0')
    expect(announced).toEqual([])
  })

  it('stays beside one that is due', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(1)
    const later = await fixture.hold(await fixture.user(), offer)
    fixture.clock.advance(holdMs - 1)
    await sweep()
    expect(await fixture.status('reservations', later.id)).toBe('held')
    expect(await fixture.stock(offer)).toBe('499/1/0')
  })

  it('that was checked out follows its invoice, not the time it had in the cart', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(holdMs - 1)
    const { id } = await fixture.checkOut(user)
    fixture.clock.advance(holdMs - 1)
    await sweep()
    expect(await fixture.status('invoices', id)).toBe('unpaid')
    fixture.clock.advance(1)
    await sweep()
    expect(await fixture.status('invoices', id)).toBe('expired')
  })
})

describe('an invoice past its due date', () => {
  it('expires when it is unpaid, with all of its lines', async () => {
    const second = await fixture.product(offer.flashSaleId)
    await fixture.hold(user, offer, 2)
    await fixture.hold(user, second)
    const { id } = await fixture.checkOut(user)
    fixture.clock.advance(holdMs)
    await sweep()
    expect(await fixture.status('invoices', id)).toBe('expired')
    expect(await fixture.stock(offer)).toBe('500/0/0')
    expect(await fixture.stock(second)).toBe('10/0/0')
    expect(await endings()).toHaveLength(2)
    expect(announced).toEqual([[offer.productId, second.productId]])
  })

  it('is never touched while it is being paid or once it is paid', async () => {
    const paying = await fixture.invoice(user, offer)
    await fixture.pay(paying)
    const { invoice: paid } = await fixture.paid(await fixture.user(), offer)
    fixture.clock.advance(100 * holdMs)
    await sweep()
    expect(await fixture.status('invoices', paying.id)).toBe('paying')
    expect(await fixture.status('invoices', paid.id)).toBe('paid')
    expect(await fixture.stock(offer)).toBe('498/1/1')
    expect(announced).toEqual([])
  })
})

describe('a cancelled sale', () => {
  const cancel = () =>
    fixture.run(changeFlashSaleState(offer.flashSaleId, 'cancelled', fixture.clock.now()))

  it('gives back its holds and cancels its unpaid invoices before they are due', async () => {
    const { id: held } = await fixture.hold(user, offer)
    const { id: unpaid } = await fixture.invoice(await fixture.user(), offer, 2)
    await cancel()
    await sweep()
    expect(await fixture.status('reservations', held)).toBe('released')
    expect(await fixture.status('invoices', unpaid)).toBe('cancelled')
    expect(await endings()).toEqual(['released 1', 'released 2'])
    expect(await fixture.stock(offer)).toBe('500/0/0')
    expect(announced).toEqual([[offer.productId], [offer.productId]])
  })

  it('leaves invoices alone that are being paid or paid', async () => {
    const paying = await fixture.invoice(user, offer)
    await fixture.pay(paying)
    const { invoice: paid } = await fixture.paid(await fixture.user(), offer)
    await cancel()
    await sweep()
    expect(await fixture.status('invoices', paying.id)).toBe('paying')
    expect(await fixture.status('invoices', paid.id)).toBe('paid')
    expect(await endings()).toEqual(['sold 1'])
  })

  it('leaves the holds of other sales alone, also when it is only paused', async () => {
    const other = await fixture.sale()
    await fixture.hold(user, other)
    await fixture.hold(user, offer)
    await fixture.run(changeFlashSaleState(other.flashSaleId, 'paused', fixture.clock.now()))
    await cancel()
    await sweep()
    expect(await fixture.stock(other)).toBe('9/1/0')
    expect(await fixture.stock(offer)).toBe('500/0/0')
  })
})

describe('a sweep of many', () => {
  const batchSizeMax = 200

  it('ends at most 200 in a transaction and announces after each of them', async () => {
    await holdEach(2 * batchSizeMax + 50)
    fixture.clock.advance(holdMs)
    const heldAfter: number[] = []
    const announcedAfter: number[] = []
    const database = observed(fixture.database, async () => {
      const [row] = await fixture.rows<{ held: number }>('select held from stock')
      heldAfter.push(row?.held ?? 0)
      announcedAfter.push(announced.length)
    })
    await sweeper(database)()
    expect(heldAfter.slice(0, 3)).toEqual([250, 50, 0])
    expect(announcedAfter.slice(0, 4)).toEqual([0, 1, 2, 3])
    expect(announced).toHaveLength(3)
    expect(await endings()).toHaveLength(450)
  })

  it('bounds invoices, too', async () => {
    for (const each of await holdEach(batchSizeMax + 1)) await fixture.checkOut(each)
    fixture.clock.advance(holdMs)
    await sweep()
    expect(announced).toHaveLength(2)
    expect(await fixture.stock(offer)).toBe('500/0/0')
  })

  it('announces only what others can see already', async () => {
    await fixture.hold(user, offer)
    fixture.clock.advance(holdMs)
    const other = fixture.openRaw()
    const seen: unknown[] = []
    const look = (productIds: readonly number[]): void => {
      announce(productIds)
      if (productIds.length > 0) seen.push(other.prepare('select held from stock').pluck().get())
    }
    await sweeper(fixture.database, look)()
    expect(seen).toEqual([0])
  })

  it('counts what it ended, by kind', async () => {
    await fixture.hold(user, offer)
    await fixture.invoice(await fixture.user(), offer)
    fixture.clock.advance(holdMs)
    await sweep()
    const text = await metrics.read()
    expect(text).toContain('holdfast_swept_total{kind="cart_hold_expired"} 1')
    expect(text).toContain('holdfast_swept_total{kind="invoice_expired"} 1')
  })
})

describe('two sweepers at once', () => {
  it('end each hold and each invoice once, batch by batch in turn', async () => {
    await holdEach(300)
    for (const each of await fixture.users(30)) await fixture.invoice(each, offer)
    fixture.clock.advance(holdMs)
    const other = sweeper(fixture.openAgain())
    // Each batch of the first sweeper lets the second one run a whole sweep of its own.
    const first = sweeper(observed(fixture.database, other))
    await Promise.all([first(), sweep(), other()])
    expect(await endings()).toHaveLength(330)
    expect(await fixture.stock(offer)).toBe('500/0/0')
  })

  it('killed half way, one leaves the rest to the next', async () => {
    await holdEach(300)
    fixture.clock.advance(holdMs)
    const killed = observed(fixture.database, () => Promise.reject(new Error('killed')))
    await expect(sweeper(killed)()).rejects.toThrow('killed')
    expect(await fixture.stock(offer)).toBe('400/100/0')
    await sweep()
    expect(await fixture.stock(offer)).toBe('500/0/0')
    expect(await endings()).toHaveLength(300)
  })
})

describe('requests that were answered with 202', () => {
  async function requestIds(): Promise<readonly string[]> {
    const text = 'select request_id as id from add_to_cart_requests order by created_at, id'
    return (await fixture.rows<{ id: string }>(text)).map(({ id }) => id)
  }

  async function record(...requestIdsToRecord: readonly string[]): Promise<void> {
    const sentAt = fixture.clock.now()
    const requests = requestIdsToRecord.map((requestId) => ({
      requestId,
      userId: user,
      idempotencyKey: requestId,
      sentAt,
    }))
    await fixture.run(recordUnanswered(requests))
  }

  it('are forgotten after an hour, and not before', async () => {
    await record('old')
    fixture.clock.advance(1)
    await record('newer')
    fixture.clock.advance(3_600_000 - 2)
    await sweep()
    expect(await requestIds()).toEqual(['old', 'newer'])
    fixture.clock.advance(1)
    await sweep()
    expect(await requestIds()).toEqual(['newer'])
  })

  it('are forgotten 200 at a time', async () => {
    await record(...Array.from({ length: 201 }, (_, index) => `r${index}`))
    fixture.clock.advance(3_600_000)
    await sweep()
    expect(await requestIds()).toHaveLength(1)
  })
})

describe('keys of operators', () => {
  const dayMs = 86_400_000

  async function claim(...keys: readonly string[]): Promise<void> {
    const route = 'POST /v1/admin/products'
    const fingerprint = 'a'.repeat(64)
    for (const idempotencyKey of keys) {
      const request = { operator: 'admin', route, idempotencyKey, part: 0, fingerprint }
      await fixture.run(claimOperatorRequest(request, fixture.clock.now()))
    }
  }

  const keys = async () =>
    (await fixture.rows<{ key: string }>('select idempotency_key as key from operator_requests'))
      .map(({ key }) => key)
      .sort()

  it('are kept for two days, and then forgotten', async () => {
    await claim('old')
    fixture.clock.advance(1)
    await claim('younger')
    fixture.clock.advance(2 * dayMs - 1)
    await sweep()
    expect(await keys()).toEqual(['old', 'younger'])
    fixture.clock.advance(1)
    await sweep()
    expect(await keys()).toEqual(['younger'])
  })

  it('are forgotten 200 at a time', async () => {
    await claim(...Array.from({ length: 201 }, (_, index) => `k${index}`))
    fixture.clock.advance(2 * dayMs + 1)
    await sweep()
    expect(await keys()).toHaveLength(1)
  })
})
