import type { Express } from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAudit } from '../../audit/audit.ts'
import { createPlainCodec } from '../../messaging/envelope.ts'
import { createMetrics } from '../../metrics.ts'
import { createLogger } from '../../logger.ts'
import { createPaymentSettlement } from '../../payments/pay.ts'
import { createSimulatedProvider } from '../../payments/simulator/simulated-provider.ts'
import { operationsOf, type Operation } from '../../../test/support/open-api.ts'
import { openSaleFixture, type SaleFixture } from '../../../test/support/sale-fixture.ts'
import {
  startApp,
  testAdminToken,
  testJwtSecret,
  type TestApp,
} from '../../../test/support/start-app.ts'
import { createStubBroker } from '../../../test/support/stub-broker.ts'
import { createApiNode } from '../api-node.ts'
import { createApp } from './app.ts'
import { createIdentity } from '../identity/identity.ts'
import { createReadiness } from './readiness.ts'
import { healthRoutes, metricsRoutes } from '../routes/health.ts'
import { problemCodes } from './problem.ts'

/** The app as the program makes it, not listening, so that its router can be looked into. */
function createWholeApp(fixture: SaleFixture): Express {
  const { database, clock, newId } = fixture
  const logger = createLogger('silent', {})
  const metrics = createMetrics()
  const provider = createSimulatedProvider({
    path: `${fixture.path}.provider`,
    clock,
    random: () => 0.5,
  })
  const config = {
    jwtSecret: testJwtSecret,
    adminToken: testAdminToken,
    externalIssuer: undefined,
    nodeId: 'test',
    holdSeconds: 300,
    addToCartRouting: 'channel-per-product' as const,
    addToCartWaitMs: 5_000,
    addToCartMaxAgeMs: 30_000,
    addToCartUserRate: 0,
    pendingRepliesMax: 10,
    paymentWebhookSecrets: ['webhook-secret-of-the-tests'],
  }
  const context = { clock, newId, logger, defer: setImmediate, random: () => 0.5 }
  const identity = createIdentity({ config, database, ...context })
  const node = createApiNode(
    {
      config,
      database,
      broker: createStubBroker(),
      codec: createPlainCodec(),
      metrics,
      settlement: createPaymentSettlement({ database, provider, clock, newId, logger }),
      audit: createAudit({ database, provider, clock }),
      announceStockReleased: () => undefined,
      ...context,
    },
    identity,
  )
  const health = healthRoutes({ readiness: createReadiness({}) })
  const routes = [...node.routes, ...health, ...metricsRoutes({ metrics })]
  const { authentication } = identity
  return createApp({ routes, authentication, logger, clock, newId, version: '0' })
}

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> }
  /** Middleware, or a router within the router. */
  readonly handle: { readonly stack?: readonly Layer[] }
}

/** The start page and the files of the documentation page are no part of the API. */
const pageFiles = ['GET /', 'GET /docs/start.js']

function routedIn(app: Express): string[] {
  const { stack } = app.router as unknown as { readonly stack: readonly Layer[] }
  return routesOf(stack).filter((route) => !pageFiles.includes(route))
}

