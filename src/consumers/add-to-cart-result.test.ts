import { beforeEach, describe, expect, it } from 'vitest'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import { createLogger } from '../logger.ts'
import { createSignedCodec } from '../messaging/envelope.ts'
import { testId } from '../../test/support/database-fixture.ts'
import { createReceivingBroker, type ReceivingBroker } from '../../test/support/receiving-broker.ts'
import {
  createAddToCartResultConsumer,
  type AddToCartResultConsumer,
} from './add-to-cart-result.ts'

const codec = createSignedCodec([{ id: 'k', secret: 'secret-of-the-tests' }])
const topic = 'add_to_cart_result.api-1#ephemeral'
const channel = `${topic}/node#ephemeral`
const soldOut: AddToCartOutcome = { kind: 'refused', refusal: 'sold_out' }

describe('the outcomes for this node', () => {
  let broker: ReceivingBroker
  let consumer: AddToCartResultConsumer
  let settled: (readonly [string, AddToCartOutcome])[]
  let parked: string[]
  let lines: string[]
  let stamps: (readonly [string, number])[]

  const sealedFor = (to: string, ...ids: readonly number[]): Buffer => {
    const outcomes = ids.map((id) => ({ requestId: testId(id), outcome: soldOut }))
    return codec.seal('add_to_cart_result', to, { outcomes })
  }

  beforeEach(() => {
    broker = createReceivingBroker()
    settled = []
    parked = []
    lines = []
    stamps = []
    consumer = createAddToCartResultConsumer({
      broker,
      codec,
      nodeId: 'api-1',
      logger: createLogger('warn', {}, { destination: { write: (line) => void lines.push(line) } }),
      clockSkew: { observe: (...stamp) => void stamps.push(stamp) },
      park: (type, reason) => void parked.push(`${type} ${reason}`),
      settle: (requestId, outcome) => void settled.push([requestId, outcome]),
    })
  })

  it('cannot arrive before the start and after the stop', async () => {
    expect(consumer.connected()).toBe(false)
    await consumer.start()
    expect(consumer.connected()).toBe(true)
    await consumer.stop()
    expect(consumer.connected()).toBe(false)
  })

  it('are each settled under their request, then the message is finished', async () => {
    await consumer.start()
    expect(broker.hand(channel, sealedFor(topic, 1, 2))).toEqual(['finish'])
    expect(settled).toEqual([
      [testId(1), soldOut],
      [testId(2), soldOut],
    ])
  })

  it('told again after a redelivery are settled again: the receiver decides', async () => {
    await consumer.start()
    broker.hand(channel, sealedFor(topic, 1))
    expect(broker.hand(channel, sealedFor(topic, 1), 2)).toEqual(['finish'])
    expect(settled).toHaveLength(2)
  })

  it('meant for another node are parked and finished, settling nothing', async () => {
    await consumer.start()
    const body = sealedFor('add_to_cart_result.api-2#ephemeral', 1)
    expect(broker.hand(channel, body)).toEqual(['finish'])
    expect(settled).toEqual([])
    expect(parked).toEqual(['add_to_cart_result bad_signature'])
  })

  it('do not come to a second process with the same NODE_ID, which says why, in one line', async () => {
    const { subscribe } = broker
    broker.subscribe = (options) => {
      const subscription = subscribe(options)
      return { ...subscription, connected: () => false, isStandby: () => true }
    }
    expect(consumer.status()).toBe('no result channel yet')
    await consumer.start()
    const reason = 'another process receives the results of NODE_ID api-1: each needs its own'
    expect(consumer.status()).toBe(reason)
    expect(consumer.status()).toBe(reason)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(reason)
  })

  it('tell the clock of the worker that sent them', async () => {
    await consumer.start()
    const result = { outcomes: [], nodeId: 'worker-1', sentAt: 5 }
    broker.hand(channel, codec.seal('add_to_cart_result', topic, result))
    broker.hand(channel, sealedFor(topic, 1))
    expect(stamps).toEqual([['worker-1', 5]])
  })
})
