import type { AddToCartRoutingSetting } from '../domain/flash-sale.ts'
import type { Broker } from '../broker/broker.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { NewId } from '../ids.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import { createClockSkew } from '../messaging/clock-skew.ts'
import type { MessageCodec } from '../messaging/envelope.ts'
import type { Metrics } from '../metrics.ts'
import type { Park } from '../messaging/parking.ts'
import { createAddToCartConsumer } from './add-to-cart.ts'
import { createDecider } from './decide.ts'
import { createFollowSales } from './follow-sales.ts'
import { createProbeStock } from './probe-stock.ts'
import { createSoldOutGate, type SoldOutGate } from './sold-out-gate.ts'
import { createOutcomeTeller } from './tell-outcomes.ts'

/** The consumers that sell: everything between an add-to-cart message and its published outcome. */
export interface SellingConsumers {
  readonly gate: SoldOutGate
  readonly services: readonly Service[]
}

export interface SellingConsumersOptions {
  readonly config: {
    readonly nodeId: string
    readonly addToCartRouting: AddToCartRoutingSetting
    readonly addToCartWaitMs: number
    readonly addToCartMaxAgeMs: number
  }
  readonly database: Database
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly park: Park
  readonly metrics: Metrics
  readonly clock: Clock
  readonly random: () => number
  readonly newId: NewId
  readonly logger: Logger
  readonly defer: (task: () => void) => void
}

export function createSellingConsumers(options: SellingConsumersOptions): SellingConsumers {
  const { config, clock } = options
  const gate = createSoldOutGate(() => clock.now())
  const maxAgeMs = config.addToCartMaxAgeMs
  const decider = createDecider({ ...options, gate, maxAgeMs })
  const teller = createOutcomeTeller({ ...options, maxAgeMs, nodeId: config.nodeId })
  const clockSkew = createClockSkew({ ...options, finds: 'ahead' })
  const consumer = createAddToCartConsumer({ ...options, decider, teller, clockSkew })
  const sales = { ...options, consumer, gate, routing: config.addToCartRouting }
  // A shopper may wait for an answer after the end of the sale, so its consumers stay for that
  // long.
  const follow = createFollowSales({ ...sales, graceMs: config.addToCartWaitMs })
  const probe = createProbeStock({ ...options, gate, channels: () => follow.channels() })
  return { gate, services: [follow, probe] }
}
