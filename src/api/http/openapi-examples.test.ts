import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { operationsOf, type Operation } from '../../../test/support/open-api.ts'
import { nameOf, plausibleIds, urlFor } from '../../../test/support/requests.ts'
import { createSale, createShopper } from '../../../test/support/sale.ts'
import { startApp, testAdminToken, type TestApp } from '../../../test/support/start-app.ts'

/** The part of a schema that these tests read. */
interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly pattern?: string
  readonly minimum?: number
  readonly maximum?: number
}

interface Document {
  readonly servers: readonly { readonly url: string; readonly description: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, RawOperation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

interface RawOperation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly responses: Readonly<Record<string, RawResponse>>
}

interface RawResponse {
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>
  readonly headers?: Readonly<Record<string, { readonly schema: Schema }>>
  readonly links?: Readonly<Record<string, RawLink>>
}

interface RawLink {
  readonly operationId: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly requestBody?: Readonly<Record<string, string>>
}

let app: TestApp
let document: Document
let operations: readonly Operation[]
let raw: readonly RawOperation[]

beforeAll(async () => {
  app = await startApp()
  await createSale(app.call)
  document = (await app.call('GET', '/openapi.json')).body as unknown as Document
  operations = operationsOf(document)
  raw = Object.values(document.paths).flatMap((item) => Object.values(item))
})
afterAll(() => app.stop())

/** Every schema of the document with where it stands; components once. */
function schemas(): readonly (readonly [where: string, schema: Schema])[] {
  const ofBodies = operations.map((each) => [`${nameOf(each)} body`, each.body ?? {}] as const)
  const ofParameters = operations.flatMap((each) =>
    each.parameters.map(({ name, schema }) => [`${nameOf(each)} ${name}`, schema] as const),
  )
  const ofResponses = raw.flatMap(({ operationId, responses }) =>
    Object.entries(responses).flatMap(([status, { content = {}, headers = {} }]) => [
      ...Object.values(content).map(
        ({ schema }) => [`${operationId} ${status}`, schema ?? {}] as const,
      ),
      ...Object.entries(headers).map(
        ([name, { schema }]) => [`${operationId} ${status} ${name}`, schema] as const,
      ),
    ]),
  )
  const ofComponents = Object.entries(document.components.schemas)
  const all = [...ofBodies, ...ofParameters, ...ofResponses, ...ofComponents]
  return all.flatMap(([where, schema]) => [...within(where, schema as Schema)])
}

function* within(where: string, schema: Schema): Generator<readonly [string, Schema]> {
  yield [where, schema]
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    yield* within(`${where}.${name}`, inner)
  }
  if (schema.items !== undefined) yield* within(`${where}[]`, schema.items)
  // The example of a nullable value is outside of its `anyOf`.
  for (const inner of schema.anyOf ?? []) if (inner.properties) yield* within(where, inner)
}

const isLeaf = ({ $ref, type, properties, anyOf, ...rest }: Schema): boolean =>
  $ref === undefined &&
  properties === undefined &&
  rest.enum === undefined &&
  rest.const === undefined &&
  anyOf?.some(({ $ref: ref, enum: some }) => ref !== undefined || some !== undefined) !== true &&
  ['string', 'integer', 'number'].some((each) =>
    [type, ...(anyOf ?? []).map((inner) => inner.type)].includes(each),
  )

