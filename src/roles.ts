import { createApiNode, type ApiNode } from './api/api-node.ts'
import type { Authentication } from './api/identity/authentication.ts'
import type { FastPath } from './api/add-to-cart/fast-path.ts'
import { createIdentity } from './api/identity/identity.ts'
import type { ReadinessCheck } from './api/http/readiness.ts'
import type { AnyRoute } from './api/http/route.ts'
import { createAudit, type RunAudit } from './audit/audit.ts'
import type { Broker } from './broker/broker.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { createWorkerWatch } from './api/worker-watch.ts'
import {
  createAddToCartResultConsumer,
  type AddToCartResultConsumer,
} from './consumers/add-to-cart-result.ts'
import { createSellingConsumers } from './consumers/selling.ts'
import { createStockReleasedConsumer } from './consumers/stock-released.ts'
import { createMaintenance } from './cron/maintenance.ts'
import type { Timetable } from './cron/scheduler.ts'
import type { Database } from './db/database.ts'
import type { NewId } from './ids.ts'
import type { Service } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import { createClockSkew } from './messaging/clock-skew.ts'
import { createPlainCodec, createSignedCodec, type MessageCodec } from './messaging/envelope.ts'
import type { Metrics } from './metrics.ts'
import { createParking, type Park } from './messaging/parking.ts'
import type { PaymentLedger } from './payments/ledger.ts'
import { createPaymentSettlement, type PaymentSettlement } from './payments/pay.ts'
import type { PaymentProvider } from './payments/provider.ts'
import {
  createStockReleasedPublisher,
  type AnnounceStockReleased,
} from './messaging/stock-released.ts'

/**
 * The parts of a process for its role: routes, checks and services. The caller chooses the
 * adapters: `holdfast.ts` takes the real ones, the simulation takes its own.
 */
export interface Roles {
  /** The HTTP routes; none for `ROLE=worker`. */
  readonly routes: readonly AnyRoute[]
  readonly fastPath: FastPath | undefined
  readonly authentication: Authentication
  readonly checks: Readonly<Record<string, ReadinessCheck>>
  /** Told on `/readyz` without making the process unready. */
  readonly warnings: Readonly<Record<string, ReadinessCheck>>
  /** The services in the order to start them. */
  readonly services: readonly Service[]
}

export interface Runtime {
  readonly clock: Clock
  readonly newId: NewId
  readonly random: () => number
  readonly logger: Logger
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
  /** When jobs run; node-cron on the real clock unless given. */
  readonly timetable?: Timetable
}

export interface Adapters {
  readonly database: Database
  /** For an audit, which takes long. */
  readonly reader: Pick<Database, 'read'>
  readonly broker: Broker
  readonly provider: PaymentProvider & PaymentLedger
  readonly metrics: Metrics
}

/** The parts that every role has. */
export interface Application extends Runtime {
  readonly config: Config
  readonly database: Database
  readonly reader: Pick<Database, 'read'>
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly park: Park
  readonly metrics: Metrics
  readonly settlement: PaymentSettlement
  readonly audit: RunAudit
  readonly announceStockReleased: AnnounceStockReleased
}

export function createApplication(
  config: Config,
  runtime: Runtime,
  adapters: Adapters,
): Application {
  const { clock, newId, logger } = runtime
  const { database, reader, broker, provider, metrics } = adapters
  const codec = config.broker === 'nsq' ? createSignedCodec(config.messageKeys) : createPlainCodec()
  return {
    ...runtime,
    config,
    database,
    reader,
    broker,
    codec,
    metrics,
    park: createParking({ broker, metrics, logger, now: () => clock.now() }),
    settlement: createPaymentSettlement({ database, provider, clock, newId, logger }),
    audit: createAudit({ database: reader, provider, clock }),
    announceStockReleased: createStockReleasedPublisher(broker, codec, logger),
  }
}

export function createRoles(application: Application): Roles {
  const { config } = application
  const sells = config.role !== 'api'
  const serves = config.role !== 'worker'
  const selling = sells ? createSellingConsumers(application) : undefined
  const identity = createIdentity(application)
  const apiNode = serves ? createApiNode(application, identity) : undefined
  const results = apiNode && createResults(application, apiNode)
  // A process that sells is a worker itself.
  const workers = serves && !sells ? createWorkerWatch(application) : undefined
  const released = createStockReleasedConsumer({
    ...application,
    nodeId: config.nodeId,
    onReleased(productId) {
      selling?.gate.open(productId)
      apiNode?.gate.open(productId)
    },
  })
  return {
    routes: apiNode?.routes ?? [],
    fastPath: apiNode?.fastPath,
    authentication: identity.authentication,
    checks: {
      ...(serves && identity.checks),
      ...(results && { results: () => results.status() }),
    },
    warnings: workers === undefined ? {} : { workers: () => workers.warning() },
    services: [
      ...(serves ? identity.services : []),
      ...(apiNode?.services ?? []),
      results,
      workers,
      released,
      ...(selling?.services ?? []),
      sells ? createMaintenance(application) : undefined,
      apiNode?.payments,
    ].filter((service) => service !== undefined),
  }
}

function createResults(application: Application, apiNode: ApiNode): AddToCartResultConsumer {
  const clockSkew = createClockSkew({ ...application, finds: 'ahead_and_behind' })
  return createAddToCartResultConsumer({ ...application, ...apiNode.results, clockSkew })
}
