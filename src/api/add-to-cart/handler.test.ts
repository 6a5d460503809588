import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BrokerUnavailableError } from '../../broker/broker.ts'
import { changeFlashSaleState } from '../../db/flash-sales.ts'
import type { AddToCartOutcome } from '../../domain/reservation.ts'
import { createLogger } from '../../logger.ts'
import { createPlainCodec } from '../../messaging/envelope.ts'
import type { AddToCart } from '../../messaging/messages.ts'
import { createMetrics } from '../../metrics.ts'
import {
  openSaleFixture,
  type Offer,
  type SaleFixture,
} from '../../../test/support/sale-fixture.ts'
import { countStatements, type StatementCounter } from '../../../test/support/statement-counter.ts'
import { createStubBroker, type StubBroker } from '../../../test/support/stub-broker.ts'
import { until } from '../../../test/support/until.ts'
import { createAddToCartHandler, type AddToCartHandler } from './handler.ts'
import { createLateReplies, type LateReplies } from './late-replies.ts'
import { createLocalGate, type LocalGate } from './local-gate.ts'
import { createPendingReplies, type PendingReplies } from './pending-replies.ts'
import type { ProblemBody, Reply } from '../http/problem.ts'
import { createPublisher } from './publisher.ts'
import { createSaleCatalog, type SaleCatalog } from './sale-catalog.ts'

