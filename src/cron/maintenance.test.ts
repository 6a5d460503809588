import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createAudit } from '../audit/audit.ts'
import { createMetrics } from '../metrics.ts'
import {
  openPaymentFixture,
  silentLogger,
  type PaymentFixture,
} from '../../test/support/payment-fixture.ts'
import { createMaintenance } from './maintenance.ts'

let fixture: PaymentFixture

beforeEach(async () => {
  fixture = await openPaymentFixture()
})

afterEach(() => fixture.close())

describe('maintenance', () => {
  it('sweeps what is over within two seconds, tells the gates, and shows its age', async () => {
    const { clock } = fixture
    const offer = await fixture.sale({ holdSeconds: 60 })
    await fixture.hold(await fixture.user(), offer)
    clock.advance(60_000)
    const metrics = createMetrics()
    const announced: number[] = []
    const announceStockReleased = (productIds: readonly number[]): void => {
      announced.push(...productIds)
    }
    const audit = createAudit(fixture)
    const config = { nodeId: 'worker-1' }
    const options = {
      ...fixture,
      reader: fixture.database,
      config,
      audit,
      announceStockReleased,
      metrics,
      logger: silentLogger,
    }
    const maintenance = createMaintenance(options)
    await maintenance.start()
    clock.advance(2_000)
    await maintenance.stop()
    expect(announced).toEqual([offer.productId])
    expect(await fixture.stock(offer)).toBe('10/0/0')
    expect(await metrics.read()).toMatch(/holdfast_sweep_age_seconds \d/)
    expect(await metrics.read()).toMatch(/holdfast_audit_age_seconds 2\n/)
  })
})
