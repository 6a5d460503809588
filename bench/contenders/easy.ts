import Sqlite from 'better-sqlite3'
import type { Request, Response } from 'express'
import { z } from 'zod'
import { createAuthenticate, type Authenticate } from './easy-authentication.ts'
import { Till, type EasyRefusal, type HeldReservation } from './easy-purchase.ts'
import { createExpressApp } from './express-app.ts'
import { listen } from './listen.ts'

/** Contender `easy`: Express and SQLite, the original document's easy solution without a queue. */
const addToCartBody = z.strictObject({
  flashSaleId: z.int().positive(),
  productId: z.int().positive(),
  quantity: z.int().min(1).max(1_000).default(1),
})

const statuses: Readonly<Record<EasyRefusal, number>> = {
  product_not_in_sale: 404,
  sale_not_open: 409,
  purchase_limit_reached: 409,
  sold_out: 409,
  idempotency_key_reused: 422,
}

class Shop {
  private readonly authenticate: Authenticate
  private readonly till: Till

  constructor(connection: Sqlite.Database, jwtSecret: string) {
    this.authenticate = createAuthenticate(connection, jwtSecret)
    this.till = new Till(connection)
  }

  addToCart(request: Request, response: Response): void {
    const userId = this.authenticate(request.headers.authorization)
    if (userId === undefined) {
      refuse(response, 401, 'unauthenticated')
      return
    }
    const wish = addToCartBody.safeParse(request.body)
    if (!wish.success) {
      refuse(response, 400, 'validation_failed')
      return
    }
    const idempotencyKey = request.get('idempotency-key')
    const outcome = this.till.buy({ ...wish.data, userId, idempotencyKey })
    if (outcome.kind === 'refused') {
      refuse(response, statuses[outcome.refusal], outcome.refusal)
      return
    }
    const { reservation, replayed } = outcome
    response.set('idempotency-key', idempotencyKey ?? reservation.id)
    if (replayed) response.set('idempotency-replayed', 'true')
    response.status(201).json({ reservation: view(reservation) })
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

function open(path: string): Sqlite.Database {
  const connection = new Sqlite(path)
  connection.pragma('journal_mode = WAL')
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  connection.pragma('journal_size_limit = 67108864')
  connection.prepare('select count(*) from sqlite_schema').get()
  const synchronous: unknown = connection.pragma('synchronous', { simple: true })
  if (synchronous !== synchronousFull) throw new Error(`synchronous is ${String(synchronous)}`)
  return connection
}

const shop = new Shop(open(process.env['DATABASE_PATH'] ?? ''), process.env['JWT_SECRET'] ?? '')
listen(
  'easy',
  createExpressApp((request, response) => {
    shop.addToCart(request, response)
  }),
)
