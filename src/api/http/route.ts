import type { Request, RequestHandler, Response } from 'express'
import { z, type ZodType } from 'zod'
import { limits } from '../../domain/limits.ts'
import { signatureHeader } from '../../payments/webhook.ts'
import type { Authentication, Shopper } from '../identity/authentication.ts'
import { ProblemError, type ProblemCode, type Reply } from './problem.ts'
import { rawBodyOf } from './raw-body.ts'
import { spreadRetryAfter } from './retry-after.ts'

/**
 * The definition of a route. The router, the checks of the input and the OpenAPI document are made
 * from it.
 */
export interface RouteDefinition<Params, Query, Body> {
  readonly method: 'get' | 'post' | 'patch' | 'delete'
  /** The path in OpenAPI's form: `/v1/invoices/{id}`. */
  readonly path: string
  readonly access: 'anyone' | 'shopper' | 'admin'
  readonly tag: string
  /** A few words for a list of routes. */
  readonly summary: string
  /** A sentence or two: what it does, and what a client has to know before calling it. */
  readonly description: string
  readonly params?: ZodType<Params>
  readonly query?: ZodType<Query>
  readonly body?: ZodType<Body>
  /** For the operators' network only, though it needs no token. */
  readonly internal?: true
  /**
   * Takes an Idempotency-Key and answers with it. A shopper's route makes one when there is none.
   */
  readonly idempotent?: true
  /** Its answers carry an `ETag`, and `If-None-Match` is answered with 304. */
  readonly conditional?: true
  /** The body is signed: the handler checks the bytes as they came. */
  readonly signed?: true
  readonly responses: Readonly<Record<number, ResponseDefinition>>
  /** The route's own problems, besides those of every route with this access. */
  readonly problems?: readonly ProblemCode[]
  readonly handle: (input: RouteInput<Params, Query, Body>) => Promise<RouteReply>
}

export interface ResponseDefinition {
  readonly description: string
  readonly schema?: ZodType
  /** The header `Location` leads to what was made. */
  readonly location?: true
  /** Operations that can be called with what this answer holds, by the name of the link. */
  readonly links?: Readonly<Record<string, LinkDefinition>>
}

/** A link as OpenAPI has it; values are runtime expressions such as `$response.body#/id`. */
export interface LinkDefinition {
  /** The operation it leads to, such as `GET /v1/flash-sales/{id}`. */
  readonly to: string
  readonly parameters?: Readonly<Record<string, string>>
  /** Members of the body. */
  readonly body?: Readonly<Record<string, string>>
}

export interface RouteInput<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The authenticated shopper; 0 on routes that are not for shoppers. */
  readonly userId: number
  /** The shopper's uid, which no restored copy gives to another user; empty where `userId` is 0. */
  readonly userUid: string
  /** The Idempotency-Key of the client, if it sent one. */
  readonly idempotencyKey: string | undefined
  readonly signed: SignedBody
  readonly origin: Origin
}

export interface SignedBody {
  readonly bytes: Buffer
  readonly signature: string | undefined
}

/** The origin of a request, for records about it. */
export interface Origin {
  /** Method and path in OpenAPI's form. */
  readonly route: string
  readonly requestId: string
  /** The address of the client, as trusted proxies report it. */
  readonly address: string
}

export interface RouteReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A body that is sent as JSON. */
  readonly body?: unknown
  /** A body that is sent as it is, with the content type of `headers`. */
  readonly text?: string
  /** Sent as they are, likewise. */
  readonly bytes?: Buffer
}

export type AnyRoute = RouteDefinition<unknown, unknown, unknown>

export const isForOperators = ({ access, internal }: AnyRoute): boolean =>
  access === 'admin' || internal === true

/** Keeps the types of params, query and body together with their handler. */
export function defineRoute<Params = unknown, Query = unknown, Body = unknown>(
  route: RouteDefinition<Params, Query, Body>,
): AnyRoute {
  return route as AnyRoute
}

/** Sends a reply. Every JSON answer of the Express routes is sent here. */
export function sendReply(response: Response, reply: RouteReply): void {
  response.statusCode = reply.status
  // Not `response.set`, which adds a charset JSON has no use for: both entry points answer the
  // same.
  const headers = { 'cache-control': 'no-store', ...spreadRetryAfter(reply.headers ?? {}) }
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (reply.bytes !== undefined) {
    sendBytes(response, reply.bytes)
    return
  }
  if (reply.body === undefined) {
    response.end(reply.text)
    return
  }
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(reply.body))
}

