import { describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker/broker.ts'
import { createLogger } from '../logger.ts'
import { createPlainCodec, createSignedCodec } from './envelope.ts'
import { stockReleasedTopic } from './topics.ts'
import { createStockReleasedPublisher } from './stock-released.ts'
import { createStubBroker } from '../../test/support/stub-broker.ts'

const logger = createLogger('silent', {})
const codec = createSignedCodec([{ id: 'k1', secret: 'a secret of the tests' }])

function announced(broker: ReturnType<typeof createStubBroker>): readonly (readonly number[])[] {
  return broker.published.flatMap(({ topic, bodies }) =>
    bodies.map((body) => {
      const opened = codec.open('stock_released', topic, body)
      if (!opened.readable) throw new Error(opened.reason)
      return opened.message.productIds
    }),
  )
}

describe('announcing released stock', () => {
  it('tells the products in one message', () => {
    const broker = createStubBroker()
    createStockReleasedPublisher(broker, codec, logger)([3, 1, 2])
    expect(broker.published.map(({ topic }) => topic)).toEqual([stockReleasedTopic])
    expect(announced(broker)).toEqual([[3, 1, 2]])
  })

  it('says nothing when there is nothing to say', () => {
    const broker = createStubBroker()
    createStockReleasedPublisher(broker, codec, logger)([])
    expect(broker.published).toEqual([])
  })

  it('splits very many into messages everybody can read, losing none', () => {
    const broker = createStubBroker()
    const productIds = Array.from({ length: 12_001 }, (_, index) => index + 1)
    createStockReleasedPublisher(broker, codec, logger)(productIds)
    expect(broker.published).toHaveLength(1)
    expect(announced(broker).flat()).toEqual(productIds)
  })

  it('never fails: whoever misses it probes', async () => {
    const broker = createStubBroker()
    const failure = Promise.reject(new BrokerUnavailableError('gone'))
    broker.answer = () => failure
    createStockReleasedPublisher(broker, createPlainCodec(), logger)([1])
    await expect(failure).rejects.toThrow(BrokerUnavailableError)
    expect(broker.published).toHaveLength(1)
  })
})
