import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/**
 * A shop in memory with one sale and one product that follows the documented contract. It is slow:
 * every seventh add-to-cart gets 503, every fifth gets 202, and slow payments are slow. In honest
 * mode it keeps every promise. In overselling mode it gives a hold to everybody, shows correct
 * numbers in API A and a clean audit; the functional test must find that out.
 */
export interface StubShop {
  readonly origin: string
  readonly adminToken: string
  readonly flashSaleId: number
  readonly productId: number
  close(): Promise<void>
}

export interface StubShopOptions {
  readonly stock: number
  readonly holdMs: number
  readonly honesty: 'honest' | 'oversells'
}

const adminToken = 'stub-admin-token'
const flashSaleId = 7
const productId = 11

export async function startStubShop(options: StubShopOptions): Promise<StubShop> {
  const books = new Books(options)
  const server = createServer((request, response) => {
    void answer(books, request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: originOf(server),
    adminToken,
    flashSaleId,
    productId,
    close: () => close(server),
  }
}

function originOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return `http://127.0.0.1:${address.port}`
}

async function close(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

interface Hold {
  readonly id: string
  readonly userId: number
  readonly quantity: number
  readonly invoiceId: string
  status: 'held' | 'invoiced' | 'paying' | 'sold' | 'released' | 'expired'
  endsAt: number
}

interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const problem = (status: number, code: string): Answer => ({ status, body: { status, code } })

class Books {
  private readonly options: StubShopOptions
  private readonly holds = new Map<string, Hold>()
  private readonly remembered = new Map<string, Answer>()
  private readonly lateOutcomes = new Map<string, Answer>()
  private usersMade = 0
  private asked = 0

  constructor(options: StubShopOptions) {
    this.options = options
  }

  units(...statuses: readonly Hold['status'][]): number {
    return [...this.holds.values()]
      .filter((hold) => statuses.includes(hold.status))
      .reduce((sum, hold) => sum + hold.quantity, 0)
  }

  expire(): void {
    for (const hold of this.holds.values()) {
      if ((hold.status === 'held' || hold.status === 'invoiced') && hold.endsAt <= Date.now()) {
        hold.status = 'expired'
      }
    }
  }

  /** Answers a repeated key with the first answer. */
  onceOnly(scope: string, act: () => Answer): Answer {
    const known = this.remembered.get(scope)
    if (known !== undefined) return known
    const answer = act()
    if (answer.status !== 409 && answer.status !== 202) this.remembered.set(scope, answer)
    return answer
  }

  makeUsers(count: number): Answer {
    const users = Array.from({ length: count }, () => {
      this.usersMade += 1
      return { id: this.usersMade, token: `user-${this.usersMade}` }
    })
    return { status: 201, body: { users } }
  }

  stock(): Answer {
    const allotment = this.options.stock
    const sold = Math.min(this.units('sold'), allotment)
    const held = Math.min(this.units('held', 'invoiced', 'paying'), allotment - sold)
    const body = { productId, allotment, available: allotment - held - sold, held, sold }
    return { status: 200, body }
  }

  addToCart(userId: number, quantity: number): Answer {
    const available = this.options.stock - this.units('held', 'invoiced', 'paying', 'sold')
    if (this.options.honesty === 'honest' && available < quantity) return problem(409, 'sold_out')
    const id = `reservation-${this.holds.size + 1}`
    const endsAt = Date.now() + this.options.holdMs
    const invoiceId = `invoice-${this.holds.size + 1}`
    const hold: Hold = { id, userId, quantity, invoiceId, status: 'held', endsAt }
    this.holds.set(id, hold)
    return { status: 201, body: { reservation: reservationOf(hold) } }
  }

  /** Answers as a slow shop: at times busy, at times with a 202 for a decided request. */
  slowly(decide: () => Answer): Answer {
    this.asked += 1
    if (this.asked % 7 === 0)
      return { ...problem(503, 'overloaded'), headers: { 'retry-after': '0' } }
    const decided = decide()
    if (this.asked % 5 !== 0) return decided
    const statusUrl = `/v1/cart/requests/${this.asked}`
    this.lateOutcomes.set(`${this.asked}`, decided)
    return { status: 202, body: { status: 'pending', statusUrl } }
  }

  /** Answers pending at the first read and the outcome at the second. */
  lateOutcome(requestId: string): Answer {
    const decided = this.lateOutcomes.get(requestId)
    if (decided === undefined) return problem(404, 'not_found')
    const { looked, body } = decided.body as { looked?: boolean; body?: Record<string, unknown> }
    if (looked !== true) {
      this.lateOutcomes.set(requestId, { ...decided, body: { looked: true, body: decided.body } })
      return { status: 200, body: { status: 'pending' } }
    }
    const status = decided.status === 201 ? 'held' : 'refused'
    return { status: 200, body: { ...body, status } }
  }

  cart(userId: number): Answer {
    return { status: 200, body: { items: this.of(userId, 'held').map(reservationOf) } }
  }

  release(reservationId: string): Answer {
    const hold = this.holds.get(reservationId)
    if (hold?.status !== 'held') return problem(404, 'not_found')
    hold.status = 'released'
    return { status: 204 }
  }

  checkOut(userId: number): Answer {
    const [hold] = this.of(userId, 'held')
    if (hold === undefined) return problem(409, 'cart_empty')
    hold.status = 'invoiced'
    hold.endsAt = Date.now() + this.options.holdMs
    return { status: 201, body: { invoice: invoiceOf(hold) } }
  }

  pay(invoiceId: string, paymentMethod: unknown): Answer {
    const hold = this.byInvoice(invoiceId)
    if (hold === undefined) return problem(404, 'not_found')
    if (hold.status === 'expired') return problem(409, 'invoice_expired')
    if (paymentMethod === 'pm_declined') return problem(402, 'payment_declined')
    if (paymentMethod === 'pm_slow' && hold.status === 'invoiced') {
      hold.status = 'paying'
      return { status: 202, body: { status: 'pending' } }
    }
    if (hold.status === 'paying') return problem(409, 'payment_in_progress')
    hold.status = 'sold'
    return { status: 200, body: { invoice: invoiceOf(hold), payment: { id: `pay-${invoiceId}` } } }
  }

  invoice(invoiceId: string): Answer {
    const hold = this.byInvoice(invoiceId)
    if (hold === undefined) return problem(404, 'not_found')
    const answer = { status: 200, body: { invoice: invoiceOf(hold) } }
    if (hold.status === 'paying') hold.status = 'sold'
    return answer
  }

  /** Answers two invoices per page, so that a reader of the first page only is noticed. */
  invoices(cursor: number): Answer {
    const all = [...this.holds.values()].filter(
      (hold) => hold.status !== 'held' && hold.status !== 'released',
    )
    const items = all.slice(cursor, cursor + 2).map(invoiceOf)
    const nextCursor = cursor + 2 < all.length ? `${cursor + 2}` : null
    return { status: 200, body: { items, nextCursor } }
  }

  private of(userId: number, status: Hold['status']): Hold[] {
    return [...this.holds.values()].filter(
      (hold) => hold.userId === userId && hold.status === status,
    )
  }

  private byInvoice(invoiceId: string): Hold | undefined {
    return [...this.holds.values()].find((hold) => hold.invoiceId === invoiceId)
  }
}

const reservationOf = (hold: Hold) => ({
  id: hold.id,
  productId,
  quantity: hold.quantity,
  unitPriceMinor: 1000,
  currency: 'EUR',
  status: 'held',
  expiresAt: new Date(hold.endsAt).toISOString(),
})

const invoiceStatus = {
  held: 'unpaid',
  invoiced: 'unpaid',
  paying: 'paying',
  sold: 'paid',
  released: 'cancelled',
  expired: 'expired',
} as const

const invoiceOf = (hold: Hold) => ({
  id: hold.invoiceId,
  userId: hold.userId,
  status: invoiceStatus[hold.status],
  lines: [{ reservationId: hold.id, productId, quantity: hold.quantity }],
  dueAt: new Date(hold.endsAt).toISOString(),
})

async function answer(
  books: Books,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
  books.expire()
  const answered = route(books, request, body)
  const contentType = { 'content-type': 'application/json' }
  response.writeHead(answered.status, { ...contentType, ...answered.headers })
  response.end(answered.body === undefined ? undefined : JSON.stringify(answered.body))
}

function route(books: Books, request: IncomingMessage, body: Record<string, unknown>): Answer {
  const url = new URL(request.url ?? '/', 'http://stub')
  const credential = (request.headers.authorization ?? '').replace('Bearer ', '')
  if (url.pathname.startsWith('/v1/admin/')) {
    if (credential !== adminToken) return problem(401, 'unauthenticated')
    return adminRoute(books, url, body)
  }
  if (url.pathname === `/v1/flash-sales/${flashSaleId}`) return sale()
  if (url.pathname === `/v1/products/${productId}/stock`) return books.stock()
  const userId = Number(credential.replace('user-', ''))
  const scope = `${userId} ${url.pathname} ${String(request.headers['idempotency-key'])}`
  return shopperRoute(books, `${request.method ?? ''} ${url.pathname}`, { userId, scope, body })
}

function adminRoute(books: Books, url: URL, body: Record<string, unknown>): Answer {
  switch (url.pathname) {
    case '/v1/admin/users/batch':
      return books.makeUsers(Number(body['count']))
    case '/v1/admin/invoices':
      return books.invoices(Number(url.searchParams.get('cursor') ?? 0))
    case '/v1/admin/audit':
      return {
        status: 200,
        body: {
          holds: true,
          invariants: [{ id: 'I1', title: 'never negative', violations: 0 }],
          unchecked: [],
        },
      }
    default:
      return problem(404, 'not_found')
  }
}

function shopperRoute(
  books: Books,
  operation: string,
  asked: {
    readonly userId: number
    readonly scope: string
    readonly body: Record<string, unknown>
  },
): Answer {
  const { userId, scope, body } = asked
  const id = operation.split('/')[3] ?? ''
  if (operation === 'POST /v1/cart/items') {
    const decide = () => books.addToCart(userId, Number(body['quantity']))
    return books.slowly(() => books.onceOnly(scope, decide))
  }
  if (operation.startsWith('GET /v1/cart/requests/')) {
    return books.lateOutcome(operation.split('/')[4] ?? '')
  }
  if (operation === 'POST /v1/checkout') return books.onceOnly(scope, () => books.checkOut(userId))
  if (operation.startsWith('POST /v1/invoices/')) {
    return books.onceOnly(scope, () => books.pay(id, body['paymentMethod']))
  }
  if (operation.startsWith('GET /v1/invoices/')) return books.invoice(id)
  if (operation === 'GET /v1/cart') return books.cart(userId)
  if (operation.startsWith('DELETE /v1/cart/items/')) {
    return books.release(operation.split('/')[4] ?? '')
  }
  return problem(404, 'not_found')
}

function sale(): Answer {
  const day = 24 * 3_600_000
  return {
    status: 200,
    body: {
      id: flashSaleId,
      status: 'active',
      startsAt: new Date(Date.now() - day).toISOString(),
      endsAt: new Date(Date.now() + day).toISOString(),
      serverTime: new Date().toISOString(),
      products: [{ productId }],
    },
  }
}
