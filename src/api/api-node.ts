import type { RunAudit } from '../audit/audit.ts'
import type { Broker } from '../broker/broker.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { AddToCartOutcome } from '../domain/reservation.ts'
import type { NewId } from '../ids.ts'
import type { Service } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { AddToCartRoutingSetting } from '../domain/flash-sale.ts'
import type { MessageCodec } from '../messaging/envelope.ts'
import type { Metrics } from '../metrics.ts'
import type { PaymentSettlement } from '../payments/pay.ts'
import type { AnnounceStockReleased } from '../messaging/stock-released.ts'
import { createOperatorActions } from './routes/operator-actions.ts'
import { createAddToCartHandler } from './add-to-cart/handler.ts'
import type { Identity } from './identity/identity.ts'
import { createFastPath, type FastPath } from './add-to-cart/fast-path.ts'
import { createLateReplies } from './add-to-cart/late-replies.ts'
import { createLocalGate, type LocalGate } from './add-to-cart/local-gate.ts'
import { createPayHandler } from './pay-handler.ts'
import { createPendingReplies } from './add-to-cart/pending-replies.ts'
import { createPublisher } from './add-to-cart/publisher.ts'
import { createRateLimit } from './http/rate-limit.ts'
import type { AnyRoute } from './http/route.ts'
import { createSharedPages } from './http/shared-pages.ts'
import { adminActionRoutes } from './routes/admin-actions.ts'
import { adminRoutes } from './routes/admin.ts'
import { cartRoutes } from './routes/cart.ts'
import { flashSaleRoutes } from './routes/flash-sales.ts'
import { invoiceRoutes } from './routes/invoices.ts'
import { moneyRoutes } from './routes/money.ts'
import { productRoutes } from './routes/products.ts'
import { userRoutes } from './routes/users.ts'
import { createSaleCatalog } from './add-to-cart/sale-catalog.ts'

/** The parts that only an API node has: its routes, the fast path, the gate and its services. */
export interface ApiNode {
  readonly routes: readonly AnyRoute[]
  readonly fastPath: FastPath
  readonly gate: LocalGate
  /** The consumer of this node's result topic passes outcomes on to it. */
  readonly results: ResultReceiver
  readonly services: readonly Service[]
  readonly payments: Service
}

export interface ResultReceiver {
  readonly nodeId: string
  readonly settle: (requestId: string, outcome: AddToCartOutcome) => void
}

export interface ApiNodeOptions {
  readonly config: ApiNodeConfig
  readonly database: Database
  readonly broker: Broker
  readonly codec: MessageCodec
  readonly metrics: Metrics
  readonly settlement: PaymentSettlement
  readonly audit: RunAudit
  readonly announceStockReleased: AnnounceStockReleased
  readonly clock: Clock
  readonly random: () => number
  readonly newId: NewId
  readonly logger: Logger
  readonly defer: (task: () => void) => void
}

export interface ApiNodeConfig {
  readonly nodeId: string
  readonly holdSeconds: number
  readonly addToCartRouting: AddToCartRoutingSetting
  readonly addToCartWaitMs: number
  readonly addToCartMaxAgeMs: number
  readonly addToCartUserRate: number
  readonly pendingRepliesMax: number
  readonly paymentWebhookSecrets: readonly string[]
}

/** A minute of an outage at 800 requests a second; at 3,000 a second it takes some 50 MB. */
const unwrittenMin = 50_000

export function createApiNode(options: ApiNodeOptions, identity: Identity): ApiNode {
  const { authentication, localIssuer } = identity
  const { config, clock, broker, defer } = options
  const { nodeId, pendingRepliesMax } = config
  const catalog = createSaleCatalog({ ...options, routing: config.addToCartRouting })
  const gate = createLocalGate(clock)
  const replyTimeoutMs = config.addToCartWaitMs
  const pendingReplies = createPendingReplies({ clock, pendingRepliesMax, replyTimeoutMs })
  const lateReplies = createLateReplies({
    ...options,
    maxAgeMs: config.addToCartMaxAgeMs,
    unwrittenMax: Math.max(unwrittenMin, pendingRepliesMax),
  })
  const publisher = createPublisher(broker, defer)
  const rateLimit = createRateLimit(config.addToCartUserRate, clock)
  const sharedPages = createSharedPages(options)
  const operatorActions = createOperatorActions(options)
  const shared = { ...options, operatorActions, catalog, lateReplies, rateLimit }
  const addToCart = createAddToCartHandler({ ...shared, gate, pendingReplies, publisher, nodeId })
  const payHandler = createPayHandler(options)
  return {
    routes: [
      ...(localIssuer === undefined ? [] : userRoutes({ ...shared, localIssuer })),
      ...flashSaleRoutes({ sharedPages }),
      ...productRoutes({ sharedPages }),
      ...cartRoutes({ ...shared, addToCart }),
      ...invoiceRoutes({ ...options, payHandler }),
      ...moneyRoutes({ ...shared, webhookSecrets: config.paymentWebhookSecrets }),
      ...adminActionRoutes(options),
      ...adminRoutes({ ...shared, holdSeconds: config.holdSeconds }),
    ],
    fastPath: createFastPath({ ...shared, addToCart, authentication }),
    gate,
    results: {
      nodeId,
      settle(requestId, outcome) {
        if (!pendingReplies.settle(requestId, outcome)) lateReplies.arrived(requestId, outcome)
      },
    },
    services: [lateReplies, pendingReplies, catalog],
    payments: payHandler,
  }
}