describe('what a reader of the OpenAPI document sees', () => {
  it('is a real example for every text and every number, which fits its schema', () => {
    const leaves = schemas().filter(([, schema]) => isLeaf(schema))
    expect(leaves.length).toBeGreaterThan(60)
    const bare = leaves.filter(([, { examples = [] }]) => examples.length === 0)
    expect(bare.map(([where]) => where)).toEqual([])
    for (const [where, schema] of leaves) {
      // The reader of schemas knows no `not`; the bodies below are sent to the program as they are.
      const shown = { ...schema, not: undefined } as unknown as Parameters<
        typeof z.fromJSONSchema
      >[0]
      const shape = z.fromJSONSchema(shown)
      for (const example of schema.examples ?? []) {
        expect([where, example, shape.safeParse(example).success]).toEqual([where, example, true])
      }
    }
  })

  it('is a summary, a sentence or two for every operation, and where the server is', () => {
    for (const { operationId, summary, description } of raw) {
      expect([operationId, summary]).toEqual([operationId, expect.stringMatching(/^[A-Z].{3,60}$/)])
      const sentences = expect.stringMatching(/^[A-Z].{30,300}\.$/s) as unknown
      expect([operationId, description]).toEqual([operationId, sentences])
      expect(summary).not.toMatch(/\.$/)
    }
    expect(document.servers).toEqual([{ url: '/', description: expect.any(String) as unknown }])
  })

  it('has no pattern that other tools cannot use', () => {
    const patterns = schemas().flatMap(([, { pattern }]) =>
      pattern === undefined ? [] : [pattern],
    )
    expect(patterns.length).toBeGreaterThan(10)
    for (const pattern of patterns) {
      // Classes of Unicode, look-behind, named groups and flags differ from tool to tool.
      expect(pattern).not.toMatch(/\\[pP]\{|\(\?<|\(\?[a-z]/)
      expect(() => new RegExp(pattern)).not.toThrow()
      expect(() => new RegExp(pattern, 'u')).not.toThrow()
    }
  })

  it('says of every id that it is from 1 to the largest exact number', () => {
    const ids = schemas().filter(
      ([where, { type }]) => /\bid$|Id$/.test(where) && type === 'integer',
    )
    expect(ids.length).toBeGreaterThan(15)
    for (const [where, { minimum, maximum }] of ids) {
      expect([where, minimum, maximum]).toEqual([where, 1, Number.MAX_SAFE_INTEGER])
    }
  })
})

describe('the example of every body', () => {
  it('is taken by the program', async () => {
    const shopper = await createShopper(app.call)
    const taking = operations.filter(({ takesBody }) => takesBody)
    expect(taking.length).toBeGreaterThan(7)
    for (const operation of taking) {
      const { properties = {} } = operation.body as Schema
      const body = Object.fromEntries(
        Object.entries(properties).map(([name, { examples, enum: some }]) => [
          name,
          (examples ?? some)?.[0],
        ]),
      )
      const token = operation.access === 'admin' ? testAdminToken : shopper.token
      const url = urlFor(operation, plausibleIds(operation))
      const { status, text } = await app.call(operation.method, url, { token, body })
      // The signature over the bytes is no example's to give; the body comes before it.
      const isSigned = operation.path === '/v1/webhooks/payments'
      const expected = isSigned ? /webhook_signature_invalid/ : /^(?!.*validation_failed)/
      expect([nameOf(operation), status, text]).toEqual([
        nameOf(operation),
        status,
        expect.stringMatching(expected),
      ])
    }
  })
})

describe('the links of the OpenAPI document', () => {
  it('lead from what creates to what uses it, by names that are there', () => {
    const links = raw.flatMap(({ operationId, responses }) =>
      Object.values(responses).flatMap((response) =>
        Object.values(response.links ?? {}).map((link) => ({ from: operationId, response, link })),
      ),
    )
    for (const { from, response, link } of links) {
      const to = operations.find(({ operationId }) => operationId === link.operationId)
      expect([from, link.operationId, to !== undefined]).toEqual([from, link.operationId, true])
      const taken = to?.parameters.map(({ name }) => name)
      expect(taken).toEqual(expect.arrayContaining(Object.keys(link.parameters ?? {})))
      const members = Object.keys((to?.body as Schema | undefined)?.properties ?? {})
      expect(members).toEqual(expect.arrayContaining(Object.keys(link.requestBody ?? {})))
      for (const value of Object.values({ ...link.parameters, ...link.requestBody })) {
        expectInResponse(response, value)
      }
    }
    const pairs = new Set(links.map(({ from, link }) => `${from} ${link.operationId}`))
    for (const pair of [
      'postAdminFlashSales getFlashSalesById',
      'postAdminFlashSales postAdminFlashSalesByIdProducts',
      'postAdminFlashSales postAdminFlashSalesByIdCancel',
      'postAdminProducts patchAdminProductsByIdStock',
      'postAdminProducts postAdminFlashSalesByIdProducts',
      'postAdminFlashSalesByIdProducts postCartItems',
      'postCartItems deleteCartItemsByReservationId',
      'postCartItems getCartRequestsByRequestId',
      'postCheckout getInvoicesById',
      'postCheckout postInvoicesByIdPay',
      'postCheckout postInvoicesByIdCancel',
    ]) {
      expect([pair, pairs.has(pair)]).toEqual([pair, true])
    }
  })

  /** `$response.body#/invoice/id` names a member of the body's schema. */
  function expectInResponse({ content = {} }: RawResponse, value: string): void {
    const pointer = /^\$response\.body#\/(.+)$/.exec(value)?.[1]
    if (pointer === undefined) {
      expect(value).toMatch(/^\$request\.path\.\w+$/)
      return
    }
    let at: Schema | undefined = Object.values(content)[0]?.schema
    for (const name of pointer.split('/')) at = resolved(at)?.properties?.[name]
    expect([value, at !== undefined]).toEqual([value, true])
  }

  function resolved(schema: Schema | undefined): Schema | undefined {
    const name = schema?.$ref?.replace('#/components/schemas/', '')
    return name === undefined ? schema : document.components.schemas[name]
  }
})
