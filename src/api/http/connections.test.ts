import { once } from 'node:events'
import { connect as connectTo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import express, { type Response } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFakeClock, type FakeClock } from '../../../test/support/fake-clock.ts'
import { openRaw, type RawConnection } from '../../../test/support/raw-http.ts'
import { until } from '../../../test/support/until.ts'
import { createReadiness } from './readiness.ts'
import { createHttpServer, type HttpServer } from './server.ts'

let clock: FakeClock
let server: HttpServer
let open: { close(): void }[]
/** The answers of `/wait`, which come when the test gives them. */
let waiting: Response[]

beforeEach(() => {
  clock = createFakeClock()
  open = []
  waiting = []
  return start(20)
})
afterEach(async () => {
  for (const connection of open.splice(0)) connection.close()
  await server.stop()
})

async function start(connectionsMax: number): Promise<void> {
  const app = express()
  app.all('/wait', (_request, response) => void waiting.push(response))
  server = createHttpServer({
    app,
    fastPath: undefined,
    readiness: createReadiness({}),
    clock,
    defer: setImmediate,
    host: '127.0.0.1',
    port: 0,
    headersTimeoutMs: 100,
    connectionsMax,
  })
  await server.start()
}

async function connect(): Promise<RawConnection> {
  const connection = await openRaw(server.url())
  open.push(connection)
  return connection
}

