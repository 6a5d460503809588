import { beforeEach, describe, expect, it } from 'vitest'
import type { Service } from '../lifecycle.ts'
import { createSignedCodec } from '../messaging/envelope.ts'
import { createReceivingBroker, type ReceivingBroker } from '../../test/support/receiving-broker.ts'
import { createStockReleasedConsumer } from './stock-released.ts'

const codec = createSignedCodec([{ id: 'k', secret: 'secret-of-the-tests' }])
const channel = 'stock_released/worker-1#ephemeral'

describe('the news of released stock', () => {
  let broker: ReceivingBroker
  let consumer: Service
  let released: number[]
  let parked: string[]

  beforeEach(async () => {
    broker = createReceivingBroker()
    released = []
    parked = []
    consumer = createStockReleasedConsumer({
      broker,
      codec,
      nodeId: 'worker-1',
      park: (type, reason) => void parked.push(`${type} ${reason}`),
      onReleased: (productId) => void released.push(productId),
    })
    await consumer.start()
  })

  it('is received on a channel of this process alone', () => {
    expect([...broker.subscribed.keys()]).toEqual([channel])
  })

  it('opens every product it names, then is finished', () => {
    const body = codec.seal('stock_released', 'stock_released', { productIds: [3, 5] })
    expect(broker.hand(channel, body)).toEqual(['finish'])
    expect(released).toEqual([3, 5])
    expect(parked).toEqual([])
  })

  it('that was forged opens nothing, is parked and finished', () => {
    const forger = createSignedCodec([{ id: 'k', secret: 'somebody-elses-secret' }])
    const body = forger.seal('stock_released', 'stock_released', { productIds: [3] })
    expect(broker.hand(channel, body)).toEqual(['finish'])
    expect(released).toEqual([])
    expect(parked).toEqual(['stock_released bad_signature'])
  })

  it('is no longer received after the stop', async () => {
    await consumer.stop()
    expect(broker.subscribed.size).toBe(0)
  })
})
