import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openConnections, type Connections, type HttpRequest } from './connections.ts'
import { now } from './time.ts'

const request: HttpRequest = {
  path: '/',
  method: 'GET',
  headers: {},
  body: null,
  timeoutMs: 5_000,
}

interface Counted {
  readonly server: Server
  readonly origin: string
  /** The socket of every request, in the order of arrival. */
  readonly sockets: Socket[]
}

const answerAfterMs = 20

async function countingServer(): Promise<Counted> {
  const sockets: Socket[] = []
  const server = createServer((incoming, response) => {
    sockets.push(incoming.socket)
    setTimeout(() => response.end('well'), answerAfterMs)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { server, origin: `http://127.0.0.1:${port}`, sockets }
}

let one: Counted
let other: Counted
let connections: Connections

beforeEach(async () => {
  one = await countingServer()
  other = await countingServer()
  connections = openConnections([one.origin, other.origin])
})

afterEach(async () => {
  await connections.close()
  for (const { server } of [one, other]) {
    server.closeAllConnections()
    server.close()
  }
})

test('a shopper keeps its connection from one request to the next', async () => {
  await connections.send(0, request)
  await connections.send(0, request)
  expect(new Set(one.sockets).size).toBe(1)
})

test('a second connection is opened by whoever clicks twice, and a fourth by nobody', async () => {
  await Promise.all([connections.send(0, request), connections.send(0, request)])
  expect(new Set(one.sockets).size).toBe(2)
  await Promise.all(Array.from({ length: 5 }, () => connections.send(0, request)))
  expect(new Set(one.sockets).size).toBe(3)
})

test('every shopper has a connection of its own, dealt out over the nodes', async () => {
  await Promise.all([0, 1, 2, 3, 4].map((shopper) => connections.send(shopper, request)))
  expect(new Set(one.sockets).size).toBe(3)
  expect(new Set(other.sockets).size).toBe(2)
  expect(connections.originOf(3)).toBe(other.origin)
})

test('the time of an answer is from the first byte sent to the last one received', async () => {
  const before = now()
  const answer = await connections.send(0, request)
  expect(answer).toMatchObject({ kind: 'answered', status: 200, text: 'well' })
  expect(answer.sentAt).toBeGreaterThanOrEqual(before)
  expect(answer.answeredAt - answer.sentAt).toBeGreaterThanOrEqual(answerAfterMs - 1)
  expect(answer.answeredAt).toBeLessThanOrEqual(now())
})

test('a connection that is reset loses the answer, with the reason', async () => {
  one.server.removeAllListeners('request')
  one.server.on('request', (incoming) => incoming.socket.destroy())
  const answer = await connections.send(0, request)
  expect(answer.kind === 'lost' && answer.reason).toMatch(/^[A-Z_]+$/)
})
