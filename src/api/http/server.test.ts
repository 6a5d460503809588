import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../clock.ts'
import { newUuid } from '../../ids.ts'
import { createLogger } from '../../logger.ts'
import { lockDatabase } from '../../../test/support/lock-database.ts'
import { openRaw, parseRaw, sendRaw, type RawConnection } from '../../../test/support/raw-http.ts'
import { createSale, createShopper, createShoppers } from '../../../test/support/sale.ts'
import { invoiced, pay } from '../../../test/support/shopping.ts'
import { startApp, type TestApp } from '../../../test/support/start-app.ts'
import { until } from '../../../test/support/until.ts'
import type { AddToCartHandler } from '../add-to-cart/handler.ts'
import { createApp } from './app.ts'
import type { Authentication } from '../identity/authentication.ts'
import { createFastPath } from '../add-to-cart/fast-path.ts'
import { createReadiness } from './readiness.ts'
import { createHttpServer, type HttpServer } from './server.ts'

const request = (line: string, ...headers: readonly string[]): string =>
  [`${line} HTTP/1.1`, 'host: holdfast', ...headers, '', ''].join('\r\n')

const jsonPost = (path: string, length: number): string =>
  request(`POST ${path}`, 'content-type: application/json', `content-length: ${length}`)

const isProblem = (head: string): boolean => head.includes('content-type: application/problem+json')

