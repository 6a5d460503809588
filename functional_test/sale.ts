import type { Client, Reply } from './client.ts'
import { createdSchema, flashSaleSchema, type FlashSale } from './contract.ts'
import type { ServerClock } from './hold-times.ts'
import { SetupError } from './setup-error.ts'
import { now, pause } from './time.ts'

export interface Sale {
  readonly flashSaleId: number
  readonly productId: number
  readonly clock: ServerClock
}

const openWithinMs = 10_000
/** A product added to a running sale is sold within a second. */
const catalogSettleMs = 1_200
/** Two clocks are never compared closer than this. */
const clockErrorMsMin = 50

/** API X, Y and Z: a sale that is open now, with one product of `stock` units and no limit. */
export async function createSale(client: Client, adminToken: string, stock: number): Promise<Sale> {
  const productId = await create(client, adminToken, {
    path: '/v1/admin/products',
    body: { name: 'Functional test', priceMinor: 19_900, currency: 'EUR', stock },
  })
  const flashSaleId = await create(client, adminToken, {
    path: '/v1/admin/flash-sales',
    body: {
      name: 'Functional test',
      startsAt: new Date(Date.now() - 1_000).toISOString(),
      endsAt: new Date(Date.now() + 24 * 3_600_000).toISOString(),
    },
  })
  const path = `/v1/admin/flash-sales/${flashSaleId}/products`
  await post(client, adminToken, { path, body: { productId } })
  const clock = await waitUntilOpen(client, flashSaleId, productId)
  await pause(catalogSettleMs)
  return { flashSaleId, productId, clock }
}

/**
 * Reads the sale and its product.
 * @throws SetupError unless the sale is open and has the product.
 */
export async function findSale(
  client: Client,
  flashSaleId: number,
  productId: number,
): Promise<Sale> {
  const { sale, clock } = await readSale(client, flashSaleId)
  if (sale.status !== 'active') {
    throw new SetupError(
      `flash sale ${flashSaleId} is ${sale.status} (${sale.startsAt} to ${sale.endsAt}): bots need an active one`,
    )
  }
  if (!hasProduct(sale, productId)) {
    throw new SetupError(
      `product ${productId} is not in flash sale ${flashSaleId}: add it with POST /v1/admin/flash-sales/${flashSaleId}/products`,
    )
  }
  return { flashSaleId, productId, clock }
}

async function waitUntilOpen(
  client: Client,
  flashSaleId: number,
  productId: number,
): Promise<ServerClock> {
  const until = now() + openWithinMs
  for (;;) {
    const { sale, clock } = await readSale(client, flashSaleId)
    if (sale.status === 'active' && hasProduct(sale, productId)) return clock
    if (now() > until) throw new SetupError(`the sale it made stays '${sale.status}'`)
    await pause(100)
  }
}

async function readSale(
  client: Client,
  flashSaleId: number,
): Promise<{ readonly sale: FlashSale; readonly clock: ServerClock }> {
  const reply = await client.once({
    step: 'set up',
    method: 'GET',
    path: `/v1/flash-sales/${flashSaleId}`,
  })
  if (reply === null) {
    throw new SetupError(
      `cannot reach ${client.origin}: is it running (npm start), is the address right? Without --host this program starts a server of its own`,
    )
  }
  if (reply.status === 404) {
    throw new SetupError(
      `there is no flash sale ${flashSaleId} at ${client.origin}: make one with POST /v1/admin/flash-sales`,
    )
  }
  const sale = flashSaleSchema.safeParse(reply.body)
  if (reply.status !== 200 || !sale.success) {
    throw new SetupError(`GET /v1/flash-sales/${flashSaleId} did not show a sale`, reply)
  }
  return { sale: sale.data, clock: clockOf(reply, sale.data.serverTime) }
}

/** Estimates the server's clock: it was read between the sending of the request and the answer. */
function clockOf(reply: Reply, serverTime: number): ServerClock {
  const middle = (reply.sentAt + reply.answeredAt) / 2
  const roundTripMs = reply.answeredAt - reply.sentAt
  return { offsetMs: serverTime - middle, errorMs: Math.max(clockErrorMsMin, roundTripMs) }
}

const hasProduct = (sale: FlashSale, productId: number): boolean =>
  sale.products.some((product) => (product.productId ?? product.id) === productId)

interface Made {
  readonly path: string
  readonly body: unknown
}

async function create(client: Client, adminToken: string, made: Made): Promise<number> {
  const reply = await post(client, adminToken, made)
  const created = createdSchema.safeParse(reply.body)
  if (!created.success) throw new SetupError(`POST ${made.path} gave no id`, reply)
  return created.data.id
}

async function post(client: Client, adminToken: string, { path, body }: Made): Promise<Reply> {
  const reply = await client.persist({
    step: 'set up',
    method: 'POST',
    path,
    token: adminToken,
    body,
  })
  if (reply?.status !== 201) throw new SetupError(`POST ${path} was refused`, reply)
  return reply
}