async function isPlaceFree(): Promise<boolean> {
  const next = await connect()
  next.send('GET / HTTP/1.1\r\nhost: holdfast\r\nconnection: close\r\n\r\n')
  return (await next.received()) !== ''
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: holdfast\r\n\r\n`
const areWaiting = (count: number) => until(() => waiting.length === count, 2_000, 'waiting')
const statusesIn = (received: string): string[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)

describe('what cannot be read behind a request that waits', () => {
  it('is remembered once, however much of it comes, and refused after the answer', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const [answer] = waiting
    const before = answer!.listenerCount('close')
    for (let chunks = 0; chunks < 5; chunks += 1) await sendAndRead(connection, 'JUNK')
    expect(answer!.listenerCount('close')).toBe(before + 1)
    answer!.end()
    expect(statusesIn(await connection.received())).toEqual(['200', '400'])
  })

  it('is not waited for any longer: a request that comes too late is not served', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const [answer] = waiting
    const before = answer!.listenerCount('close')
    await sendAndRead(connection, 'GET /wait HTTP/1.1\r\nhost: hold')
    clock.advance(500)
    await until(() => answer!.listenerCount('close') > before, 2_000, 'too late')
    await sendAndRead(connection, 'fast\r\n\r\n')
    answer!.end()
    expect(statusesIn(await connection.received())).toEqual(['200', '408'])
    expect(waiting).toHaveLength(1)
  })
})

describe('a client that has sent its end', () => {
  it('is answered all it asked for, and then the connection is closed', async () => {
    const { socket, received } = connectQuietly()
    socket.resume()
    socket.end(`${get('/wait')}${get('/wait')}`)
    await areWaiting(2)
    await until(() => waiting[0]!.socket?.readableEnded === true, 2_000, 'its end')
    for (const answer of waiting) answer.end()
    await once(socket, 'close')
    expect(statusesIn(received())).toEqual(['200', '200'])
  })

  it('or vanishes takes no place once it is answered', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const { socket } = waiting[0]!
    connection.close()
    await until(() => socket?.readableEnded === true, 2_000, 'its end')
    waiting[0]!.end()
    await until(() => socket?.destroyed === true, 2_000, 'closed')
  })
})

describe('a client that reads nothing', () => {
  const look = (): void => {
    clock.advance(30_000)
  }

  /** Piece by piece, as long as they are taken. */
  async function answerWithoutEnd(): Promise<Socket> {
    await areWaiting(1)
    const [answer] = waiting
    Readable.from(pieces()).pipe(answer!)
    return answer!.socket!
  }

  it('is closed within a minute', async () => {
    connectQuietly().socket.write(get('/wait'))
    const socket = await answerWithoutEnd()
    await settled(socket)
    look()
    expect(socket.destroyed).toBe(false)
    look()
    expect(socket.destroyed).toBe(true)
  })

  it('for a while only is not closed', async () => {
    const client = connectQuietly().socket
    client.write(get('/wait'))
    const socket = await answerWithoutEnd()
    for (let looks = 0; looks < 3; looks += 1) {
      await settled(socket)
      look()
      const before = leftFor(socket)
      client.resume()
      await until(() => leftFor(socket) > before, 2_000, 'read on')
      client.pause()
    }
    expect(socket.destroyed).toBe(false)
  })

  it('because it waits for its answer is not closed', async () => {
    const { socket, received } = connectQuietly()
    socket.write(get('/wait'))
    await areWaiting(1)
    for (let looks = 0; looks < 10; looks += 1) look()
    waiting[0]!.end()
    socket.resume()
    await until(() => received() !== '', 2_000, 'answered')
    expect(statusesIn(received())).toEqual(['200'])
  })

  it('and does not close what was closed to it is closed, too', async () => {
    await server.stop()
    await start(1)
    const { socket, received } = connectQuietly()
    socket.resume()
    socket.write('GET')
    let hasEnded = false
    socket.once('end', () => {
      hasEnded = true
    })
    const isTooLate = (): boolean => {
      clock.advance(100)
      return hasEnded
    }
    await until(isTooLate, 2_000, 'too late')
    expect(statusesIn(received())).toEqual(['408'])
    expect(await isPlaceFree()).toBe(false)
    look()
    look()
    await until(isPlaceFree, 2_000, 'a free place')
  })
})

describe('a server that stops', () => {
  const closings = (received: string): string[] =>
    [...received.matchAll(/^connection: (.+?)\r$/gim)].map(([, value = '']) => value)

  it('answers what was sent before on a connection it had no reason to read from', async () => {
    const connection = await connect()
    connection.send(get('/'))
    await connection.receive('Cannot GET')
    connection.send(get('/nowhere'))
    const stopped = server.stop()
    const received = await connection.received()
    expect(statusesIn(received)).toEqual(['404', '404'])
    expect(closings(received)).toEqual(['keep-alive', 'close'])
    await stopped
  })

  it('answers those who had connected, though none of them was let in yet', async () => {
    const clients = Array.from({ length: 20 }, () => {
      const client = connectQuietly()
      client.socket.resume()
      client.socket.write(get('/'))
      return client
    })
    await Promise.all(clients.map(({ socket }) => once(socket, 'connect')))
    const stopped = server.stop()
    const isTold = ({ socket, received }: (typeof clients)[number]): boolean =>
      received() !== '' || socket.destroyed
    await until(() => clients.every(isTold), 2_000, 'all told')
    clock.advance(500)
    await stopped
    expect(clients.map(({ received }) => statusesIn(received())[0])).toEqual(
      clients.map(() => '404'),
    )
  })

  it('leaves a silent connection half a second for what is on its way', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const { socket } = waiting[0]!
    waiting[0]!.end()
    await connection.receive('200')
    const stopped = server.stop()
    clock.advance(499)
    expect(socket?.destroyed).toBe(false)
    clock.advance(1)
    expect(socket?.destroyed).toBe(true)
    await stopped
  })

  it('says with the last answer of a connection that it is the last, and with no other', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const stopped = server.stop()
    connection.send(`${get('/wait')}${get('/wait')}`)
    await areWaiting(3)
    for (const answer of waiting) answer.end()
    expect(closings(await connection.received())).toEqual(['keep-alive', 'keep-alive', 'close'])
    await stopped
  })

  it('says so to a request that waited before, and serves none behind what it said', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const stopped = server.stop()
    waiting[0]!.flushHeaders()
    expect(closings(await connection.receive('\r\n\r\n'))).toEqual(['close'])
    await sendAndRead(connection, get('/wait'))
    expect(waiting).toHaveLength(1)
    waiting[0]!.end()
    expect(statusesIn(await connection.received())).toEqual(['200'])
    await stopped
  })

  it('serves nothing more after half a second', async () => {
    const connection = await connect()
    connection.send(get('/wait'))
    await areWaiting(1)
    const stopped = server.stop()
    clock.advance(500)
    await sendAndRead(connection, get('/wait'))
    expect(waiting).toHaveLength(1)
    waiting[0]!.end()
    expect(closings(await connection.received())).toEqual(['close'])
    await stopped
  })

  it('does not wait for the rest of a request behind one that was answered', async () => {
    const connection = await connect()
    const half = get('/wait').replace('\r\n\r\n', '\r\ncontent-length: 9\r\n\r\n')
    connection.send(`${get('/wait')}${half}`)
    await areWaiting(2)
    const stopped = server.stop()
    clock.advance(500)
    waiting[0]!.end()
    expect(statusesIn(await connection.received())).toEqual(['200'])
    await stopped
  })
})

it('whoever names two hosts is not served what comes behind', async () => {
  const connection = await connect()
  const twoHosts = get('/wait').replace('\r\n\r\n', '\r\nhost: b\r\n\r\n')
  connection.send(`${twoHosts}${get('/wait')}`)
  expect(statusesIn(await connection.received())).toEqual(['400'])
  expect(waiting).toEqual([])
})

/** Until the server has read it, on the connection of the first that waits. */
async function sendAndRead(connection: RawConnection, text: string): Promise<void> {
  const { socket } = waiting[0]!
  const { bytesRead = 0 } = socket ?? {}
  connection.send(text)
  await until(() => socket?.bytesRead === bytesRead + text.length, 2_000, 'read')
}

function* pieces(): Generator<Buffer> {
  const piece = Buffer.alloc(65_536)
  for (;;) yield piece
}

const leftFor = (socket: Socket): number => socket.bytesWritten - socket.writableLength

/** Until nothing leaves any more: what lies between the two is full. */
async function settled(socket: Socket): Promise<void> {
  let before = -1
  const isStill = (): boolean => {
    const isSame = leftFor(socket) === before
    before = leftFor(socket)
    return isSame
  }
  await until(isStill, 2_000, 'full', 50)
}

/** A client that reads nothing unless it is resumed, and never closes by itself. */
function connectQuietly() {
  const { hostname, port } = new URL(server.url())
  const socket = connectTo({ port: Number(port), host: hostname, allowHalfOpen: true })
  socket.on('error', () => undefined)
  open.push({ close: () => void socket.destroy() })
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString()))
  socket.pause()
  return { socket, received: () => text }
}