describe('what is hardly HTTP', () => {
  let app: TestApp
  const open: RawConnection[] = []

  beforeAll(async () => {
    app = await startApp()
  })
  afterEach(() => {
    for (const connection of open.splice(0)) connection.close()
  })
  afterAll(() => app.stop())

  const users = [
    'content-type: application/json',
    'content-length: 5',
    'transfer-encoding: chunked',
  ]
  it.each([
    ['garbage', 'garbage\r\n\r\n', 400, 'bad_request'],
    ['binary', '\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', 400, 'bad_request'],
    ['an unknown version', 'GET /livez HTTP/9.9\r\nhost: a\r\n\r\n', 400, 'bad_request'],
    ['no host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'bad_request'],
    ['two hosts', request('GET /livez', 'HOST: elsewhere'), 400, 'bad_request'],
    ['a NUL in the path', request('GET /\u0000'), 400, 'bad_request'],
    ['a header without a name', request('GET /livez', ': x'), 400, 'bad_request'],
    ['two lengths', request('POST /v1/users', ...users), 400, 'bad_request'],
    ['no length at all', request('POST /v1/users', 'content-length: x'), 400, 'bad_request'],
    [
      'headers of 20 kB',
      request('GET /livez', `x: ${'y'.repeat(20_000)}`),
      431,
      'headers_too_large',
    ],
    ['an unknown path', request('GET /v2', 'connection: close'), 404, 'not_found'],
    ['an asterisk', request('OPTIONS *', 'connection: close'), 404, 'not_found'],
    ['TRACE', request('TRACE /livez', 'connection: close'), 405, 'method_not_allowed'],
    ['PURGE', request('PURGE /v1/cart', 'connection: close'), 405, 'method_not_allowed'],
  ])('is refused: %s', async (_title, text, status, code) => {
    const answer = await sendRaw(app.url, text)
    expect([answer.status, answer.body['code'], isProblem(answer.head)]).toEqual([
      status,
      code,
      true,
    ])
    expect(answer.head).toContain('connection: close')
  })

  it('is refused: chunks that are none, at both entry points', async () => {
    for (const path of ['/v1/cart/items', '/v1/cart/items/', '/v1/users']) {
      const headers = ['content-type: application/json', 'transfer-encoding: chunked']
      const answer = await sendRaw(app.url, `${request(`POST ${path}`, ...headers)}zz\r\n\r\n`)
      expect([answer.status, answer.body['code']]).toEqual([400, 'bad_request'])
    }
  })

  it('is refused: garbage behind a request', async () => {
    const connection = await openRaw(app.url)
    open.push(connection)
    connection.send(request('GET /livez'))
    await connection.receive('"alive"')
    connection.send('GARBAGE\r\n\r\n')
    expect(await connection.received()).toMatch(
      /HTTP\/1\.1 400 Bad Request[^]*"code":"bad_request"/,
    )
  })

  it('is refused behind requests that were fine, after their answers', async () => {
    const { token } = await createShopper(app.call)
    const fine = request('GET /v1/cart', `authorization: Bearer ${token}`)
    const connection = await openRaw(app.url)
    open.push(connection)
    connection.send(`${fine}${fine}GARBAGE\r\n\r\n`)
    const received = await connection.received()
    const statuses = [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
    expect(statuses).toEqual(['200', '200', '400'])
  })

  it('is refused behind a request that was fine, after its answer: a chunk that is none', async () => {
    const { token } = await createShopper(app.call)
    const fine = request('GET /v1/cart', `authorization: Bearer ${token}`)
    const headers = ['content-type: application/json', 'transfer-encoding: chunked']
    const connection = await openRaw(app.url)
    open.push(connection)
    connection.send(`${fine}${request('POST /v1/users', ...headers)}zz\r\n\r\n`)
    const received = await connection.received()
    const statuses = [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)
    expect(statuses).toEqual(['200', '400'])
  })

  it('is served nevertheless: an unknown expectation, an upgrade, another host’s URL', async () => {
    const texts = [
      request('GET /livez', 'expect: tea', 'connection: close'),
      request('GET http://elsewhere/livez', 'connection: close'),
      'GET /livez HTTP/1.0\r\n\r\n',
    ]
    for (const text of texts) expect((await sendRaw(app.url, text)).status).toBe(200)
    const connection = await openRaw(app.url)
    open.push(connection)
    connection.send(request('GET /livez', 'connection: upgrade', 'upgrade: websocket'))
    expect(await connection.receive('"alive"')).toContain('HTTP/1.1 200')
  })

  it('takes an empty chunked body for an empty object, at both entry points', async () => {
    const { token } = await createShopper(app.call)
    const headers = [
      'content-type: application/json',
      'transfer-encoding: chunked',
      'connection: close',
      `authorization: Bearer ${token}`,
    ]
    for (const path of ['/v1/cart/items', '/v1/cart/items/']) {
      const answer = await sendRaw(app.url, `${request(`POST ${path}`, ...headers)}0\r\n\r\n`)
      expect([answer.status, answer.body['code']]).toEqual([400, 'validation_failed'])
    }
  })

  it('does not hurt: clients that leave in the middle of a body', async () => {
    for (const path of ['/v1/cart/items', '/v1/users']) {
      const connection = await openRaw(app.url)
      connection.send(`${jsonPost(path, 100)}{"a`)
      connection.close()
    }
    expect((await app.call('GET', '/livez')).status).toBe(200)
  })

  it('is refused: headers that take more than five seconds', async () => {
    const connection = await openRaw(app.url)
    open.push(connection)
    const startedAt = performance.now()
    connection.send('GET /livez HTTP/1.1\r\nhost: holdfast\r\n')
    const drip = systemClock.every(500, () => {
      connection.send('x: y\r\n')
    })
    const { status, head, body } = parseRaw(await connection.received())
    drip()
    expect([status, body['code'], isProblem(head)]).toEqual([408, 'request_timeout', true])
    expect(performance.now() - startedAt).toBeGreaterThan(4_900)
    // Node's own limit is a minute.
    expect(performance.now() - startedAt).toBeLessThan(30_000)
  })
})

/** Makes a server with short timeouts and without routes. */
function createImpatientServer(): HttpServer {
  const logger = createLogger('silent', {})
  const authentication: Authentication = {
    shopper: () => Promise.resolve(undefined),
    knownShopper: () => undefined,
    isAdmin: () => false,
  }
  const addToCart: AddToCartHandler = { handle: () => Promise.reject(new Error('not asked for')) }
  const common = { authentication, logger, newId: newUuid }
  const rateLimit = { take: () => true }
  return createHttpServer({
    app: createApp({ ...common, clock: systemClock, routes: [], version: '0' }),
    fastPath: createFastPath({ ...common, addToCart, rateLimit, defer: setImmediate }),
    readiness: createReadiness({}),
    clock: systemClock,
    defer: setImmediate,
    host: '127.0.0.1',
    port: 0,
    headersTimeoutMs: 100,
    requestTimeoutMs: 200,
    keepAliveMs: 300,
    connectionsMax: 2,
  })
}

describe('a body that does not come', () => {
  it.each(['/v1/cart/items', '/v1/cart/items/'])('is not waited for: POST %s', async (path) => {
    const server = createImpatientServer()
    await server.start()
    try {
      const connection = await openRaw(server.url())
      connection.send(`${jsonPost(path, 100)}{`)
      const { status, body } = parseRaw(await connection.received())
      expect([status, body['code']]).toEqual([408, 'request_timeout'])
    } finally {
      await server.stop()
    }
  })
})

describe('connections', () => {
  it('that send nothing at all are closed, too, without a word', async () => {
    const server = createImpatientServer()
    await server.start()
    try {
      const silent = await openRaw(server.url())
      expect(await silent.received()).toBe('')
    } finally {
      await server.stop()
    }
  })

  it('beyond the cap are closed at once, and taken again when one has gone', async () => {
    const server = createImpatientServer()
    await server.start()
    // A connection may stay open once it has got an answer.
    const open = async () => {
      const connection = await openRaw(server.url())
      connection.send(request('GET /nowhere'))
      return connection
    }
    try {
      const kept = await Promise.all([open(), open()])
      await Promise.all(kept.map((each) => each.receive('"not_found"')))
      expect(await (await open()).received()).toBe('')
      kept[0].close()
      const isTaken = async () => {
        const again = await openRaw(server.url())
        again.send(request('GET /nowhere', 'connection: close'))
        return (await again.received()) !== ''
      }
      await until(isTaken, 2_000, 'a free place')
      kept[1].close()
    } finally {
      await server.stop()
    }
  })
})

describe('stopping', () => {
  it('says not ready first, and answers whatever was accepted', async () => {
    const app = await startApp()
    const sale = await createSale(app.call)
    const shoppers = await createShoppers(app.call, 40)
    const paying = await invoiced(app.call, sale)
    const lock = lockDatabase(app.databasePath)
    const probe = await openRaw(app.url)
    // One more waiting request keeps the probe's connection in use.
    const body = JSON.stringify(sale)
    const authorization = `authorization: Bearer ${paying.shopper.token}`
    const length = `content-length: ${body.length}`
    const json = 'content-type: application/json'
    probe.send(`${request('POST /v1/cart/items', json, length, authorization)}${body}`)
    const holds = shoppers.map(({ token }) =>
      app.call('POST', '/v1/cart/items', { token, body: sale }),
    )
    const payment = pay(app.call, paying.shopper, paying.invoiceId)
    const waiting = async () =>
      (await app.call('GET', '/metrics')).text.includes('\nholdfast_pending_replies 41\n')
    await until(waiting, 3_000, 'everybody waiting')

    const stopped = app.stop()
    probe.send(request('GET /readyz'))
    lock.release()
    const answers = await Promise.all(holds)
    expect(answers.map(({ status }) => status)).toEqual(shoppers.map(() => 201))
    expect((await payment).status).toBe(200)
    const received = await probe.received()
    expect(received).toContain('HTTP/1.1 201 Created')
    expect(received).toMatch(/HTTP\/1\.1 503 [^]*"not_ready"[^]*"draining"/)
    await stopped
    await expect(openRaw(app.url)).rejects.toThrow('ECONNREFUSED')
  })

  it.each([
    ['sent nothing', ''],
    ['sent half a header', 'GET /livez HTTP/1.1\r\nho'],
    ['sent half a body', `${jsonPost('/v1/users', 100)}{`],
    ['sent half a body to the fast path', `${jsonPost('/v1/cart/items', 100)}{`],
  ])('does not wait for a client that %s', async (_title, text) => {
    const app = await startApp()
    const connection = await openRaw(app.url)
    connection.send(text)
    await app.call('GET', '/livez')
    const startedAt = performance.now()
    await app.stop()
    // The client has 15 s for its body.
    expect(performance.now() - startedAt).toBeLessThan(12_000)
    await connection.received()
  })

  it('twice is fine', async () => {
    const app = await startApp()
    await Promise.all([app.stop(), app.stop()])
  })
})
