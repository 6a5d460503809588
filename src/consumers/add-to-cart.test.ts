import { setImmediate as endOfTick } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker/broker.ts'
import { DatabaseUnavailableError, type Database } from '../db/database.ts'
import { createLogger } from '../logger.ts'
import { addToCartResultTopic, createSignedCodec, type AddToCart } from '../messages.ts'
import { createMetrics } from '../metrics.ts'
import { createMessage } from '../testing/receiving-broker.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../testing/sale-fixture.ts'
import { createStubBroker, type StubBroker } from '../testing/stub-broker.ts'
import { createAddToCartConsumer, type AddToCartConsumer } from './add-to-cart.ts'
import { createDecider } from './decide.ts'
import { createSoldOutGate, type SoldOutGate } from './sold-out-gate.ts'

const topic = 'add_to_cart.sale-1'
const codec = createSignedCodec([{ id: 'k', secret: 'secret-of-the-tests' }])

let fixture: SaleFixture
let offer: Offer
let user: number
let broker: StubBroker
let gate: SoldOutGate
let consumer: AddToCartConsumer
/** Everything that happened, in order. */
let events: string[]

function consumerOn(database: Database): AddToCartConsumer {
  const { clock, newId } = fixture
  const logger = createLogger('silent', {})
  const metrics = createMetrics()
  const decider = createDecider({
    ...{ database, gate, clock, newId, logger, metrics },
    maxAgeMs: 30_000,
  })
  const park = (_type: string, reason: string) => void events.push(`park ${reason}`)
  return createAddToCartConsumer({ broker, codec, decider, park, logger, defer: setImmediate })
}

/** The fixture's database, telling when something is committed. */
const telling = (): Database => ({
  ...fixture.database,
  async transaction(script) {
    const result = await fixture.database.transaction(script)
    events.push('commit')
    return result
  },
})

function bodyOf(changes: Partial<AddToCart> = {}): Buffer {
  const requestId = changes.requestId ?? fixture.newId()
  const shopper = { requestId, userId: user, idempotencyKey: requestId }
  const sentAt = fixture.clock.now()
  const request = { ...shopper, ...offer, quantity: 1, nodeId: 'api-1', sentAt, ...changes }
  return codec.seal('add_to_cart', topic, request)
}

function hand(body: Buffer, attempts = 1): void {
  const message = createMessage(body, (note) => events.push(note), attempts)
  consumer.receive(topic, offer.productId, message)
}

function outcomesOf(published: StubBroker['published'][number] | undefined) {
  if (published?.bodies[0] === undefined) throw new Error('nothing was published')
  const opened = codec.open('add_to_cart_result', published.topic, published.bodies[0])
  if (!opened.readable) throw new Error(opened.reason)
  return opened.message.outcomes
}

beforeEach(async () => {
  fixture = await openSaleFixture()
  offer = await fixture.sale({ stock: 5 })
  user = await fixture.user()
  broker = createStubBroker()
  gate = createSoldOutGate(() => fixture.clock.now())
  events = []
  broker.answer = async () => {
    events.push('publish')
    await endOfTick()
    events.push('published')
  }
  consumer = consumerOn(telling())
})

afterEach(async () => {
  await consumer.stop()
  await fixture.close()
})

