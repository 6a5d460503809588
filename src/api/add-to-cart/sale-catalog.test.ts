import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../../broker/broker.ts'
import { DatabaseUnavailableError, type Database } from '../../db/database.ts'
import { changeFlashSaleState } from '../../db/flash-sales.ts'
import { createLogger } from '../../logger.ts'
import type { AddToCartRouting } from '../../messaging/topics.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { createStubBroker, type StubBroker } from '../../../test/support/stub-broker.ts'
import { createSaleCatalog, type SaleCatalog } from './sale-catalog.ts'

describe('the sale catalog', () => {
  let fixture: SaleFixture
  let broker: StubBroker
  let catalog: SaleCatalog

  function open(
    routing: AddToCartRouting = 'channel-per-product',
    database: Database = fixture.database,
  ): SaleCatalog {
    const { clock } = fixture
    const logger = createLogger('silent', {})
    return createSaleCatalog({ database, broker, clock, logger, routing })
  }

  const kindOf = ({ flashSaleId, productId }: Offer): string =>
    catalog.route(flashSaleId, productId).kind

  beforeEach(async () => {
    fixture = await openSaleFixture()
    broker = createStubBroker()
    catalog = open()
  })
  afterEach(async () => {
    await catalog.stop()
    await fixture.close()
  })

  it('knows nothing before its first look', async () => {
    expect(kindOf(await fixture.sale())).toBe('unknown_sale')
  })

  it('routes a running sale to its topic, whose channel was made before', async () => {
    const { flashSaleId, productId } = await fixture.sale()
    await catalog.start()
    const topic = `add_to_cart.sale-${flashSaleId}`
    expect(catalog.route(flashSaleId, productId)).toEqual({ kind: 'open', topic })
    expect(broker.channels).toEqual([`${topic}/product-${productId}`])
  })

  it('routes to a topic per product where that is configured', async () => {
    catalog = open('topic-per-product')
    const { flashSaleId, productId } = await fixture.sale()
    await catalog.start()
    const topic = `add_to_cart.sale-${flashSaleId}.product-${productId}`
    expect(catalog.route(flashSaleId, productId)).toEqual({ kind: 'open', topic })
    expect(broker.channels).toEqual([`${topic}/reserve`])
  })

  it('tells products of other sales from its own', async () => {
    const offer = await fixture.sale()
    const other = await fixture.sale()
    await catalog.start()
    expect(kindOf({ ...offer, productId: other.productId })).toBe('product_not_in_sale')
    expect(kindOf({ ...offer, flashSaleId: 999 })).toBe('unknown_sale')
  })

  it('sells a product added to a running sale after a quarter of a second', async () => {
    const { flashSaleId } = await fixture.sale()
    await catalog.start()
    const added = await fixture.product(flashSaleId)
    expect(kindOf(added)).toBe('product_not_in_sale')
    fixture.clock.advance(250)
    await catalog.refresh()
    expect(kindOf(added)).toBe('open')
  })

  it('looks again four times a second by itself', async () => {
    let reads = 0
    const counting: Database = {
      ...fixture.database,
      read: (script) => {
        reads += 1
        return fixture.database.read(script)
      },
    }
    catalog = open('channel-per-product', counting)
    await catalog.start()
    for (let tick = 0; tick < 4; tick += 1) {
      fixture.clock.advance(250)
      await new Promise(setImmediate)
    }
    expect(reads).toBe(5)
  })

  it('follows the clock through start and end without looking again', async () => {
    const offer = await fixture.sale({ startsIn: 10_000, endsIn: 20_000 })
    await catalog.start()
    await catalog.stop()
    const kinds = [9_999, 1, 9_999, 1].map((ms) => {
      fixture.clock.advance(ms)
      return kindOf(offer)
    })
    expect(kinds).toEqual(['sale_not_open', 'open', 'open', 'sale_not_open'])
  })

  it('makes channels a minute before the start, not earlier', async () => {
    await fixture.sale({ startsIn: 61_000 })
    await catalog.refresh()
    expect(broker.channels).toEqual([])
    fixture.clock.advance(1_000)
    await catalog.refresh()
    expect(broker.channels).toHaveLength(1)
    await catalog.refresh()
    expect(broker.channels).toHaveLength(1)
  })

  it('closes a paused sale and opens it when resumed', async () => {
    const offer = await fixture.sale()
    await catalog.start()
    for (const [state, kind] of [
      ['paused', 'sale_not_open'],
      ['open', 'open'],
    ] as const) {
      await fixture.run(changeFlashSaleState(offer.flashSaleId, state, fixture.clock.now()))
      await catalog.refresh()
      expect(kindOf(offer)).toBe(kind)
    }
  })

  it('forgets a cancelled sale, and an ended one an hour later', async () => {
    const cancelled = await fixture.sale()
    const ended = await fixture.sale({ endsIn: 1_000 })
    await fixture.run(changeFlashSaleState(cancelled.flashSaleId, 'cancelled', fixture.clock.now()))
    await catalog.refresh()
    expect(kindOf(cancelled)).toBe('unknown_sale')
    fixture.clock.advance(3_600_000)
    await catalog.refresh()
    expect(kindOf(ended)).toBe('sale_not_open')
    fixture.clock.advance(1_000)
    await catalog.refresh()
    expect(kindOf(ended)).toBe('unknown_sale')
  })

  it('says "no channel" while the broker cannot make one, and opens once it can', async () => {
    const offer = await fixture.sale()
    broker.answer = () => Promise.reject(new BrokerUnavailableError('gone'))
    await catalog.start()
    expect(kindOf(offer)).toBe('no_channel')
    broker.answer = () => Promise.resolve()
    await catalog.refresh()
    expect(kindOf(offer)).toBe('open')
  })

  it('keeps what it knows while the database does not answer', async () => {
    const offer = await fixture.sale()
    let away = false
    catalog = open('channel-per-product', {
      ...fixture.database,
      read: (script) =>
        away
          ? Promise.reject(new DatabaseUnavailableError('locked'))
          : fixture.database.read(script),
    })
    await catalog.start()
    away = true
    await catalog.refresh()
    expect(kindOf(offer)).toBe('open')
  })

  it('reads once more for a change made while an older look is still under way, or fails', async () => {
    const { flashSaleId } = await fixture.sale()
    let fail = (): void => undefined
    let reads = 0
    catalog = open('channel-per-product', {
      ...fixture.database,
      read: (script) => {
        reads += 1
        if (reads > 1) return fixture.database.read(script)
        return new Promise((_resolve, reject) => {
          fail = () => {
            reject(new DatabaseUnavailableError('locked'))
          }
        })
      },
    })
    const older = catalog.refresh()
    const added = await fixture.product(flashSaleId)
    const newer = catalog.refresh()
    fail()
    await Promise.all([older, newer])
    expect(kindOf(added)).toBe('open')
  })

  it('leaves no timer behind', async () => {
    await catalog.start()
    await catalog.stop()
    expect(fixture.clock.pending()).toBe(0)
  })
})
