import { z, type ZodType } from 'zod'
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
} from 'zod-openapi'
import { signatureHeader } from '../../payments/webhook.ts'
import { problemKind, type ProblemCode } from './problem.ts'
import type { AnyRoute } from './route.ts'
import { problemBody } from '../routes/schemas.ts'

/** The OpenAPI 3.1 document, generated from the same definitions the router is built from. */
export function createOpenApiDocument(routes: readonly AnyRoute[], version: string) {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Holdfast',
      version,
      description: 'Flash sales that never oversell. Errors are problem+json with a stable code.',
    },
    paths,
    components: {
      securitySchemes: {
        shopper: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        admin: { type: 'http', scheme: 'bearer', description: 'ADMIN_TOKEN' },
      },
    },
  })
}

function operation(route: AnyRoute): ZodOpenApiOperationObject {
  const { access, body } = route
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.tag],
    ...(access !== 'anyone' && { security: [{ [access]: [] }] }),
    requestParams: requestParams(route),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: body } } },
    }),
    responses: { ...successes(route), ...failures(route) },
  }
}

/** `postCartItems`, `getInvoicesById`: unique because method and path are. */
function operationId({ method, path }: AnyRoute): string {
  const words = path.replace('/v1', '').split(/[/.]/).filter(Boolean)
  const named = words.map((word) => word.replace(/^\{(.*)\}$/, 'by-$1'))
  return [method, ...named].join('-').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

const idempotencyKey = z
  .string()
  .min(1)
  .max(255)
  .optional()
  .describe('Same key and body, same answer; made by the server when absent')

const signature = z
  .string()
  .optional()
  .describe('`t=<epoch seconds>,v1=<hex>`: HMAC-SHA-256 of `<t>.<body>`, at most 5 minutes old')

const ifNoneMatch = z
  .string()
  .optional()
  .describe('The `ETag` of an answer that is known; 304 when it still holds')

function requestParams({ params, query, idempotent, signed, conditional }: AnyRoute) {
  return {
    ...(params !== undefined && { path: params as z.ZodObject }),
    ...(query !== undefined && { query: query as z.ZodObject }),
    ...(idempotent === true && { header: z.object({ 'idempotency-key': idempotencyKey }) }),
    ...(conditional === true && { header: z.object({ 'if-none-match': ifNoneMatch }) }),
    ...(signed === true && { header: z.object({ [signatureHeader]: signature }) }),
  }
}

const etag = {
  etag: { description: 'For `If-None-Match`; weak', schema: { type: 'string' } },
} as const

function successes({ responses, conditional }: AnyRoute) {
  const notModified = {
    304: { description: 'The answer that is known still holds', headers: etag },
  }
  const described = Object.fromEntries(
    Object.entries(responses).map(([status, { description, schema }]) => [
      status,
      {
        description,
        ...(conditional === true && { headers: etag }),
        ...(schema !== undefined && { content: content('application/json', schema) }),
      },
    ]),
  )
  return { ...described, ...(conditional === true && notModified) }
}

/** The problems that a route has because of its method, its access and its key. */
function commonProblems({ access, method, idempotent }: AnyRoute): ProblemCode[] {
  // Every route refuses a query that it does not know, and paths that cannot be read.
  const common: ProblemCode[] = ['validation_failed', 'bad_request']
  if (method !== 'get') {
    common.push('malformed_json', 'body_too_large', 'unsupported_media_type')
  }
  if (access !== 'anyone') common.push('unauthenticated', 'identity_unavailable')
  if (access === 'admin') common.push('forbidden')
  if (access === 'admin' && idempotent === true) common.push('idempotency_key_reused')
  common.push('rate_limited', 'database_unavailable')
  return common
}

function failures(route: AnyRoute) {
  const codes = new Set([...commonProblems(route), ...(route.problems ?? [])])
  const byStatus = new Map<number, ProblemCode[]>()
  for (const code of codes) {
    const { status } = problemKind(code)
    // A status that is a documented answer of the route keeps its own shape.
    if (route.responses[status] !== undefined) continue
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => [
      String(status),
      {
        description: some.map((code) => `\`${code}\``).join(', '),
        content: content('application/problem+json', problemBody),
      },
    ]),
  )
}

function content(mediaType: string, schema: ZodType) {
  return { [mediaType]: { schema } }
}
