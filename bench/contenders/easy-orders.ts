import { createPayHandler, type PayHandler } from '../../src/api/pay-handler.ts'
import { invoiceView } from '../../src/api/routes/views.ts'
import { systemClock } from '../../src/clock.ts'
import { checkOut } from '../../src/db/checkout.ts'
import type { Database } from '../../src/db/database.ts'
import { openSqlite } from '../../src/db/sqlite/sqlite-database.ts'
import { newUuid } from '../../src/ids.ts'
import { createLogger } from '../../src/logger.ts'
import { createPaymentSettlement } from '../../src/payments/pay.ts'
import { createSimulatedProvider } from '../../src/payments/simulator/simulated-provider.ts'

/**
 * Checkout and payment of `easy` use Holdfast's own code. They do not go through the queue in
 * Holdfast either, so the comparison only shows how fast they are beside the rush.
 */
export interface Orders {
  checkOut(userId: number, idempotencyKey: string): Promise<Answer>
  pay(wish: Parameters<PayHandler['pay']>[0]): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

export interface OrdersOptions {
  readonly databasePath: string
  readonly paymentSimulatorPath: string
}

export async function openOrders(options: OrdersOptions): Promise<Orders> {
  const clock = systemClock
  const logger = createLogger('warn', {})
  const database = openSqlite({ path: options.databasePath, clock, random: Math.random })
  const provider = createSimulatedProvider({
    path: options.paymentSimulatorPath,
    clock,
    random: Math.random,
  })
  await provider.start()
  const shared = { database, clock, newId: newUuid, logger }
  const settlement = createPaymentSettlement({ ...shared, provider })
  const handler = createPayHandler({ ...shared, settlement })
  return {
    checkOut: (userId, idempotencyKey) => checkOutCart(database, userId, idempotencyKey),
    async pay(wish) {
      const { status, body } = await handler.pay(wish)
      return { status, body }
    },
  }
}

async function checkOutCart(
  database: Database,
  userId: number,
  idempotencyKey: string,
): Promise<Answer> {
  const order = { userId, idempotencyKey, invoiceId: newUuid(), now: systemClock.now() }
  const result = await database.transaction(() => checkOut(order))
  if (!('invoice' in result)) return { status: 409, body: { code: result.kind } }
  return { status: 201, body: { invoice: invoiceView(result.invoice) } }
}
