import { describe, expect, it } from 'vitest'
import { BrokerUnavailableError } from '../broker/broker.ts'
import { createLogger } from '../logger.ts'
import { createMetrics } from '../metrics.ts'
import { createParking } from './parking.ts'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { createStubBroker } from '../../test/support/stub-broker.ts'

const logger = createLogger('silent', {})

function openParking() {
  const broker = createStubBroker()
  const clock = createFakeClock()
  const metrics = createMetrics()
  const park = createParking({ broker, metrics, logger, now: () => clock.now() })
  /** Reads the parked messages as an operator does. */
  const parked = (): readonly unknown[] =>
    broker.published.flatMap(({ bodies }) =>
      bodies.map((body) => JSON.parse(String(body)) as object),
    )
  const counted = async (): Promise<number> => {
    const { values } = await metrics.unreadableMessages.get()
    return values.reduce((sum, { value }) => sum + value, 0)
  }
  return { broker, clock, metrics, park, parked, counted }
}

/** Waits until parking is done: it runs in the background and calls the broker twice. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('parking', () => {
  it('keeps the bytes, why nobody could read them and when', async () => {
    const { broker, clock, park, parked } = openParking()
    park('add_to_cart', 'bad_signature', Buffer.from([0, 255, 10]))
    await settled()
    expect(broker.channels).toEqual(['parked_messages/inspect'])
    expect(broker.published[0]?.topic).toBe('parked_messages')
    expect(parked()).toEqual([
      {
        type: 'add_to_cart',
        reason: 'bad_signature',
        bytes: 3,
        parkedAt: clock.now(),
        base64: 'AP8K',
      },
    ])
  })

  it('keeps the beginning of a huge message and says how large it was', async () => {
    const { park, parked } = openParking()
    park('stock_released', 'malformed', Buffer.alloc(1_000_000, 'x'))
    await settled()
    const [record] = parked() as readonly { bytes: number; base64: string }[]
    expect(record?.bytes).toBe(1_000_000)
    expect(Buffer.from(record?.base64 ?? '', 'base64')).toHaveLength(4096)
  })

  it('counts by type and reason', async () => {
    const { metrics, park } = openParking()
    park('add_to_cart', 'poison', Buffer.from('a'))
    park('add_to_cart', 'poison', Buffer.from('b'))
    expect((await metrics.unreadableMessages.get()).values).toMatchObject([
      { value: 2, labels: { type: 'add_to_cart', reason: 'poison' } },
    ])
  })

  it('counts a flood in full and keeps a hundred a minute', async () => {
    const { clock, park, parked, counted } = openParking()
    const flood = (): void => {
      for (let count = 0; count < 150; count += 1)
        park('add_to_cart', 'malformed', Buffer.from('x'))
    }
    flood()
    await settled()
    expect(parked()).toHaveLength(100)
    clock.advance(60_000)
    flood()
    await settled()
    expect(parked()).toHaveLength(200)
    expect(await counted()).toBe(300)
  })

  it('does not fail when the broker is away; the message is counted all the same', async () => {
    const { broker, park, parked, counted } = openParking()
    broker.answer = () => Promise.reject(new BrokerUnavailableError('gone'))
    park('add_to_cart', 'malformed', Buffer.from('x'))
    await settled()
    expect(parked()).toEqual([])
    expect(await counted()).toBe(1)
  })
})
