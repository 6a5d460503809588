import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NewId } from '../ids.ts'
import type { Logger } from '../logger.ts'
import { addToCartBody, type AddToCartHandler } from './add-to-cart.ts'
import { bodyBytesMax, toProblem } from './app.ts'
import { readRequestId } from './request-context.ts'
import type { Authentication } from './authentication.ts'
import { problem, type Reply } from './problem.ts'
import type { RateLimit } from './rate-limit.ts'
import { describeIssues, readIdempotencyKey } from './route.ts'

/**
 * Serves `POST /v1/cart/items` in front of Express, which alone costs about 60 µs a request. Same
 * handler, same answers: one contract test runs the same cases through both doors.
 */
export interface FastLane {
  /** True when the request was taken. */
  take(request: IncomingMessage, response: ServerResponse): boolean
}

export interface FastLaneOptions {
  readonly addToCart: AddToCartHandler
  readonly authentication: Authentication
  readonly rateLimit: RateLimit
  readonly newId: NewId
  readonly logger: Logger
}

export function createFastLane(options: FastLaneOptions): FastLane {
  const { logger, newId } = options

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('x-request-id', readRequestId(request, newId))
    response.setHeader('x-content-type-options', 'nosniff')
    try {
      send(response, await answer(request, options))
    } catch (error) {
      if (error === clientGone || response.destroyed) return
      const reply = toProblem(error)
      if (reply.status === 500) logger.error({ err: error }, 'add to cart failed')
      send(response, reply)
    }
  }

  return {
    take(request, response) {
      if (request.method !== 'POST' || request.url !== '/v1/cart/items') return false
      if (!isPlainJson(request)) return false
      void serve(request, response)
      return true
    },
  }
}

async function answer(request: IncomingMessage, options: FastLaneOptions): Promise<Reply> {
  const { authentication, rateLimit, addToCart } = options
  const { authorization } = request.headers
  const text = await readBody(request)
  if (text === undefined) return problem('body_too_large')
  const body = parseJson(text)
  if (body === undefined) return problem('malformed_json')
  const userId =
    authentication.knownShopper(authorization) ?? (await authentication.shopper(authorization))
  if (userId === undefined) return problem('unauthenticated')
  const idempotencyKey = readIdempotencyKey(keyHeader(request))
  const parsed = addToCartBody.safeParse(body)
  const headers: Record<string, string> = {}
  if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
  if (!parsed.success) {
    return withHeaders(problem('validation_failed', describeIssues(parsed.error, 'body')), headers)
  }
  if (!rateLimit.take(userId)) return withHeaders(problem('rate_limited'), headers)
  return addToCart.handle({ ...parsed.data, userId, idempotencyKey })
}

function withHeaders(reply: Reply, headers: Readonly<Record<string, string>>): Reply {
  return { ...reply, headers: { ...reply.headers, ...headers } }
}

function keyHeader(request: IncomingMessage): string | undefined {
  const header = request.headers['idempotency-key']
  return Array.isArray(header) ? header.join(', ') : header
}

const utf8 = new TextDecoder()
const plainJson = /^application\/json(; ?charset=utf-8)?$/i

/** Anything unusual about the body is left to Express and its parser. */
function isPlainJson({ headers }: IncomingMessage): boolean {
  return plainJson.test(headers['content-type'] ?? '') && headers['content-encoding'] === undefined
}

/** Nobody is there to be answered. */
const clientGone = new Error('the client went away')

/** The body as text, without a byte order mark; undefined when it is larger than allowed. */
function readBody(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= bodyBytesMax) chunks.push(chunk)
      else chunks = []
    })
    request.on('end', () => {
      resolve(length > bodyBytesMax ? undefined : utf8.decode(Buffer.concat(chunks)))
    })
    request.on('error', () => {
      reject(clientGone)
    })
    request.on('close', () => {
      reject(clientGone)
    })
  })
}

/** Undefined when it is not an object or array in JSON. As in Express, nothing at all is `{}`. */
function parseJson(text: string): unknown {
  if (text === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function send(response: ServerResponse, reply: Reply): void {
  const text = JSON.stringify(reply.body)
  response.writeHead(reply.status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...reply.headers,
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}
