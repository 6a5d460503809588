import type { Response } from 'express'
import express from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { openRaw, type RawConnection } from '../testing/raw-http.ts'
import { until } from '../testing/until.ts'
import { createReadiness } from './readiness.ts'
import { createHttpServer, type HttpServer } from './server.ts'

let server: HttpServer
let open: RawConnection[]
/** The answers of `/wait`, which come when the test gives them. */
let waiting: Response[]

beforeEach(async () => {
  open = []
  waiting = []
  const app = express()
  app.all('/wait', (_request, response) => void waiting.push(response))
  server = createHttpServer({
    ...{ app, fastLane: undefined, readiness: createReadiness({}), clock: systemClock },
    ...{ host: '127.0.0.1', port: 0, headersTimeoutMs: 100 },
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
    const { bytesRead = 0 } = answer!.socket ?? {}
    for (let chunks = 1; chunks <= 5; chunks += 1) {
      connection.send('JUNK')
      await until(() => answer!.socket?.bytesRead === bytesRead + 4 * chunks, 2_000, 'read')
    }
    expect(answer!.listenerCount('close')).toBe(before + 1)
    answer!.end()
    expect(statusesIn(await connection.received())).toEqual(['200', '400'])
  })

  it('is not waited for any longer: a request that comes too late is not served', async () => {
    const connection = await connect()
    connection.send(`${get('/wait')}GET /wait HTTP/1.1\r\nhost: hold`)
    await areWaiting(1)
    const [answer] = waiting
    const before = answer!.listenerCount('close')
    await until(() => answer!.listenerCount('close') > before, 2_000, 'too late')
    const { bytesRead = 0 } = answer!.socket ?? {}
    connection.send('fast\r\n\r\n')
    await until(() => answer!.socket?.bytesRead !== bytesRead, 2_000, 'read')
    answer!.end()
    expect(statusesIn(await connection.received())).toEqual(['200', '408'])
    expect(waiting).toHaveLength(1)
  })
})
