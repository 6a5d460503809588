import { setImmediate as endOfTick } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker/broker.ts'
import { DatabaseUnavailableError, type Database } from '../db/database.ts'
import { createLogger } from '../logger.ts'
import { addToCartResultTopic } from '../messaging/topics.ts'
import { createSignedCodec } from '../messaging/envelope.ts'
import type { AddToCart } from '../messaging/messages.ts'
import { createMetrics } from '../metrics.ts'
import { createMessage } from '../../test/support/receiving-broker.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { createStubBroker, type StubBroker } from '../../test/support/stub-broker.ts'
import { until } from '../../test/support/until.ts'
import { createAddToCartConsumer, type AddToCartConsumer } from './add-to-cart.ts'
import { createDecider } from './decide.ts'
import { createSoldOutGate, type SoldOutGate } from './sold-out-gate.ts'
import { createOutcomeTeller } from './tell-outcomes.ts'

const topic = 'add_to_cart.sale-1'
const maxAgeMs = 30_000
const soonMs = 5_000
const codec = createSignedCodec([{ id: 'k', secret: 'secret-of-the-tests' }])

let fixture: SaleFixture
let offer: Offer
let user: number
let broker: StubBroker
let gate: SoldOutGate
let consumer: AddToCartConsumer
/** The events of the test in order. */
let events: string[]

function consumerOn(database: Database): AddToCartConsumer {
  const { clock, newId } = fixture
  const logger = createLogger('silent', {})
  const metrics = createMetrics()
  const decider = createDecider({ database, gate, clock, newId, logger, metrics, maxAgeMs })
  const teller = createOutcomeTeller({ nodeId: 'worker-1', broker, codec, clock, logger, maxAgeMs })
  const park = (_type: string, reason: string) => void events.push(`park ${reason}`)
  return createAddToCartConsumer({
    codec,
    decider,
    teller,
    park,
    logger,
    clockSkew: { observe: () => undefined },
    defer: setImmediate,
  })
}

/** Wraps the fixture's database to record every commit. */
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
  const name = { userId: user, userUid: fixture.uidOf(changes.userId ?? user) }
  const shopper = { requestId, ...name, idempotencyKey: requestId }
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

  it('delivered again is told the same hold', async () => {
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
    const name = { userId: user, userUid: fixture.uidOf(user) }
    const shopper = { requestId, ...name, idempotencyKey: requestId, nodeId: 'api-1' }
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

describe('while the broker takes nothing', () => {
  let working: StubBroker['answer']

  beforeEach(() => {
    working = broker.answer
    broker.answer = () => Promise.reject(new BrokerUnavailableError('connecting'))
  })

  const happened = (event: string, times: number): Promise<void> =>
    until(() => events.filter((each) => each === event).length === times, soonMs, event)

  /** Waits until the next try has been made. */
  async function retry(): Promise<void> {
    const before = broker.published.length
    fixture.clock.advance(250)
    await until(() => broker.published.length > before, soonMs, 'another try')
    await endOfTick()
  }

  const told = () => broker.published.slice(-1).flatMap(outcomesOf)

  it('keeps the messages in hand, touches them, and tells each its first outcome in the end', async () => {
    offer = await fixture.sale({ stock: 1 })
    hand(bodyOf())
    hand(bodyOf({ userId: await fixture.user() }))
    await happened('touch', 2)
    await retry()
    expect(events).toEqual(['commit', 'touch', 'touch', 'touch', 'touch'])
    broker.answer = working
    await retry()
    await happened('finish', 2)
    expect(events.slice(5)).toEqual(['publish', 'published', 'finish', 'finish'])
    const [held, refused] = told().map(({ outcome }) => outcome)
    expect(held).toMatchObject({ kind: 'held' })
    expect(held).not.toHaveProperty('replayed', true)
    expect(refused).toEqual({ kind: 'refused', refusal: 'sold_out' })
  })

  it('goes on deciding, and tells in the order of deciding', async () => {
    const [first, second, third] = [fixture.newId(), fixture.newId(), fixture.newId()]
    hand(bodyOf({ requestId: first }))
    await happened('touch', 1)
    broker.answer = working
    hand(bodyOf({ requestId: second, nodeId: 'api-2' }))
    await happened('commit', 2)
    hand(bodyOf({ requestId: third }))
    await happened('commit', 3)
    await endOfTick()
    expect(broker.published).toHaveLength(1)
    fixture.clock.advance(250)
    await happened('finish', 3)
    const order = broker.published.slice(1).flatMap(outcomesOf)
    expect(order.map(({ requestId }) => requestId)).toEqual([first, second, third])
  })

  it('gives the messages back when nobody can be waiting any more', async () => {
    hand(bodyOf())
    await happened('touch', 1)
    for (let waitedMs = 250; waitedMs < maxAgeMs; waitedMs += 250) await retry()
    expect(events).not.toContain('requeue 1000')
    await retry()
    await happened('requeue 1000', 1)
    expect(events).not.toContain('finish')
  })

  it('gives the messages back at once when that is not for its being away', async () => {
    broker.answer = () => Promise.reject(new RangeError('too large'))
    hand(bodyOf())
    await happened('requeue 1000', 1)
    expect(events).toEqual(['commit', 'requeue 1000'])
  })

  it('stops after one more try, giving the messages back', async () => {
    hand(bodyOf())
    await happened('touch', 1)
    const stopping = consumer.stop()
    await endOfTick()
    fixture.clock.advance(250)
    await stopping
    expect(broker.published).toHaveLength(2)
    expect(events).toEqual(['commit', 'touch', 'requeue 1000'])
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
