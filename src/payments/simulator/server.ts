/**
 * This file is the simulated provider as an HTTP server: the port's four calls, its ledger,
 * webhooks, and switches that make it misbehave. It has no authentication and listens on loopback
 * only.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { Service } from '../../lifecycle.ts'
import { AlreadyCapturedError, ProviderUnavailableError, type PaymentOrder } from '../provider.ts'
import { testMethod } from './methods.ts'
import type { SimulatedProvider } from './simulated-provider.ts'
import type { SimulatorSwitches } from './switches.ts'
import { switchesPatch } from './switches.ts'

export interface SimulatorServerOptions {
  readonly provider: SimulatedProvider
  readonly switches: SimulatorSwitches
  readonly clock: Clock
  /** The port on 127.0.0.1; 0 is any free one. */
  readonly port: number
}

export interface SimulatorServer extends Service {
  url(): string
}

interface Reply {
  readonly status: number
  readonly body: unknown
  /** Makes the server send the answer twice on the same connection, which is wrong on purpose. */
  readonly twice?: true
}

const bodyBytesMax = 16 * 1024

export function createSimulatorServer(options: SimulatorServerOptions): SimulatorServer {
  const server = createServer((request, response) => {
    void serve(options, request, response)
  })
  return {
    name: 'payment simulator server',
    url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(options.port, '127.0.0.1', resolve)
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

async function serve(
  options: SimulatorServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://simulator')
    const isControl = url.pathname.startsWith('/simulator')
    if (options.switches.now().down && !isControl) {
      request.socket.destroy()
      return
    }
    const body = await readBody(request)
    const reply = await route(options, { method: request.method ?? '', url, body })
    send(response, reply)
  } catch (error) {
    fail(response, error)
  }
}

interface Call {
  readonly method: string
  readonly url: URL
  readonly body: unknown
}

const orderBody = z.strictObject({
  invoiceId: z.string(),
  amountMinor: z.number(),
  currency: z.string(),
  method: z.string(),
})

async function route(options: SimulatorServerOptions, { method, url, body }: Call): Promise<Reply> {
  const { provider, switches } = options
  const [, first, id = '', verb = ''] = url.pathname.split('/')
  const paymentId = decodeURIComponent(id)
  switch (`${method} /${first ?? ''}/${verb}`) {
    case 'POST /payments/authorize':
      return authorize(provider, { paymentId, ...orderBody.parse(body) })
    case 'POST /payments/capture':
      await provider.capture(paymentId)
      return { status: 200, body: { paymentId } }
    case 'POST /payments/void':
      await provider.void(paymentId)
      return { status: 200, body: { paymentId } }
    case 'GET /payments/': {
      const known = await provider.find(paymentId)
      return known === undefined ? notFound : { status: 200, body: known }
    }
    case 'GET /ledger/': {
      const page = await provider.readLedger(url.searchParams.get('after') ?? '')
      return { status: 200, body: { ...page, next: page.next ?? null } }
    }
    case 'GET /simulator/':
      return { status: 200, body: switches.now() }
    case 'PATCH /simulator/':
      return { status: 200, body: switches.set(switchesPatch.parse(body)) }
    case 'POST /simulator/arrive':
      await provider.arrive(paymentId)
      return { status: 200, body: { paymentId } }
    default:
      return notFound
  }
}

const notFound: Reply = { status: 404, body: { error: 'there is nothing here' } }

async function authorize(provider: SimulatedProvider, order: PaymentOrder): Promise<Reply> {
  const authorization = await provider.authorize(order)
  const reply = { status: 200, body: { paymentId: order.paymentId, authorization } }
  const isTwice = testMethod(order.method).behaviour === 'answers_twice'
  return isTwice ? { ...reply, twice: true } : reply
}

function send(response: ServerResponse, { status, body, twice }: Reply): void {
  const text = JSON.stringify(body)
  const length = Buffer.byteLength(text)
  if (twice === true) {
    const raw = `HTTP/1.1 ${status} OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${text}`
    response.socket?.end(raw + raw)
    return
  }
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length })
  response.end(text)
}

/** Closes the connection for a missing answer; answers other errors with their message. */
function fail(response: ServerResponse, error: unknown): void {
  if (error instanceof ProviderUnavailableError) {
    response.socket?.destroy()
    return
  }
  const status = error instanceof AlreadyCapturedError ? 409 : 422
  send(response, { status, body: { error: error instanceof Error ? error.message : 'unknown' } })
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) throw new Error('the body is too large')
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  return text === '' ? undefined : JSON.parse(text)
}