function sendBytes(response: Response, bytes: Buffer): void {
  if (isKnown(response.req.headers['if-none-match'], String(response.getHeader('etag')))) {
    response.statusCode = 304
    response.removeHeader('content-type')
    response.end()
    return
  }
  response.setHeader('content-length', bytes.length)
  response.end(bytes)
}

/**
 * RFC 9110, 13.1.2: tags are compared weakly, and `*` is any. Not the `fresh` of Express, which
 * takes a request's `Cache-Control: no-cache` for a wish not to be told 304; `fetch` adds it to
 * every `If-None-Match`.
 */
function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  const opaque = etag.replace(/^W\//, '')
  const known: readonly string[] = ifNoneMatch.match(/"[\x21\x23-\x7e\x80-\xff]*"/g) ?? []
  return known.includes(opaque)
}

/**
 * Makes the Express handler of a route: it authenticates, checks the input, and calls the route's
 * code.
 */
export function routeHandler(route: AnyRoute, authentication: Authentication): RequestHandler {
  return async (request, response) => {
    const { userId, userUid } = await authorize(route, request, authentication)
    const idempotencyKey =
      route.idempotent === true ? readIdempotencyKey(request.get('idempotency-key')) : undefined
    // Problems carry the key too, so that the client sees which request was answered.
    if (idempotencyKey !== undefined) response.set('idempotency-key', idempotencyKey)
    const reply = await route.handle({
      params: parse(route.params, request.params, 'path'),
      query: parse(route.query, request.query, 'query'),
      body: parse(route.body, bodyOf(request), 'body'),
      userId,
      userUid,
      idempotencyKey,
      signed: { bytes: rawBodyOf(request), signature: request.get(signatureHeader) },
      origin: originOf(route, request),
    })
    sendReply(response, reply)
  }
}

function originOf({ method, path }: AnyRoute, { id, ip }: Request): Origin {
  const requestId = typeof id === 'string' ? id : ''
  return { route: `${method.toUpperCase()} ${path}`, requestId, address: ip ?? '' }
}

const noShopper: Shopper = { userId: 0, userUid: '' }

/** @throws ProblemError when the caller may not use the route. */
async function authorize(
  route: AnyRoute,
  request: Request,
  authentication: Authentication,
): Promise<Shopper> {
  const { authorization } = request.headers
  switch (route.access) {
    case 'anyone':
      return noShopper
    case 'shopper': {
      const shopper = await authentication.shopper(authorization)
      if (shopper === undefined) throw new ProblemError('unauthenticated')
      return shopper
    }
    case 'admin':
      if (authentication.isAdmin(authorization)) return noShopper
      if ((await authentication.shopper(authorization)) === undefined) {
        throw new ProblemError('unauthenticated')
      }
      throw new ProblemError('forbidden')
  }
}

function bodyOf(request: Request): unknown {
  // A route without fields in its body accepts no body or {}.
  return request.body === undefined ? {} : (request.body as unknown)
}

const nothing = z.strictObject({})

function parse(schema: ZodType | undefined, value: unknown, place: string): unknown {
  const parsed = (schema ?? nothing).safeParse(value)
  if (parsed.success) return parsed.data
  throw new ProblemError('validation_failed', describeIssues(parsed.error, place))
}

const issuesMax = 5

/** Says which field is wrong and why, without repeating the sent value. */
export function describeIssues(error: z.ZodError, place: string): string {
  return error.issues
    .slice(0, issuesMax)
    .map(({ path, message }) => `${[place, ...path.map(String)].join('.')}: ${message}`)
    .join('; ')
    .slice(0, 500)
}

export const idempotencyKeyPattern = new RegExp(`^[!-~]{1,${limits.idempotencyKeyLengthMax}}$`)

/**
 * The key of an `Idempotency-Key` header, which may be in the quotes of a structured field (RFC 9651): `"a"` is `a`.
 * @throws ProblemError when it is not 1 to 255 visible ASCII characters.
 */
export function readIdempotencyKey(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const quoted = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(value)?.[1]
  const key = quoted === undefined ? value : quoted.replace(/\\(.)/g, '$1')
  if (idempotencyKeyPattern.test(key)) return key
  throw new ProblemError(
    'validation_failed',
    `Idempotency-Key: 1 to ${limits.idempotencyKeyLengthMax} visible ASCII characters`,
  )
}

/** Makes a reply of this status with a JSON body. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return { status, headers, body }
}
