import type { Client } from './client.ts'
import { auditSchema, invoicePageSchema, type Audit, type Invoice } from './contract.ts'
import type { History, StockSample } from './history.ts'
import type { ServerClock } from './hold-times.ts'
import { readStock } from './stock-watch.ts'

/** The shop's own answers after the bots are done; null where it gave none. */
export interface ShopAnswers {
  /** API A, read just before and just after API B: equal unless somebody else is buying. */
  readonly stockBefore: StockSample | null
  readonly stockAfter: StockSample | null
  readonly invoices: readonly Invoice[] | null
  readonly audit: Audit | null
}

/** Everything that the judgements read. */
export interface Evidence {
  readonly bots: number
  /** The bots by user id: the history can judge only their invoices. */
  readonly botOf: ReadonlyMap<number, number>
  readonly productId: number
  /** `bots only` when the shop was started by this run, so that nobody else can have bought. */
  readonly buyers: 'bots only' | 'others too'
  /** API A before the race. */
  readonly start: StockSample
  readonly history: History
  readonly clock: ServerClock
  readonly answers: ShopAnswers
}

const readingsMax = 5
const pagesMax = 10_000
const pageSize = 200

/** Reads API A, API B and the audit; again, a few times, while others keep buying in between. */
export async function askTheShop(
  client: Client,
  adminToken: string,
  productId: number,
): Promise<ShopAnswers> {
  let reading = await readOnce(client, adminToken, productId)
  for (let readings = 1; readings < readingsMax && moved(reading); readings += 1) {
    reading = await readOnce(client, adminToken, productId)
  }
  return { ...reading, audit: await readAudit(client, adminToken) }
}

const moved = ({ stockBefore, stockAfter }: Omit<ShopAnswers, 'audit'>): boolean =>
  stockBefore?.sold !== stockAfter?.sold

async function readOnce(
  client: Client,
  adminToken: string,
  productId: number,
): Promise<Omit<ShopAnswers, 'audit'>> {
  const stockBefore = await readStock(client, productId)
  const invoices = await readInvoices(client, adminToken, productId)
  const stockAfter = await readStock(client, productId)
  return { stockBefore, invoices, stockAfter }
}

/** API B, all pages. Null when a page is missing: half a list would prove nothing. */
async function readInvoices(
  client: Client,
  adminToken: string,
  productId: number,
): Promise<Invoice[] | null> {
  const invoices = new Map<string, Invoice>()
  let cursor: string | null = null
  for (let page = 0; page < pagesMax; page += 1) {
    const query = new URLSearchParams({ productId: `${productId}`, limit: `${pageSize}` })
    if (cursor !== null) query.set('cursor', cursor)
    const reply = await client.persist({
      step: 'invoices (API B)',
      method: 'GET',
      path: `/v1/admin/invoices?${query.toString()}`,
      token: adminToken,
    })
    const listed = invoicePageSchema.safeParse(reply?.body)
    if (reply?.status !== 200 || !listed.success) return null
    for (const invoice of listed.data.items) invoices.set(invoice.id, invoice)
    cursor = listed.data.nextCursor
    if (cursor === null) return [...invoices.values()]
  }
  return null
}

async function readAudit(client: Client, adminToken: string): Promise<Audit | null> {
  const reply = await client.persist({
    step: 'audit',
    method: 'GET',
    path: '/v1/admin/audit',
    token: adminToken,
  })
  const audit = auditSchema.safeParse(reply?.body)
  return reply?.status === 200 && audit.success ? audit.data : null
}