function routesOf(stack: readonly Layer[]): string[] {
  return stack.flatMap(({ route, handle }) =>
    route === undefined
      ? routesOf(handle.stack ?? [])
      : Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`),
  )
}

const expressForm = ({ method, path }: Operation): string =>
  `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`

/** Every value under a key, however deep. */
function valuesOf(key: string, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value as Record<string, unknown>).flatMap(([name, inner]) =>
    name === key ? [inner, ...valuesOf(key, inner)] : valuesOf(key, inner),
  )
}

function resolve(document: unknown, reference: string): unknown {
  return reference
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], document)
}

describe('the OpenAPI document', () => {
  let fixture: SaleFixture
  let app: TestApp
  let document: Readonly<Record<string, unknown>>
  let operations: readonly Operation[]

  beforeAll(async () => {
    fixture = await openSaleFixture()
    app = await startApp()
    document = (await app.call('GET', '/openapi.json')).body
    operations = operationsOf(document)
  })
  afterAll(async () => {
    await app.stop()
    await fixture.close()
  })

  it('has every route of the router, and the router has every route of it', () => {
    const routed = routedIn(createWholeApp(fixture))
    expect(routed.length).toBeGreaterThan(25)
    expect(operations.map(expressForm).sort()).toEqual(routed.sort())
  })

  it('says which version of OpenAPI and of Holdfast it speaks of', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Holdfast' } })
    expect((document['info'] as { version: string }).version).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it('names every operation once', () => {
    const ids = operations.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[a-z][a-zA-Z0-9]+$/)
  })

  it('declares every parameter of every path, and no other', () => {
    for (const { path, parameters } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const declared = parameters.filter((each) => each.in === 'path')
      expect([path, declared.map(({ name }) => name)]).toEqual([path, inPath])
      for (const { required } of declared) expect(required).toBe(true)
    }
  })

  it('declares the Idempotency-Key where it is taken', () => {
    const taking = operations.filter(({ parameters }) =>
      parameters.some(({ name }) => name === 'idempotency-key'),
    )
    const admin = operations.filter(
      ({ access, method }) => access === 'admin' && ['POST', 'PATCH'].includes(method),
    )
    const shoppers = ['/v1/cart/items', '/v1/checkout', '/v1/invoices/{id}/pay']
    const expected = [...admin.map(({ path }) => path), ...shoppers]
    expect(taking.map(({ path }) => path).sort()).toEqual(expected.sort())
    for (const { statuses } of taking) expect(statuses).toContain(400)
    for (const { statuses } of admin) expect(statuses).toContain(422)
  })

  it('refers only to what is there', () => {
    const references = valuesOf('$ref', document) as string[]
    expect(references.length).toBeGreaterThan(20)
    for (const reference of references) {
      expect([reference, resolve(document, reference)]).not.toEqual([reference, undefined])
    }
    const schemes = valuesOf('securitySchemes', document)[0] as Record<string, unknown>
    expect(Object.keys(schemes).sort()).toEqual(['admin', 'shopper'])
  })

  it('says of every answer what it means, and of every error its codes and its shape', () => {
    const paths = document['paths'] as Record<string, Record<string, { responses: object }>>
    for (const [path, item] of Object.entries(paths)) {
      for (const [status, response] of Object.entries(item).flatMap(([, { responses }]) =>
        Object.entries(responses as Record<string, { description: string; content?: object }>),
      )) {
        expect(response.description).not.toBe('')
        const isProblem = Number(status) >= 400 && path !== '/readyz'
        if (!isProblem) continue
        expect(Object.keys(response.content ?? {})).toEqual(['application/problem+json'])
        const codes = [...response.description.matchAll(/`(\w+)`/g)].map(([, code]) => code)
        expect(codes.length).toBeGreaterThan(0)
        for (const code of codes) expect(problemCodes).toContain(code)
      }
    }
  })

  it('says who may call what', () => {
    for (const { path, access, statuses } of operations) {
      if (path.startsWith('/v1/admin/')) expect([path, access]).toEqual([path, 'admin'])
      expect([path, statuses.includes(401)]).toEqual([path, access !== 'anyone'])
      expect([path, statuses.includes(403)]).toEqual([path, access === 'admin'])
    }
  })

  it('uses no schema OpenAPI 3.1 does not know', () => {
    for (const value of valuesOf('nullable', document)) expect(value).not.toBe(true)
    const types = valuesOf('type', document)
      .flat()
      .filter((type) => typeof type === 'string')
    const known = ['string', 'number', 'integer', 'boolean', 'array', 'object', 'null', 'http']
    for (const type of new Set(types)) expect(known).toContain(type)
  })
})

describe('the documentation page', () => {
  let app: TestApp

  beforeAll(async () => {
    app = await startApp()
  })
  afterAll(() => app.stop())

  it('needs nothing from anywhere else', async () => {
    const page = await app.call('GET', '/docs')
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    const urls = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url ?? '')
    expect(urls.length).toBeGreaterThanOrEqual(3)
    const pieces = await Promise.all(urls.map((url) => app.call('GET', url)))
    for (const [index, { status, headers, text }] of pieces.entries()) {
      expect([urls[index], status]).toEqual([urls[index], 200])
      expect(headers.get('content-type')).toMatch(/^text\/(css|javascript)/)
      expect(text).not.toBe('')
    }
    const start = await app.call('GET', '/docs/start.js')
    expect(start.text).toContain("url: '/openapi.json'")
    expect(page.text + start.text).not.toMatch(/https?:\/\//)
  })

  it('may run its own scripts only', async () => {
    const { headers } = await app.call('GET', '/docs')
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("default-src 'self'")
    expect(policy).not.toContain('upgrade-insecure-requests')
  })

  it('gives away no other file', async () => {
    for (const path of [
      '/docs/assets/',
      '/docs/assets/..%2f..%2fpackage.json',
      '/docs/assets/%00',
    ]) {
      expect([400, 403, 404]).toContain((await app.call('GET', path)).status)
    }
  })
})