describe('an add-to-cart message', () => {
  it('is committed, then told, and finished only when that is published', async () => {
    hand(bodyOf())
    await consumer.stop()
    expect(events).toEqual(['commit', 'publish', 'published', 'finish'])
    expect(outcomesOf(broker.published[0])).toMatchObject([{ outcome: { kind: 'held' } }])
  })

  it('is requeued, not finished, when its outcome cannot be published', async () => {
    broker.answer = () => Promise.reject(new BrokerUnavailableError('gone'))
    hand(bodyOf())
    await consumer.stop()
    expect(events).toEqual(['commit', 'requeue 1000'])
  })

  it('delivered again after that is told the same hold', async () => {
    const body = bodyOf()
    hand(body)
    await consumer.stop()
    hand(body, 2)
    await consumer.stop()
    const [first, second] = broker.published.map((each) => outcomesOf(each)[0]?.outcome)
    expect(second).toEqual({ ...first, replayed: true })
    expect(await fixture.stock(offer)).toBe('4/1/0')
  })

  it('for another product is finished and neither decided nor told', async () => {
    hand(bodyOf({ productId: offer.productId + 1 }))
    expect(events).toEqual(['finish'])
    await consumer.stop()
    expect(broker.published).toEqual([])
  })

  it('for another product is not decided either when its product comes last in it', async () => {
    const { flashSaleId } = offer
    const productId = offer.productId + 1
    const requestId = fixture.newId()
    const shopper = { requestId, userId: user, idempotencyKey: requestId, nodeId: 'api-1' }
    const request = { ...shopper, flashSaleId, quantity: 1, sentAt: fixture.clock.now(), productId }
    hand(codec.seal('add_to_cart', topic, request))
    await consumer.stop()
    expect(events).toEqual(['finish'])
  })

  it('that nobody can read is parked and finished', async () => {
    hand(Buffer.from('garbage'))
    await consumer.stop()
    expect(events).toEqual(['park malformed', 'finish'])
  })

  it('of another topic is parked', () => {
    const message = createMessage(bodyOf(), (note) => events.push(note))
    consumer.receive('add_to_cart.sale-2', offer.productId, message)
    expect(events).toEqual(['park bad_signature', 'finish'])
  })

  it('the gate refuses is told and finished with no transaction', async () => {
    gate.close(offer.productId, 1)
    hand(bodyOf())
    await consumer.stop()
    expect(events).toEqual(['publish', 'published', 'finish'])
    const soldOut = { kind: 'refused', refusal: 'sold_out' }
    expect(outcomesOf(broker.published[0])).toMatchObject([{ outcome: soldOut }])
  })

  it('the database cannot digest is parked and finished, the others are told', async () => {
    const taken = fixture.newId()
    hand(bodyOf({ requestId: taken }))
    await consumer.stop()
    hand(bodyOf({ requestId: taken, idempotencyKey: 'other' }))
    hand(bodyOf())
    await consumer.stop()
    expect(events.filter((event) => event === 'park poison')).toHaveLength(1)
    expect(events.filter((event) => event === 'finish')).toHaveLength(3)
    expect(outcomesOf(broker.published[1])).toMatchObject([{ outcome: { kind: 'held' } }])
  })
})

describe('messages of one tick', () => {
  it('are decided in one transaction and told once per node, each its own', async () => {
    const [mine, yours, mineToo] = [fixture.newId(), fixture.newId(), fixture.newId()]
    hand(bodyOf({ requestId: mine, nodeId: 'api-1' }))
    hand(bodyOf({ requestId: yours, nodeId: 'api-2' }))
    hand(bodyOf({ requestId: mineToo, nodeId: 'api-1' }))
    await consumer.stop()
    expect(events.filter((event) => event === 'commit')).toHaveLength(1)
    const told = broker.published.map((each) => [
      each.topic,
      outcomesOf(each).map(({ requestId }) => requestId),
    ])
    expect(told).toEqual([
      [addToCartResultTopic('api-1'), [mine, mineToo]],
      [addToCartResultTopic('api-2'), [yours]],
    ])
  })
})

describe('stopping', () => {
  it('waits for what is decided and being published', async () => {
    let answer = (): void => undefined
    broker.answer = () =>
      new Promise((resolve) => {
        answer = resolve
      })
    hand(bodyOf())
    const stopping = consumer.stop().then(() => events.push('stopped'))
    await endOfTick()
    await endOfTick()
    expect(broker.published).toHaveLength(1)
    expect(events).toEqual(['commit'])
    answer()
    await stopping
    expect(events).toEqual(['commit', 'finish', 'stopped'])
  })

  it('while the database is away leaves the messages with the broker, touched and unanswered', async () => {
    const unavailable = new DatabaseUnavailableError('gone')
    consumer = consumerOn({ ...fixture.database, transaction: () => Promise.reject(unavailable) })
    hand(bodyOf())
    await endOfTick()
    await endOfTick()
    const stopping = consumer.stop()
    fixture.clock.advance(250)
    await stopping
    expect(events).toEqual(['touch'])
    expect(broker.published).toEqual([])
  })
})
