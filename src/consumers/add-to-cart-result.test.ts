import { beforeEach, describe, expect, it } from 'vitest'
import type { AddToCartOutcome } from '../domain/reservation.ts'
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

  const sealedFor = (to: string, ...ids: readonly number[]): Buffer => {
    const outcomes = ids.map((id) => ({ requestId: testId(id), outcome: soldOut }))
    return codec.seal('add_to_cart_result', to, { outcomes })
  }

  beforeEach(() => {
    broker = createReceivingBroker()
    settled = []
    parked = []
    consumer = createAddToCartResultConsumer({
      broker,
      codec,
      nodeId: 'api-1',
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
})
