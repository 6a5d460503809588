import express, {
  Router,
  type ErrorRequestHandler,
  type Express,
  type RequestHandler,
} from 'express'
import helmet from 'helmet'
import { BrokerUnavailableError } from '../../broker/broker.ts'
import { DatabaseUnavailableError } from '../../db/database.ts'
import type { Clock } from '../../clock.ts'
import type { NewId } from '../../ids.ts'
import type { Logger } from '../../logger.ts'
import { IdentityUnavailableError, type Authentication } from '../identity/authentication.ts'
import { docsAssets, docsRoutes } from './docs-page.ts'
import { createOpenApiDocument } from './openapi.ts'
import { canonicalPath, onlyAsWritten, withoutLastSlash } from './paths.ts'
import { problem, ProblemError, type Reply } from './problem.ts'
import { keepRawBody } from './raw-body.ts'
import { hasBody, readRequestId } from './request-context.ts'
import { isForOperators, routeHandler, sendReply, type AnyRoute, type RouteReply } from './route.ts'

export interface AppOptions {
  readonly routes: readonly AnyRoute[]
  readonly authentication: Authentication
  readonly logger: Logger
  readonly clock: Clock
  readonly newId: NewId
  readonly version: string
  /** Limits the rate of each caller; no limit unless given. */
  readonly callerLimit?: RequestHandler
  /** The number of proxies whose `X-Forwarded-For` is trusted; 0 unless given. */
  readonly trustedProxies?: number
}

export const bodyBytesMax = 16 * 1024

/** Makes the Express app with every route of the contract; it does not listen yet. */
export function createApp(options: AppOptions): Express {
  const { routes, authentication, logger, clock, newId, version } = options
  const app = express()
  app.set('trust proxy', options.trustedProxies ?? 0)
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.set('case sensitive routing', true)
  app.use(canonicalPath)
  app.use(requestId(newId))
  app.use(requestLog(logger, clock))
  app.use(helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }))
  if (options.callerLimit !== undefined) app.use(options.callerLimit)
  app.use(mediaType)
  app.use(express.json({ limit: bodyBytesMax, inflate: false, strict: false, verify: keepRawBody }))
  app.use(docsAssets())
  const all = [...routes, ...docsRoutes(() => document)]
  const document = createOpenApiDocument(all, version)
  const operators = Router({ caseSensitive: true, strict: true })
  operators.use(onlyAsWritten)
  for (const route of all) {
    const router = isForOperators(route) ? operators : app
    router[route.method](expressPath(route.path), routeHandler(route, authentication))
  }
  operators.use(methodNotAllowed(all.filter(isForOperators), ''))
  app.use(operators)
  app.use(
    methodNotAllowed(
      all.filter((route) => !isForOperators(route)),
      '/?',
    ),
  )
  app.use((_request, response) => {
    sendReply(response, problem('not_found'))
  })
  app.use(errorHandler(logger))
  return app
}

const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1')

function requestId(newId: NewId): RequestHandler {
  return (request, response, next) => {
    request.id = readRequestId(request, newId)
    response.set('x-request-id', request.id)
    next()
  }
}

/** Add-to-cart and health checks come too often for a line each. */
const unloggedPaths = new Set(['/v1/cart/items', '/livez', '/readyz', '/metrics'])

const pathOf = (url = ''): string => withoutLastSlash(url.split('?', 1)[0] ?? '')

/**
 * Logs a line per answer at level `debug`, and a 5xx as a warning. pino-http would make a logger
 * for every request, which is half of Express's cost, for lines that nobody reads at `info`.
 */
function requestLog(logger: Logger, clock: Clock): RequestHandler {
  return (request, response, next) => {
    const startedAt = clock.monotonic()
    response.once('close', () => {
      const level = response.statusCode >= 500 ? 'warn' : 'debug'
      if (!logger.isLevelEnabled(level) || unloggedPaths.has(pathOf(request.url))) return
      const { id, method, originalUrl } = request
      // The query is left out, because clients put tokens and addresses there.
      const req = { id, method, url: originalUrl.split('?', 1)[0] }
      const responseTime = Math.round(clock.monotonic() - startedAt)
      logger[level](
        { req, res: { statusCode: response.statusCode }, responseTime },
        'request answered',
      )
    })
    next()
  }
}

/** Refuses bodies that are not JSON; the parser would silently ignore them. */
const mediaType: RequestHandler = (request, response, next) => {
  if (hasBody(request) && request.is('application/json') === false) {
    sendReply(response, problem('unsupported_media_type'))
    return
  }
  next()
}

/**
 * OPTIONS is told what a path takes; any other method it does not take is refused, saying the same.
 * `ending` is the expression for what may end a path.
 */
function methodNotAllowed(routes: readonly AnyRoute[], ending: '' | '/?'): RequestHandler {
  const patterns = new Map<string, string[]>()
  for (const { path, method } of routes) {
    const methods = method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]
    patterns.set(path, [...(patterns.get(path) ?? ['OPTIONS']), ...methods])
  }
  const known = [...patterns].map(([path, methods]) => ({
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}${ending}$`),
    allow: methods.join(', '),
  }))
  return (request, response, next) => {
    const match = known.find(({ pattern }) => pattern.test(request.path))
    if (match === undefined) {
      next()
      return
    }
    response.set('allow', match.allow)
    const isQuestion = request.method === 'OPTIONS'
    const answer: RouteReply = isQuestion ? { status: 204 } : problem('method_not_allowed')
    sendReply(response, answer)
  }
}

function errorHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error)
      return
    }
    const reply = toProblem(error)
    if (reply.status === 500) logger.error({ err: error, requestId: request.id }, 'request failed')
    sendReply(response, reply)
  }
}

/** Turns a thrown error into a problem. An unexpected error is a bug of the program: 500. */
export function toProblem(error: unknown): Reply {
  if (error instanceof ProblemError) return error.reply
  if (error instanceof DatabaseUnavailableError) return problem('database_unavailable')
  if (error instanceof IdentityUnavailableError) return problem('identity_unavailable')
  if (error instanceof BrokerUnavailableError) return problem('broker_unavailable')
  return parserProblem(error) ?? problem('internal_error')
}

/** Turns an error of Express or its body parser about a wrong request into a problem. */
function parserProblem(error: unknown): Reply | undefined {
  const { type, status } = (error ?? {}) as { readonly type?: unknown; readonly status?: unknown }
  switch (type) {
    case 'entity.parse.failed':
      return problem('malformed_json')
    case 'entity.too.large':
      return problem('body_too_large')
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return problem('unsupported_media_type')
  }
  return typeof status === 'number' && status >= 400 && status < 500
    ? problem('bad_request')
    : undefined
}
