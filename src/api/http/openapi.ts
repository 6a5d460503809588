import { z, type ZodType } from 'zod'
import {
  createDocument,
  type ZodOpenApiLinksObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi'
import { signatureHeader } from '../../payments/webhook.ts'
import { problemKind, type ProblemCode } from './problem.ts'
import {
  idempotencyKeyPattern,
  type AnyRoute,
  type LinkDefinition,
  type ResponseDefinition,
} from './route.ts'
import { problemBody } from '../routes/schemas.ts'

const about = `A flash-sale backend that never oversells.

A shopper registers, adds a product of a running sale to the cart, which holds the units for some minutes, checks out and pays.
Times are RFC 3339 in UTC, money is in minor units of its currency. Every error is \`application/problem+json\` with a stable
\`code\`. After a 503, a 429 or a lost connection a request with an \`Idempotency-Key\` is repeated with the same key: it is done once.`

const tags = [
  { name: 'sales', description: 'Flash sales and their stock. Anyone may read them.' },
  { name: 'shoppers', description: 'Registration. Absent when tokens come from another issuer.' },
  { name: 'cart', description: 'Holding units and checking out, with the token of a shopper.' },
  { name: 'invoices', description: 'Paying and cancelling, with the token of a shopper.' },
  { name: 'admin', description: 'Running the shop, with `ADMIN_TOKEN`.' },
  { name: 'payment provider', description: 'Called by the payment provider.' },
  { name: 'operations', description: 'Health, metrics and this document.' },
]

/** The OpenAPI 3.1 document, generated from the same definitions the router is built from. */
export function createOpenApiDocument(routes: readonly AnyRoute[], version: string) {
  const paths: ZodOpenApiPathsObject = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  }
  const used = new Set(routes.map(({ tag }) => tag))
  return createDocument({
    openapi: '3.1.0',
    info: { title: 'Holdfast', version, description: about },
    servers: [{ url: '/', description: 'The server that this document comes from' }],
    tags: tags.filter(({ name }) => used.has(name)),
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
    description: route.description,
    tags: [route.tag],
    ...(access !== 'anyone' && { security: [{ [access]: [] }] }),
    requestParams: requestParams(route),
    ...(body !== undefined && {
      requestBody: {
        // The program takes an absent body as `{}`.
        required: !body.safeParse({}).success,
        content: { 'application/json': { schema: body } },
      },
    }),
    responses: { ...successes(route), ...failures(route) },
  }
}

/** `postCartItems`, `getInvoicesById`: unique because method and path are. */
function operationId({ method, path }: Pick<AnyRoute, 'method' | 'path'>): string {
  const words = path.replace('/v1', '').split(/[/.]/).filter(Boolean)
  const named = words.map((word) => word.replace(/^\{(.*)\}$/, 'by-$1'))
  return [method, ...named].join('-').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

const idempotencyKey = (description: string) =>
  z
    .string()
    .regex(idempotencyKeyPattern)
    .optional()
    .describe(description)
    .meta({ examples: ['3f0c8a52-7f0e-4d5b-9a53-2c1f3d9b7e10'] })

const keyOfShopper = idempotencyKey(
  'Same key and body, same answer. The server makes one when it is absent.',
)
const keyOfOperator = idempotencyKey(
  'Same key, path and body, same answer, for two days at least. Without it every request is done.',
)

const signature = z
  .string()
  .regex(/^t=[0-9]{1,12}(,v1=[0-9a-fA-F]{64}){1,4}$/)
  .describe(
    '`t=<epoch seconds>,v1=<hex>`: HMAC-SHA-256 of `<t>.<body>`, at most 5 minutes old. `v1` comes once for each secret',
  )
  .meta({ examples: [`t=1797077520,v1=${'0123456789abcdef'.repeat(4)}`] })

const ifNoneMatch = z
  .string()
  .optional()
  .describe('The `ETag` of an answer that is known; 304 when it still holds')
  .meta({ examples: ['W/"5f2a"'] })

function requestParams(route: AnyRoute) {
  const { access, params, query, idempotent, signed, conditional } = route
  const key = access === 'admin' ? keyOfOperator : keyOfShopper
  return {
    ...(params !== undefined && { path: params as z.ZodObject }),
    ...(query !== undefined && { query: query as z.ZodObject }),
    ...(idempotent === true && { header: z.object({ 'idempotency-key': key }) }),
    ...(conditional === true && { header: z.object({ 'if-none-match': ifNoneMatch }) }),
    ...(signed === true && { header: z.object({ [signatureHeader]: signature }) }),
  }
}

const etag = z
  .string()
  .describe('For `If-None-Match`; weak')
  .meta({ examples: ['W/"5f2a"'] })

const notModified = {
  description: 'The answer that is known still holds',
  headers: z.object({ etag }),
}

function successes(route: AnyRoute): Record<string, ZodOpenApiResponseObject> {
  const described = Object.fromEntries(
    Object.entries(route.responses).map(([status, response]) => [
      status,
      success(route, Number(status), response),
    ]),
  )
  return { ...described, ...(route.conditional === true && { 304: notModified }) }
}

function success(route: AnyRoute, status: number, response: ResponseDefinition) {
  const { description, schema, links } = response
  return {
    description,
    ...(status < 300 && { headers: z.object(responseHeaders(route, response)) }),
    ...(schema !== undefined && { content: content('application/json', schema) }),
    ...(links !== undefined && { links: linksOf(links) }),
  }
}

function responseHeaders({ idempotent, conditional }: AnyRoute, { location }: ResponseDefinition) {
  return {
    ...(conditional === true && { etag }),
    ...(location === true && {
      location: z
        .string()
        .describe('The path of what was made')
        .meta({ examples: ['/v1/flash-sales/1'] }),
    }),
    ...(idempotent === true && {
      'idempotency-key': z
        .string()
        .optional()
        .describe('The key of the request')
        .meta({ examples: ['3f0c8a52-7f0e-4d5b-9a53-2c1f3d9b7e10'] }),
      'idempotency-replayed': z
        .literal('true')
        .optional()
        .describe('This is the answer of an earlier request with the same key'),
    }),
  }
}

function linksOf(links: Readonly<Record<string, LinkDefinition>>): ZodOpenApiLinksObject {
  return Object.fromEntries(
    Object.entries(links).map(([name, { to, parameters, body }]) => {
      const [method = '', path = ''] = to.split(' ')
      return [
        name,
        {
          operationId: operationId({ method: method.toLowerCase() as AnyRoute['method'], path }),
          ...(parameters !== undefined && { parameters }),
          ...(body !== undefined && { requestBody: body }),
        },
      ]
    }),
  )
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
