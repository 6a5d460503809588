import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../../broker/broker.ts'
import { DatabaseUnavailableError, type Database } from '../../db/database.ts'
import { changeFlashSaleState } from '../../db/flash-sales.ts'
import { createLogger } from '../../logger.ts'
import type { AddToCartRoutingSetting } from '../../domain/flash-sale.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { countStatements } from '../../../test/support/statement-counter.ts'
import { createStubBroker, type StubBroker } from '../../../test/support/stub-broker.ts'
import { createSaleCatalog, type SaleCatalog } from './sale-catalog.ts'

describe('the sale catalog', () => {
  let fixture: SaleFixture
  let broker: StubBroker
  let catalog: SaleCatalog

  function open(
    routing: AddToCartRoutingSetting = 'channel-per-product',
    database: Database = fixture.database,
  ): SaleCatalog {
    const { clock } = fixture
    const logger = createLogger('silent', {})
    const random = (): number => 0.5
    return createSaleCatalog({
      database,
      broker,
      clock,
      logger,
      routing,
      random,
      defer: setImmediate,
    })
  }

  /** Channels are made behind the catalog's back, over a few promises. */
  const made = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const start = async (): Promise<void> => {
    await catalog.start()
    await made()
  }
  const refresh = async (): Promise<void> => {
    await catalog.refresh()
    await made()
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
    expect(kindOf(await fixture.sale())).toBe('unknown')
  })

  it('routes a running sale to its topic, whose channel was made before', async () => {
    const { flashSaleId, productId } = await fixture.sale()
    await start()
    const topic = `add_to_cart.sale-${flashSaleId}-sssss`
    expect(catalog.route(flashSaleId, productId)).toEqual({ kind: 'open', topic })
    expect(broker.channels).toEqual([`${topic}/product-${productId}`])
  })

  it('routes to a topic per product where that is configured', async () => {
    catalog = open('topic-per-product')
    const { flashSaleId, productId } = await fixture.sale()
    await start()
    const topic = `add_to_cart.sale-${flashSaleId}-sssss.product-${productId}`
    expect(catalog.route(flashSaleId, productId)).toEqual({ kind: 'open', topic })
    expect(broker.channels).toEqual([`${topic}/reserve`])
  })

  it('tells products of other sales from its own', async () => {
    const offer = await fixture.sale()
    const other = await fixture.sale()
    await start()
    expect(kindOf({ ...offer, productId: other.productId })).toBe('unknown')
    expect(kindOf({ ...offer, flashSaleId: 999 })).toBe('unknown')
  })

  it('sells a product added to a running sale after a quarter of a second', async () => {
    const { flashSaleId } = await fixture.sale()
    await start()
    const added = await fixture.product(flashSaleId)
    expect(kindOf(added)).toBe('unknown')
    fixture.clock.advance(250)
    await refresh()
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
    await start()
    for (let tick = 0; tick < 4; tick += 1) {
      fixture.clock.advance(250)
      await new Promise(setImmediate)
    }
    expect(reads).toBe(5)
  })

  it('follows the clock through start and end without looking again', async () => {
    const offer = await fixture.sale({ startsIn: 10_000, endsIn: 20_000 })
    await start()
    await catalog.stop()
    const kinds = [9_999, 1, 9_999, 1].map((ms) => {
      fixture.clock.advance(ms)
      return kindOf(offer)
    })
    expect(kinds).toEqual(['sale_not_open', 'open', 'open', 'sale_not_open'])
  })

  it('makes channels a minute before the start, not earlier', async () => {
    await fixture.sale({ startsIn: 61_000 })
    await refresh()
    expect(broker.channels).toEqual([])
    fixture.clock.advance(1_000)
    await refresh()
    expect(broker.channels).toHaveLength(1)
    await refresh()
    expect(broker.channels).toHaveLength(1)
  })

  it('closes a paused sale and opens it when resumed', async () => {
    const offer = await fixture.sale()
    await start()
    for (const [state, kind] of [
      ['paused', 'sale_not_open'],
      ['open', 'open'],
    ] as const) {
      await fixture.run(changeFlashSaleState(offer.flashSaleId, state, fixture.clock.now()))
      await refresh()
      expect(kindOf(offer)).toBe(kind)
    }
  })

  it('forgets a cancelled sale, and an ended one an hour later', async () => {
    const cancelled = await fixture.sale()
    const ended = await fixture.sale({ endsIn: 1_000 })
    await fixture.run(changeFlashSaleState(cancelled.flashSaleId, 'cancelled', fixture.clock.now()))
    await refresh()
    expect(kindOf(cancelled)).toBe('unknown')
    fixture.clock.advance(3_600_000)
    await refresh()
    expect(kindOf(ended)).toBe('sale_not_open')
    fixture.clock.advance(1_000)
    await refresh()
    expect(kindOf(ended)).toBe('unknown')
  })

  it('says "no channel" while the broker cannot make one, and opens once it can', async () => {
    const offer = await fixture.sale()
    broker.answer = () => Promise.reject(new BrokerUnavailableError('gone'))
    await start()
    expect(kindOf(offer)).toBe('no_channel')
    broker.answer = () => Promise.resolve()
    await refresh()
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
    await start()
    away = true
    await refresh()
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

  it('F30: a look costs one statement, however many sales are planned, and sees every one that starts', async () => {
    const running = await fixture.sale()
    const insert = fixture.openRaw().prepare(`
      insert into flash_sales (name, starts_at, ends_at, hold_seconds, created_at)
      values ('planned', ?, ?, 300, 0)`)
    const startsAt = fixture.clock.now() + 7_200_000
    for (let planned = 0; planned < 1_500; planned += 1) insert.run(startsAt, startsAt + 1)
    const soon = await fixture.sale({ startsIn: 10_000 })
    const counter = countStatements(fixture.database)
    catalog = open('auto', counter.database)
    await start()
    expect(kindOf(running)).toBe('open')
    counter.statements.length = 0
    await refresh()
    expect(counter.statements).toHaveLength(1)
    fixture.clock.advance(10_000)
    expect(kindOf(soon)).toBe('open')
  })

  it('agrees with another node about the queue of a sale, whatever each was told', async () => {
    const offer = await fixture.sale()
    const other = open('topic-per-product')
    await Promise.all([catalog.refresh(), other.refresh()])
    await made()
    const here = catalog.route(offer.flashSaleId, offer.productId)
    expect(here.kind).toBe('open')
    expect(other.route(offer.flashSaleId, offer.productId)).toEqual(here)
    expect(new Set(broker.channels).size).toBe(1)
  })

  it('keeps the queue of a running sale when its fifth product comes', async () => {
    const first = await fixture.sale()
    for (let more = 1; more < 4; more += 1) await fixture.product(first.flashSaleId)
    catalog = open('auto')
    await start()
    const fifth = await fixture.product(first.flashSaleId)
    await refresh()
    const topic = `add_to_cart.sale-${first.flashSaleId}-sssss`
    expect(catalog.route(fifth.flashSaleId, fifth.productId)).toEqual({ kind: 'open', topic })
  })

  it('sees a pause although the broker answers nothing, and waits for it nowhere', async () => {
    const offers = [await fixture.sale(), await fixture.sale(), await fixture.sale()]
    const answers: (() => void)[] = []
    broker.answer = () => new Promise((resolve) => answers.push(resolve))
    await start()
    expect(offers.map(kindOf)).toEqual(['no_channel', 'no_channel', 'no_channel'])
    const [first] = offers as [Offer]
    await fixture.run(changeFlashSaleState(first.flashSaleId, 'paused', fixture.clock.now()))
    await refresh()
    expect(kindOf(first)).toBe('sale_not_open')
    for (const answer of answers) answer()
    await made()
    expect(offers.map(kindOf)).toEqual(['sale_not_open', 'open', 'open'])
  })

  it('makes no more than eight channels at a time', async () => {
    const { flashSaleId } = await fixture.sale()
    for (let more = 1; more < 20; more += 1) await fixture.product(flashSaleId)
    let asked = 0
    const answers: (() => void)[] = []
    broker.answer = () => {
      asked += 1
      return new Promise((resolve) => answers.push(resolve))
    }
    await start()
    await refresh()
    expect(asked).toBe(8)
    while (answers.length > 0) {
      for (const answer of answers.splice(0)) answer()
      await made()
    }
    expect(broker.channels).toHaveLength(20)
  })

  it('leaves no timer behind', async () => {
    await start()
    await catalog.stop()
    expect(fixture.clock.pending()).toBe(0)
  })
})