const soldOut: AddToCartOutcome = { kind: 'refused', refusal: 'sold_out' }
const codeOf = ({ body }: Reply): string => (body as ProblemBody).code
const pendingRepliesMax = 150
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('an API node adding to cart', () => {
  let fixture: SaleFixture
  let counter: StatementCounter
  let broker: StubBroker
  let catalog: SaleCatalog
  let gate: LocalGate
  let pendingReplies: PendingReplies
  let handler: AddToCartHandler
  let lateReplies: LateReplies
  let offer: Offer
  let userId: number

  beforeEach(async () => {
    fixture = await openSaleFixture()
    const { database, clock, newId } = fixture
    const logger = createLogger('silent', {})
    const defer = setImmediate
    broker = createStubBroker()
    gate = createLocalGate(clock)
    const routing = 'channel-per-product'
    counter = countStatements(database)
    catalog = createSaleCatalog({
      database: counter.database,
      broker,
      clock,
      logger,
      routing,
      defer,
      random: () => 0.5,
    })
    pendingReplies = createPendingReplies({ clock, pendingRepliesMax, replyTimeoutMs: 5_000 })
    lateReplies = createLateReplies({
      database,
      clock,
      logger,
      defer,
      maxAgeMs: 30_000,
      unwrittenMax: 1_000,
    })
    handler = createAddToCartHandler({
      catalog,
      gate,
      pendingReplies,
      database: counter.database,
      clock,
      newId,
      defer,
      lateReplies,
      publisher: createPublisher(broker, defer),
      codec: createPlainCodec(),
      metrics: createMetrics(),
      nodeId: 'node-1',
    })
    offer = await fixture.sale()
    userId = await fixture.user()
    await catalog.start()
    await pendingReplies.start()
  })
  afterEach(async () => {
    await pendingReplies.stop()
    await catalog.stop()
    await fixture.close()
  })

  const shopper = () => ({ userId, userUid: fixture.uidOf(userId) })
  const ask = (idempotencyKey?: string, changes: object = {}): Promise<Reply> =>
    handler.handle({ ...shopper(), ...offer, quantity: 1, idempotencyKey, ...changes })

  function sent(): readonly AddToCart[] {
    const bodies = broker.published.flatMap((each) => each.bodies)
    return bodies.map((body) => JSON.parse(body.toString('utf8')) as AddToCart)
  }

  /** Settles the latest request with an outcome, as the consumer would. */
  async function settle(outcome: AddToCartOutcome): Promise<void> {
    await tick()
    expect(pendingReplies.settle(sent().at(-1)?.requestId ?? '', outcome)).toBe(true)
  }

  it('refuses before it asks when no more late replies could be kept', async () => {
    vi.spyOn(lateReplies, 'hasRoom').mockReturnValue(false)
    const reply = await ask()
    expect([reply.status, codeOf(reply)]).toEqual([503, 'overloaded'])
    await tick()
    expect(sent()).toEqual([])
    expect(pendingReplies.size()).toBe(0)
  })

  it('waits a second at most for a queue that a silent nsqd does not make', async () => {
    let goOn = (): void => undefined
    broker.answer = () =>
      new Promise((resolve) => {
        goOn = resolve
      })
    const another = await fixture.sale()
    await catalog.refresh()
    const reply = ask(undefined, another)
    await tick()
    expect(pendingReplies.size()).toBe(1)
    fixture.clock.advance(1_000)
    const { status, headers, body } = await reply
    expect([status, body]).toMatchObject([503, { code: 'broker_unavailable' }])
    expect(headers['retry-after']).toBeDefined()
    expect(pendingReplies.size()).toBe(0)
    goOn()
  })

  it('does not tell a hold whose deadline has passed here, nor that it failed', async () => {
    const reservation = {
      id: fixture.newId(),
      productId: offer.productId,
      quantity: 1,
      unitPriceMinor: 1,
      currency: 'EUR',
      status: 'held' as const,
      expiresAt: fixture.clock.now(),
    }
    const reply = ask()
    await settle({ kind: 'held', reservation, replayed: false })
    const { status, headers } = await reply
    expect([status, headers['location']]).toEqual([
      202,
      `/v1/cart/requests/${sent().at(-1)?.requestId}`,
    ])
    const inTime = ask()
    const later = { ...reservation, expiresAt: fixture.clock.now() + 1 }
    await settle({ kind: 'held', reservation: later, replayed: false })
    expect((await inTime).status).toBe(201)
  })

  it('lets so many wait for the reply of one key, and no more', async () => {
    const replies = Array.from({ length: 102 }, () => ask('mine'))
    await settle(soldOut)
    const codes = (await Promise.all(replies)).map(codeOf)
    expect(codes.filter((code) => code === 'sold_out')).toHaveLength(100)
    expect(codes.slice(100)).toEqual(['rate_limited', 'rate_limited'])
    expect(sent()).toHaveLength(1)
  })

  /** Two hundred requests of a crowd, one after the other. */
  async function askTwoHundredTimes(wanted: Offer): Promise<ReadonlySet<string>> {
    const codes = new Set<string>()
    for (let asked = 0; asked < 200; asked += 1) codes.add(codeOf(await ask(undefined, wanted)))
    return codes
  }

  const archived = async (sale: Offer): Promise<Offer> => {
    const raw = fixture.openRaw()
    raw.exec(
      `update flash_sales set starts_at = 1, ends_at = 2, archived_at = 3 where id = ${sale.flashSaleId}`,
    )
    await catalog.refresh()
    return sale
  }

  it.each([
    ['a sale that does not exist', () => ({ ...offer, flashSaleId: 999 }), 'product_not_in_sale'],
    [
      'a product that is not in the sale',
      () => ({ ...offer, productId: 999 }),
      'product_not_in_sale',
    ],
    ['a sale that was called off', cancelled, 'sale_not_open'],
    ['a sale long over', async () => archived(await fixture.sale()), 'sale_not_open'],
    ['a sale of next week', () => fixture.sale({ startsIn: 7e8, endsIn: 8e8 }), 'sale_not_open'],
  ])('lets the crowd of %s reach the database once', async (_title, make, code) => {
    const wanted = await make()
    counter.statements.length = 0
    expect(await askTwoHundredTimes(wanted)).toEqual(new Set([code]))
    expect(counter.statements).toHaveLength(1)
    const together = Array.from({ length: 200 }, () => ask(undefined, wanted))
    expect(new Set((await Promise.all(together)).map(codeOf))).toEqual(new Set([code]))
    expect(counter.statements).toHaveLength(1)
  })

  async function cancelled(): Promise<Offer> {
    const sale = await fixture.sale()
    await fixture.run(changeFlashSaleState(sale.flashSaleId, 'cancelled', fixture.clock.now()))
    await catalog.refresh()
    return sale
  }

  it('asks once for a crowd that comes for something unknown in one tick', async () => {
    counter.statements.length = 0
    const together = Array.from({ length: 200 }, () => ask(undefined, { flashSaleId: 999 }))
    expect(new Set((await Promise.all(together)).map(codeOf))).toEqual(
      new Set(['product_not_in_sale']),
    )
    expect(counter.statements).toHaveLength(1)
  })

  it('sells at once what this node has just put on sale, although it was refused a moment ago', async () => {
    const added = { ...offer, productId: offer.productId + 1 }
    expect(codeOf(await ask(undefined, added))).toBe('product_not_in_sale')
    expect(await fixture.product(offer.flashSaleId)).toEqual(added)
    await catalog.refresh()
    const reply = ask(undefined, added)
    await until(() => sent().length > 0, 2_000)
    await settle(soldOut)
    expect(codeOf(await reply)).toBe('sold_out')
  })

  it('sells what another node has put on sale within a second', async () => {
    const added = { ...offer, productId: offer.productId + 1 }
    expect(codeOf(await ask(undefined, added))).toBe('product_not_in_sale')
    await fixture.product(offer.flashSaleId)
    expect(codeOf(await ask(undefined, added))).toBe('product_not_in_sale')
    fixture.clock.advance(501)
    const reply = ask(undefined, added)
    await until(() => sent().length > 0, 2_000)
    await settle(soldOut)
    expect(codeOf(await reply)).toBe('sold_out')
  })

  it('sells through a queue that is being made when the request comes, and not for ever', async () => {
    const answers: ((error?: Error) => void)[] = []
    broker.answer = () =>
      new Promise((resolve, reject) => {
        answers.push((error) => {
          if (error === undefined) resolve()
          else reject(error)
        })
      })
    const fresh = await fixture.sale()
    await catalog.refresh()
    const failing = ask(undefined, fresh)
    await tick()
    answers.pop()?.(new BrokerUnavailableError('silent'))
    expect(codeOf(await failing)).toBe('broker_unavailable')
    expect(codeOf(await ask(undefined, fresh))).toBe('broker_unavailable')

    const next = await fixture.sale()
    await catalog.refresh()
    const reply = ask(undefined, next)
    await tick()
    broker.answer = () => Promise.resolve()
    for (const answer of answers) answer()
    await until(() => sent().length > 0, 2_000)
    await settle(soldOut)
    expect(codeOf(await reply)).toBe('sold_out')
  })

  it.each([
    ['a sale that was made', () => fixture.sale()],
    ['a product that was put into its sale', () => fixture.product(offer.flashSaleId)],
  ])('sells %s elsewhere a moment ago', async (_title, make) => {
    const fresh = await make()
    const reply = ask(undefined, fresh)
    await until(() => sent().length > 0, 2_000)
    await settle(soldOut)
    expect(codeOf(await reply)).toBe('sold_out')
    expect(broker.published[0]?.topic).toBe(`add_to_cart.sale-${fresh.flashSaleId}-sssss`)
  })

  it('does not think it sold out when the shopper alone is refused', async () => {
    gate.close(offer.productId, 1)
    fixture.clock.advance(250)
    const reply = ask()
    await settle({ kind: 'refused', refusal: 'purchase_limit_reached' })
    expect(codeOf(await reply)).toBe('purchase_limit_reached')
    expect(gate.refuses(offer.productId, 1)).toBe(false)
    expect(gate.refuses(offer.productId, 1)).toBe(false)
  })

  it('sends everything the consumer needs to know, and where to answer', async () => {
    const reply = ask('mine', { quantity: 3 })
    await settle(soldOut)
    await reply
    expect(broker.published[0]?.topic).toBe(`add_to_cart.sale-${offer.flashSaleId}-sssss`)
    const { requestId, ...rest } = sent()[0]!
    const stamp = { nodeId: 'node-1', sentAt: fixture.clock.now() }
    expect(rest).toEqual({ ...shopper(), ...offer, quantity: 3, idempotencyKey: 'mine', ...stamp })
    expect(requestId).toHaveLength(36)
  })

  it('takes the request’s own id for the key where the shopper sent none', async () => {
    const reply = ask()
    await settle(soldOut)
    const { requestId, idempotencyKey } = sent()[0]!
    expect(idempotencyKey).toBe(requestId)
    expect((await reply).headers['idempotency-key']).toBe(requestId)
  })

  it('takes an outcome that overtakes the broker’s confirmation', async () => {
    broker.answer = () => new Promise(() => undefined)
    const reply = ask()
    await settle(soldOut)
    expect(codeOf(await reply)).toBe('sold_out')
  })

  it('says that the queue does not answer, and waits no longer for that request', async () => {
    broker.answer = () => Promise.reject(new BrokerUnavailableError('gone'))
    const reply = await ask('again')
    expect([reply.status, codeOf(reply)]).toEqual([503, 'broker_unavailable'])
    expect(reply.headers).toMatchObject({ 'retry-after': '1', 'idempotency-key': 'again' })
    expect(pendingReplies.size()).toBe(0)
  })

  it('answers 202 when nobody answered in time, whether or not the broker confirmed', async () => {
    const answers = [() => Promise.resolve(), () => new Promise<void>(() => undefined)]
    for (const answer of answers) {
      broker.answer = answer
      const reply = ask()
      await tick()
      fixture.clock.advance(5_050)
      const { status, body } = await reply
      expect([status, body]).toMatchObject([202, { status: 'pending' }])
    }
    expect(pendingReplies.size()).toBe(0)
  })

  it('refuses whoever comes when the waiting room is full, and sends nothing', async () => {
    const waiting = Array.from({ length: pendingRepliesMax }, () => ask())
    await tick()
    const refused = await ask()
    expect([refused.status, codeOf(refused)]).toEqual([503, 'overloaded'])
    expect(sent()).toHaveLength(pendingRepliesMax)
    fixture.clock.advance(5_050)
    await Promise.all(waiting)
  })

  it('counts those who wait for the reply of a key among those who wait', async () => {
    const waiting = ['a', 'b'].flatMap((key) => Array.from({ length: 75 }, () => ask(key)))
    expect(pendingReplies.size()).toBe(pendingRepliesMax)
    const refused = await ask('a')
    expect([refused.status, codeOf(refused)]).toEqual([503, 'overloaded'])
    expect(refused.headers['idempotency-key']).toBe('a')
    await tick()
    fixture.clock.advance(5_050)
    await Promise.all(waiting)
    expect(pendingReplies.size()).toBe(0)
  })

  it('sends two at once with one key as one request, also when it ends in a refusal', async () => {
    const replies = [ask('one'), ask('one'), ask('one', { quantity: 2 })]
    await settle(soldOut)
    const [first, second, other] = await Promise.all(replies)
    expect([first, second, other].map((reply) => codeOf(reply!))).toEqual([
      'sold_out',
      'sold_out',
      'idempotency_key_reused',
    ])
    expect(sent()).toHaveLength(1)
    // By then the node's own gate has opened again.
    fixture.clock.advance(500)
    const again = ask('one', { quantity: 2 })
    await settle({ kind: 'refused', refusal: 'purchase_limit_reached' })
    expect(codeOf(await again)).toBe('purchase_limit_reached')
    expect(sent()).toHaveLength(2)
  })

  it('asks nobody while its own gate is closed, but for what the key has already', async () => {
    const held = await fixture.hold(userId, offer)
    const reply = ask()
    await settle(soldOut)
    await reply
    expect(codeOf(await ask())).toBe('sold_out')
    expect(codeOf(await ask('unknown'))).toBe('sold_out')
    const repeated = await ask(held.id)
    expect([repeated.status, repeated.headers['idempotency-replayed']]).toEqual([201, 'true'])
    expect(sent()).toHaveLength(1)
    gate.open(offer.productId)
    const asked = ask()
    await settle(soldOut)
    await asked
    expect(sent()).toHaveLength(2)
  })

  it('does not close its gate for refusals that say nothing about the stock', async () => {
    for (const refusal of ['purchase_limit_reached', 'too_late', 'cart_full'] as const) {
      const reply = ask()
      await settle({ kind: 'refused', refusal })
      expect(codeOf(await reply)).toBe(refusal)
      expect(gate.refuses(offer.productId, 1_000)).toBe(false)
    }
  })

  it('repeats the hold of a key after the sale has ended, and sends nothing', async () => {
    const held = await fixture.hold(userId, offer)
    fixture.clock.advance(3_600_000)
    expect(codeOf(await ask())).toBe('sale_not_open')
    const repeated = await ask(held.id)
    expect(repeated.status).toBe(201)
    expect(codeOf(await ask(held.id, { quantity: 2 }))).toBe('idempotency_key_reused')
    fixture.clock.advance(7_200_000)
    await catalog.refresh()
    expect((await ask(held.id)).status).toBe(201)
    expect(sent()).toEqual([])
  })

  it('tells a cancelled sale from one that never was', async () => {
    const { flashSaleId } = offer
    await fixture.run(changeFlashSaleState(flashSaleId, 'cancelled', fixture.clock.now()))
    await catalog.refresh()
    expect(codeOf(await ask())).toBe('sale_not_open')
    expect(codeOf(await ask(undefined, { productId: 999 }))).toBe('product_not_in_sale')
    expect(codeOf(await ask(undefined, { flashSaleId: 999 }))).toBe('product_not_in_sale')
  })

  it('takes a user the consumer does not know for one without a token', async () => {
    const reply = ask()
    await settle({ kind: 'refused', refusal: 'unknown_user' })
    expect([(await reply).status, codeOf(await reply)]).toEqual([401, 'unauthenticated'])
  })
})
