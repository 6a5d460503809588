import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clearCart } from '../db/carts.ts'
import { DatabaseUnavailableError, type Database } from '../db/database.ts'
import { createLogger } from '../logger.ts'
import { createMetrics, type Metrics } from '../metrics.ts'
import { openSaleFixture, type Offer, type SaleFixture } from '../../test/support/sale-fixture.ts'
import { countStatements } from '../../test/support/statement-counter.ts'
import { createStubBroker, type StubBroker } from '../../test/support/stub-broker.ts'
import { createProbeStock, type ProbeStock } from './probe-stock.ts'
import { createSoldOutGate, type SoldOutGate } from './sold-out-gate.ts'

describe('the stock probe', () => {
  let fixture: SaleFixture
  let broker: StubBroker
  let gate: SoldOutGate
  let metrics: Metrics
  let offer: Offer
  let shopper: number

  const channel = { topic: 't', channel: 'c', productId: 1 }

  function probeOn(database: Database = fixture.database): ProbeStock {
    const { clock } = fixture
    const logger = createLogger('silent', {})
    const channels = () => [channel]
    return createProbeStock({ database, broker, gate, channels, clock, logger, metrics })
  }

  async function gauge(name: string): Promise<string | undefined> {
    const lines = (await metrics.read()).split('\n')
    return lines.find((line) => line.startsWith(name))?.split(' ')[1]
  }

  beforeEach(async () => {
    fixture = await openSaleFixture()
    broker = createStubBroker()
    metrics = createMetrics()
    gate = createSoldOutGate(() => fixture.clock.now())
    offer = await fixture.sale({ stock: 5 })
    shopper = await fixture.user()
    await fixture.hold(shopper, offer, 4)
  })

  afterEach(() => fixture.close())

  it('opens a gate as soon as there is enough for what was refused', async () => {
    gate.close(offer.productId, 2)
    const probe = probeOn()
    await probe.probe()
    expect([...gate.closed()]).toEqual([[offer.productId, 2]])
    await fixture.run(clearCart(shopper, fixture.clock.now()))
    await probe.probe()
    expect(gate.closed().size).toBe(0)
  })

  it('opens when exactly as much is left as was refused', async () => {
    gate.close(offer.productId, 1)
    await probeOn().probe()
    expect(gate.closed().size).toBe(0)
  })

  it('leaves a product nobody knows closed', async () => {
    gate.close(999, 1)
    await probeOn().probe()
    expect(gate.closed().has(999)).toBe(true)
  })

  it('does not ask the database while nothing is closed', async () => {
    const { database, texts } = countStatements(fixture.database)
    await probeOn(database).probe()
    expect(texts).toEqual([])
  })

  it('looks once a second, and again after a look that failed', async () => {
    let left = 1
    const database: Database = {
      ...fixture.database,
      read(script) {
        left -= 1
        if (left >= 0) return Promise.reject(new DatabaseUnavailableError('gone'))
        return fixture.database.read(script)
      },
    }
    gate.close(offer.productId, 1)
    const probe = probeOn(database)
    await probe.start()
    fixture.clock.advance(999)
    expect(left).toBe(1)
    fixture.clock.advance(1)
    expect(left).toBe(0)
    await new Promise((resolve) => setImmediate(resolve))
    expect(gate.closed().size).toBe(1)
    fixture.clock.advance(1_000)
    await probe.stop()
    expect(gate.closed().size).toBe(0)
    expect(fixture.clock.pending()).toBe(0)
  })

  it('measures how many products are closed and how far the consumers lag', async () => {
    gate.close(offer.productId, 2)
    broker.depth = () => Promise.resolve(17)
    const probe = probeOn()
    await probe.start()
    fixture.clock.advance(1_000)
    await probe.stop()
    expect(await gauge('holdfast_gate_closed_products')).toBe('1')
    expect(await gauge('holdfast_queue_lag_messages{topic="t",channel="c"}')).toBe('17')
  })

  it('says no lag when nobody knows it', async () => {
    const probe = probeOn()
    await probe.start()
    fixture.clock.advance(1_000)
    await probe.stop()
    expect(await gauge('holdfast_queue_lag_messages{')).toBeUndefined()
  })
})
