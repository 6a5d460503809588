import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { createClient, type Call, type Client } from './client.ts'
import { emptyHistory, type History } from './history.ts'
import { now } from './time.ts'

let server: Server
let client: Client
let history: History
let origin: string

afterEach(async () => {
  await client.close()
  server.closeAllConnections()
  server.close()
})

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Answers the first request with the first handler and so on; the last one stays. */
async function serve(...handlers: readonly Handler[]): Promise<void> {
  let served = 0
  server = createServer((request, response) => {
    const handler = handlers[Math.min(served, handlers.length - 1)]!
    served += 1
    handler(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  history = emptyHistory()
  origin = `http://127.0.0.1:${address.port}`
  client = createClient({ origins: [origin], deadlineAt: now() + 10_000, history })
}

const answers =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): Handler =>
  (_request, response) => {
    response.writeHead(status, headers).end(JSON.stringify(body))
  }

const addToCart: Call = {
  step: 'add to cart',
  method: 'POST',
  path: '/v1/cart/items',
  token: 'somebody',
  key: 'key-1',
  body: { quantity: 1 },
}

const statuses = () => history.exchanges.map((exchange) => exchange.status)

test('busy and broken answers are tried again with the same key until there is a real one', async () => {
  const keys: unknown[] = []
  const noting =
    (handler: Handler): Handler =>
    (request, response) => {
      keys.push(request.headers['idempotency-key'])
      handler(request, response)
    }
  await serve(
    noting(answers(503, { code: 'overloaded' }, { 'retry-after': '0' })),
    noting(answers(429, { code: 'rate_limited' }, { 'retry-after': '0' })),
    noting((request) => request.socket.destroy()),
    noting(answers(201, { reservation: 'yours' })),
  )
  const reply = await client.persist(addToCart)
  expect(reply).toMatchObject({ status: 201, body: { reservation: 'yours' }, attempts: 4 })
  expect(statuses()).toEqual([503, 429, 'lost', 201])
  expect(keys).toEqual(['key-1', 'key-1', 'key-1', 'key-1'])
})

test('a server that only ever fails is given up', async () => {
  await serve(answers(500))
  expect(await client.persist(addToCart)).toBeNull()
  expect(new Set(statuses())).toEqual(new Set([500]))
})

test('the code of a problem and Retry-After are recorded', async () => {
  await serve(
    answers(503, { code: 'overloaded' }),
    answers(503, { code: 'overloaded' }, { 'retry-after': '0' }),
  )
  await client.once(addToCart)
  await client.once(addToCart)
  expect(history.exchanges).toMatchObject([
    { code: 'overloaded', retryAfter: 'missing' },
    { code: 'overloaded', retryAfter: 'said' },
  ])
})

test.each([
  [200, {}],
  [401, { code: 'unauthenticated' }],
  [409, { code: 'cart_empty' }],
  [404, {}],
])('%s %o is unexpected at add to cart', async (status, body) => {
  await serve(answers(status, body))
  await client.once(addToCart)
  expect(history.unexpected).toHaveLength(1)
})

test.each([
  [201, {}],
  [202, {}],
  [409, { code: 'sold_out' }],
  [404, { code: 'product_not_in_sale' }],
])('%s %o is in the contract of add to cart', async (status, body) => {
  await serve(answers(status, body))
  await client.once(addToCart)
  expect(history.unexpected).toEqual([])
})

test('a URL that leads to another host is not followed', async () => {
  await serve(answers(200))
  const away: Call = { step: 'add-to-cart status', method: 'GET', path: 'http://192.0.2.1/' }
  expect(await client.once(away)).toBeNull()
})

test('whoever expects faults sends again what was lost or came too slowly, until the deadline', async () => {
  const losing: Handler = (_request, response) => {
    response.destroy()
  }
  await serve(answers(408, { code: 'request_timeout' }), losing, answers(201))
  await client.close()
  const deadlineAt = now() + 10_000
  client = createClient({ origins: [origin], deadlineAt, history, faults: 'expected' })
  const reply = await client.persist(addToCart)
  expect([reply?.status, reply?.attempts]).toEqual([201, 3])
  expect(history.unexpected).toEqual([])
  expect(client.giveUpAt(1)).toBe(deadlineAt)
})
