import { setImmediate as endOfTick } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker/broker.ts'
import { changeFlashSaleState, createFlashSale } from '../db/flash-sales.ts'
import { addProductToSale } from '../db/products-in-sale.ts'
import { createLogger } from '../logger.ts'
import type { AddToCartRouting } from '../domain/flash-sale.ts'
import { createMetrics } from '../metrics.ts'
import { createReceivingBroker, type ReceivingBroker } from '../../test/support/receiving-broker.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { createFollowSales, type FollowSales } from './follow-sales.ts'
import { createSoldOutGate, type SoldOutGate } from './sold-out-gate.ts'

const graceMs = 5_000
const minuteMs = 60_000
const names: Record<AddToCartRouting, (offer: Offer) => string> = {
  'channel-per-product': ({ flashSaleId, productId }) =>
    `add_to_cart.sale-${flashSaleId}-sssss/product-${productId}`,
  'topic-per-product': ({ flashSaleId, productId }) =>
    `add_to_cart.sale-${flashSaleId}-sssss.product-${productId}/reserve`,
}

describe.each(['channel-per-product', 'topic-per-product'] as const)(
  'following the sales with %s',
  (routing) => {
    let fixture: SaleFixture
    let broker: ReceivingBroker
    let gate: SoldOutGate
    let sales: FollowSales
    let received: number[]

    const channelOf = names[routing]
    const topicOf = (offer: Offer): string => channelOf(offer).split('/')[0] ?? ''
    const subscribed = (): string[] => [...broker.subscribed.keys()]

    /**
     * Follows twice: closing runs in the background, and the next run deletes the closed topics.
     */
    async function followTwice(): Promise<void> {
      await sales.follow()
      await sales.follow()
    }

    const cancelSale = ({ flashSaleId }: Offer) =>
      fixture.run(changeFlashSaleState(flashSaleId, 'cancelled', fixture.clock.now()))

    /** Ends the sale, lets the consumers notice it, and moves the clock beyond the grace. */
    async function closeOver(): Promise<void> {
      await sales.follow()
      fixture.clock.advance(graceMs)
      await followTwice()
    }

    beforeEach(async () => {
      fixture = await openSaleFixture()
      broker = createReceivingBroker()
      gate = createSoldOutGate(() => fixture.clock.now())
      received = []
      const consumer = {
        receive: (_topic: string, productId: number) => void received.push(productId),
        stop: () => Promise.resolve(),
      }
      const { database, clock } = fixture
      sales = createFollowSales({
        database,
        broker,
        consumer,
        gate,
        clock,
        routing,
        random: () => 0.5,
        graceMs,
        logger: createLogger('silent', {}),
        metrics: createMetrics(),
      })
    })

    afterEach(async () => {
      await sales.stop()
      await fixture.close()
    })

    it('opens one channel for every product of a running sale, and hands on its messages', async () => {
      const first = await fixture.sale()
      const second = await fixture.product(first.flashSaleId)
      await followTwice()
      expect(subscribed()).toEqual([channelOf(first), channelOf(second)])
      broker.hand(channelOf(second), Buffer.from('x'))
      expect(received).toEqual([second.productId])
    })

    it('opens no channel while it could not publish what comes of its messages', async () => {
      const offer = await fixture.sale()
      broker.status = () => ({ ready: false, reason: 'connecting' })
      await sales.start()
      expect(subscribed()).toEqual([])
      broker.status = () => ({ ready: true })
      fixture.clock.advance(250)
      await sales.follow()
      expect(subscribed()).toEqual([channelOf(offer)])
    })

    it('opens a channel for a product added to a running sale at the next look', async () => {
      const first = await fixture.sale()
      await sales.start()
      const second = await fixture.product(first.flashSaleId)
      expect(subscribed()).toEqual([channelOf(first)])
      fixture.clock.advance(250)
      await sales.follow()
      expect(subscribed()).toEqual([channelOf(first), channelOf(second)])
    })

    it('opens a minute before the start and not earlier', async () => {
      const offer = await fixture.sale({ startsIn: minuteMs + 1 })
      await sales.follow()
      expect(subscribed()).toEqual([])
      fixture.clock.advance(1)
      await sales.follow()
      expect(subscribed()).toEqual([channelOf(offer)])
    })

    it('keeps a paused sale', async () => {
      const offer = await fixture.sale()
      await sales.follow()
      await fixture.run(changeFlashSaleState(offer.flashSaleId, 'paused', fixture.clock.now()))
      await closeOver()
      expect(subscribed()).toEqual([channelOf(offer)])
    })

    it.each(['ended', 'cancelled'])(
      'consumes a sale that is %s for the grace, then closes and deletes its topic',
      async (how) => {
        const offer = await fixture.sale({ endsIn: minuteMs })
        await sales.follow()
        if (how === 'ended') fixture.clock.advance(minuteMs)
        else await cancelSale(offer)
        await sales.follow()
        fixture.clock.advance(graceMs - 1)
        await followTwice()
        expect(subscribed()).toEqual([channelOf(offer)])
        expect(broker.deleted).toEqual([])
        fixture.clock.advance(1)
        await followTwice()
        expect(subscribed()).toEqual([])
        expect(sales.channels()).toEqual([])
        expect(broker.deleted).toEqual([topicOf(offer)])
      },
    )

    it('deletes each topic of a sale once, when the channels of all its products are closed', async () => {
      const first = await fixture.sale({ endsIn: minuteMs })
      const second = await fixture.product(first.flashSaleId)
      const other = await fixture.sale()
      await sales.follow()
      fixture.clock.advance(minuteMs)
      await closeOver()
      await followTwice()
      expect(broker.deleted).toEqual([...new Set([topicOf(first), topicOf(second)])])
      expect(subscribed()).toEqual([channelOf(other)])
    })

    it('deletes again, until the broker has done it', async () => {
      const offer = await fixture.sale()
      await sales.follow()
      await cancelSale(offer)
      broker.answerDelete = () => Promise.reject(new BrokerUnavailableError('gone'))
      await closeOver()
      await sales.follow()
      expect(broker.deleted).toEqual([])
      broker.answerDelete = () => Promise.resolve()
      await followTwice()
      expect(broker.deleted).toEqual([topicOf(offer)])
    })

    it('opens what is new while the broker does not answer a deletion at all', async () => {
      const over = await fixture.sale()
      await sales.follow()
      await cancelSale(over)
      let answer = (): void => undefined
      broker.answerDelete = () =>
        new Promise((resolve) => {
          answer = resolve
        })
      await closeOver()
      const next = await fixture.sale()
      await sales.follow()
      expect(subscribed()).toEqual([channelOf(next)])
      answer()
    })

    it('follows a product from one sale into the next, losing no channel on the way', async () => {
      const first = await fixture.sale({ endsIn: minuteMs })
      const now = fixture.clock.now()
      const [startsAt, endsAt] = [now + minuteMs, now + 2 * minuteMs]
      const schedule = { name: 'next', startsAt, endsAt, holdSeconds: 300, now }
      const { id: flashSaleId } = await fixture.run(createFlashSale(schedule))
      const second = { ...first, flashSaleId }
      const terms = { ...second, salePriceMinor: undefined, purchaseLimit: undefined, now }
      expect((await fixture.run(addProductToSale(terms, 10))).kind).toBe('added')
      await sales.follow()
      expect(subscribed()).toEqual([channelOf(first), channelOf(second)])
      fixture.clock.advance(minuteMs)
      await closeOver()
      expect(subscribed()).toEqual([channelOf(second)])
      expect(broker.deleted).toEqual([topicOf(first)])
    })

    it('forgets what the gate knew of a product that is no longer sold', async () => {
      const offer = await fixture.sale()
      await sales.follow()
      gate.close(offer.productId, 1)
      await cancelSale(offer)
      await closeOver()
      expect(gate.closed().size).toBe(0)
    })

    it('goes on looking after a look that failed, and stops without a timer left', async () => {
      const { flashSaleId } = await fixture.sale()
      await sales.start()
      const raw = fixture.openRaw()
      raw.exec('alter table flash_sales rename to hidden')
      fixture.clock.advance(250)
      await endOfTick()
      raw.exec('alter table hidden rename to flash_sales')
      await fixture.product(flashSaleId)
      fixture.clock.advance(250)
      await sales.follow()
      expect(subscribed()).toHaveLength(2)
      await sales.stop()
      expect(subscribed()).toEqual([])
      expect(fixture.clock.pending()).toBe(0)
    })
  },
)
