import express, { type Response } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { openRaw, type RawConnection } from '../../../test/support/raw-http.ts'
import { until } from '../../../test/support/until.ts'
import { createReadiness } from './readiness.ts'
import { createHttpServer, type HttpServer } from './server.ts'

const headersTimeoutMs = 5_000
const requestTimeoutMs = 15_000
const keepAliveMs = 65_000
const silentMax = 3

let clock: FakeClock
let server: HttpServer
let open: { close(): void }[]
/** The answers of `/wait`, which come when the test gives them. */
let waiting: Response[]

beforeEach(async () => {
  clock = createFakeClock()
  open = []
  waiting = []
  const app = express()
  app.use(express.json())
  app.all('/wait', (_request, response) => void waiting.push(response))
  app.all('/answer', (_request, response) => void response.end('answered'))
  server = createHttpServer({
    app,
    fastPath: undefined,
    readiness: createReadiness({}),
    clock,
    defer: setImmediate,
    host: '127.0.0.1',
    port: 0,
    silentMax,
  })
  await server.start()
})
afterEach(async () => {
  for (const connection of open.splice(0)) connection.close()
  await server.stop()
})

async function connect(): Promise<RawConnection> {
  const connection = await openRaw(server.url())
  open.push(connection)
  return connection
}

const head = (path: string, ...headers: readonly string[]): string =>
  [`POST ${path} HTTP/1.1`, 'host: holdfast', ...headers, '', ''].join('\r\n')
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: holdfast\r\n\r\n`
const json = (length: number) => ['content-type: application/json', `content-length: ${length}`]
const statusesIn = (received: string): string[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)

/** Some turns of the event loop, so that what was sent before is read. */
async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((done) => setImmediate(done))
}

/** Time passes while the event loop turns. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await turns(3)
    clock.advance(500)
  }
  await turns()
}

/** Watches a connection: whether the server has closed it, and what it has sent. */
function watch(connection: RawConnection): { closed: boolean; said: string } {
  const seen = { closed: false, said: '' }
  void connection.received().then((said) => {
    seen.closed = true
    seen.said = said
  })
  return seen
}

describe('a connection opened in advance', () => {
  it('may wait for as long as an idle one, and is served then', async () => {
    const connection = await connect()
    await pass(keepAliveMs - 1_000)
    connection.send(get('/answer'))
    expect(await connection.receive('answered')).toContain('200 OK')
  })

  it('is closed without a word after that', async () => {
    const seen = watch(await connect())
    await pass(keepAliveMs + 1_000)
    await until(() => seen.closed, 2_000, 'closed')
    expect(seen.said).toBe('')
  })

  it('that is one too many takes the place of the oldest that is still silent', async () => {
    const talking = await connect()
    talking.send(get('/answer'))
    await talking.receive('answered')
    const connections = [await connect(), await connect(), await connect(), await connect()]
    const seen = connections.map(watch)
    await until(() => seen[0]!.closed, 2_000, 'closed')
    await turns()
    expect(seen.map(({ closed, said }) => [closed, said])).toEqual([
      [true, ''],
      [false, ''],
      [false, ''],
      [false, ''],
    ])
    talking.send(get('/answer'))
    connections[1]!.send(get('/answer'))
    expect(await connections[1]!.receive('answered')).toContain('200 OK')
  })

  it('whose request lies unread when there are too many is served', async () => {
    const connections: RawConnection[] = []
    await Promise.all(
      Array.from({ length: silentMax + 5 }, async () => {
        const connection = await connect()
        connection.send(get('/answer'))
        connections.push(connection)
      }),
    )
    for (const connection of connections) {
      expect(await connection.receive('answered')).toContain('200 OK')
    }
  })
})

describe('headers', () => {
  it('that drip are refused with 408, five seconds after their first byte', async () => {
    const connection = await connect()
    await pass(30_000)
    const seen = watch(connection)
    connection.send('GET /answer HTTP/1.1\r\nhost: holdfast\r\n')
    for (let passed = 0; passed < headersTimeoutMs; passed += 500) {
      connection.send('x: y\r\n')
      await pass(500)
      expect(seen.closed).toBe(false)
    }
    await pass(500)
    await until(() => seen.closed, 2_000, 'closed')
    expect(statusesIn(seen.said)).toEqual(['408'])
  })

  it('that drip behind an answered request are refused likewise', async () => {
    const connection = await connect()
    connection.send(get('/answer'))
    await connection.receive('answered')
    await pass(20_000)
    const seen = watch(connection)
    connection.send('GET /ans')
    await pass(headersTimeoutMs + 500)
    await until(() => seen.closed, 2_000, 'closed')
    expect(statusesIn(seen.said)).toEqual(['200', '408'])
  })

  it('that have arrived while the event loop stood still are read before anything is refused', async () => {
    const connection = await connect()
    connection.send('GET /answer HTTP/1.1\r\nhost: hold')
    await pass(headersTimeoutMs)
    // In the kernel, and all the looks come before anything is read.
    connection.send('fast\r\n\r\n')
    clock.advance(60_000)
    expect(await connection.receive('answered')).toContain('200 OK')
  })
})

describe('a body', () => {
  it('that drips is refused with 408, fifteen seconds after the first byte of its headers', async () => {
    const connection = await connect()
    const seen = watch(connection)
    connection.send(head('/wait', ...json(100)).slice(0, -2))
    await pass(4_000)
    connection.send('\r\n{"a":"')
    for (let passed = 4_000; passed < requestTimeoutMs; passed += 500) {
      connection.send('x')
      await pass(500)
      expect(seen.closed).toBe(false)
    }
    await pass(1_000)
    await until(() => seen.closed, 2_000, 'closed')
    expect(statusesIn(seen.said)).toEqual(['408'])
    expect(waiting).toEqual([])
  })

  it('that has arrived while the event loop stood still is read before anything is refused', async () => {
    const connection = await connect()
    connection.send(`${head('/wait', ...json(2))}{`)
    await pass(requestTimeoutMs - 500)
    connection.send('}')
    clock.advance(60_000)
    await until(() => waiting.length === 1, 2_000, 'served')
    waiting[0]!.end('answered')
    expect(await connection.receive('answered')).toContain('200 OK')
  })

  it('that is there does not count against the request: an answer may take a minute', async () => {
    const connection = await connect()
    connection.send(`${head('/wait', ...json(2))}{}`)
    await until(() => waiting.length === 1, 2_000, 'served')
    await pass(60_000)
    waiting[0]!.end('answered')
    expect(await connection.receive('answered')).toContain('200 OK')
  })
})

it('a request on a connection that was used for many counts from its own first byte', async () => {
  const connection = await connect()
  for (let round = 1; round <= 20; round += 1) {
    connection.send(`${head('/answer', ...json(2))}{`)
    await pass(1_000)
    connection.send('}')
    await until(async () => {
      const received = await connection.receive('answered')
      return statusesIn(received).length === round
    }, 2_000)
  }
})
