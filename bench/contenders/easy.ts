import type { Request, Response } from 'express'
import { z } from 'zod'
import { newUuid } from '../../src/ids.ts'
import { Sqlite, type SqliteDatabase } from '../../src/db/sqlite/driver.ts'
import { createAuthenticate, type Authenticate } from './easy-authentication.ts'
import { openOrders, type Orders } from './easy-orders.ts'
import { Purchases, type EasyRefusal, type HeldReservation } from './easy-purchase.ts'
import { createExpressApp } from './express-app.ts'
import { listen } from './listen.ts'

/** Contender `easy`: Express and SQLite, the original document's easy solution without a queue. */
const addToCartBody = z.strictObject({
  flashSaleId: z.int().positive(),
  productId: z.int().positive(),
  quantity: z.int().min(1).max(1_000).default(1),
})
const payBody = z.strictObject({ paymentMethod: z.string().min(1).max(100) })

const statuses: Readonly<Record<EasyRefusal, number>> = {
  product_not_in_sale: 404,
  sale_not_open: 409,
  purchase_limit_reached: 409,
  sold_out: 409,
  idempotency_key_reused: 422,
}

class Shop {
  private readonly authenticate: Authenticate
  private readonly purchases: Purchases
  private readonly orders: Orders

  constructor(connection: SqliteDatabase, orders: Orders, jwtSecret: string) {
    this.authenticate = createAuthenticate(connection, jwtSecret)
    this.purchases = new Purchases(connection)
    this.orders = orders
  }

  addToCart(request: Request, response: Response): void {
    const userId = this.shopper(request, response)
    if (userId === undefined) return
    const wish = addToCartBody.safeParse(request.body)
    if (!wish.success) {
      refuse(response, 400, 'validation_failed')
      return
    }
    const idempotencyKey = request.get('idempotency-key')
    const outcome = this.purchases.buy({ ...wish.data, userId, idempotencyKey })
    if (outcome.kind === 'refused') {
      refuse(response, statuses[outcome.refusal], outcome.refusal)
      return
    }
    const { reservation, replayed } = outcome
    response.set('idempotency-key', idempotencyKey ?? reservation.id)
    if (replayed) response.set('idempotency-replayed', 'true')
    response.status(201).json({ reservation: view(reservation) })
  }

  showStock(request: Request, response: Response): void {
    const stock = this.purchases.stock(Number(request.params['id']))
    if (stock === undefined) refuse(response, 404, 'not_found')
    else response.json(stock)
  }

  async checkOut(request: Request, response: Response): Promise<void> {
    const userId = this.shopper(request, response)
    if (userId === undefined) return
    const key = request.get('idempotency-key') ?? newUuid()
    const { status, body } = await this.orders.checkOut(userId, key)
    response.status(status).json(body)
  }

  async pay(request: Request, response: Response): Promise<void> {
    const userId = this.shopper(request, response)
    if (userId === undefined) return
    const { paymentMethod } = payBody.parse(request.body)
    const { status, body } = await this.orders.pay({
      userId,
      invoiceId: String(request.params['id']),
      method: paymentMethod,
      idempotencyKey: request.get('idempotency-key'),
    })
    response.status(status).json(body)
  }

  private shopper(request: Request, response: Response): number | undefined {
    const userId = this.authenticate(request.headers.authorization)
    if (userId === undefined) refuse(response, 401, 'unauthenticated')
    return userId
  }
}

function view({ id, productId, quantity, unitPriceMinor, currency, expiresAt }: HeldReservation) {
  const price = { unitPriceMinor, currency }
  const end = { status: 'held', expiresAt: new Date(expiresAt).toISOString() }
  return { id, productId, quantity, ...price, ...end }
}

function refuse(response: Response, status: number, code: string): void {
  const body = { type: `urn:holdfast:problem:${code}`, title: code, status, code }
  response.status(status).type('application/problem+json').json(body)
}

const synchronousFull = 2

function open(path: string): SqliteDatabase {
  const connection = new Sqlite(path)
  connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  connection.pragma('cache_size = -32768')
  connection.pragma('temp_store = MEMORY')
  connection.pragma('journal_size_limit = 67108864')
  connection.prepare('select count(*) from sqlite_schema').get()
  const synchronous: unknown = connection.pragma('synchronous', { simple: true })
  if (synchronous !== synchronousFull) throw new Error(`synchronous is ${String(synchronous)}`)
  return connection
}

const { DATABASE_PATH = '', PAYMENT_SIMULATOR_PATH = '', JWT_SECRET = '' } = process.env
const orders = await openOrders({
  databasePath: DATABASE_PATH,
  paymentSimulatorPath: PAYMENT_SIMULATOR_PATH,
})
const shop = new Shop(open(DATABASE_PATH), orders, JWT_SECRET)
const app = createExpressApp()
app.post('/v1/cart/items', (request, response) => {
  shop.addToCart(request, response)
})
app.get('/v1/products/:id/stock', (request, response) => {
  shop.showStock(request, response)
})
app.post('/v1/checkout', (request, response) => shop.checkOut(request, response))
app.post('/v1/invoices/:id/pay', (request, response) => shop.pay(request, response))
listen('easy', app)
