import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listAdminActions } from '../../db/admin-actions.ts'
import { adjustStock, createProduct } from '../../db/catalogue.ts'
import { openSaleFixture, type SaleFixture } from '../../../test/support/sale-fixture.ts'
import { json } from '../http/route.ts'
import {
  createOperatorActions,
  done,
  refused,
  type Action,
  type OperatorActions,
} from './operator-actions.ts'

const origin = { route: 'POST /v1/admin/products', requestId: 'r1', address: '127.0.0.1' }
const action: Action = {
  origin,
  params: {},
  body: { name: 'Earbuds' },
  idempotencyKey: undefined,
}

let fixture: SaleFixture
let operatorActions: OperatorActions

beforeEach(async () => {
  fixture = await openSaleFixture()
  operatorActions = createOperatorActions(fixture)
})
afterEach(() => fixture.close())

const recorded = () => fixture.read(listAdminActions({ before: 1_000, limit: 10 }))
const products = () => fixture.rows('select * from products')
const product = () =>
  createProduct({
    shopId: 1,
    name: 'Earbuds',
    priceMinor: 1,
    currency: 'EUR',
    stock: 1,
    now: fixture.clock.now(),
  })
const created = (made: { readonly id: number } | undefined) =>
  done(json(201, { id: made?.id }, { location: `/v1/products/${made?.id ?? 0}` }))

describe('an action of an operator', () => {
  it('is written down with what it was, what became of it and where it came from', async () => {
    await operatorActions.perform(action, product, created)
    const refusing = () => refused('not_found', 'no such shop')
    const answer = await operatorActions.perform(
      { ...action, params: { id: 7 } },
      product,
      refusing,
    )
    expect(answer.reply).toMatchObject({ status: 404, body: { detail: 'no such shop' } })
    expect(await recorded()).toMatchObject([
      { id: 2, details: '{"params":{"id":7},"body":{"name":"Earbuds"}}', outcome: 'not_found' },
      { id: 1, ...origin, outcome: 'done', createdAt: fixture.clock.now() },
    ])
  })

  it('that fails is not there, and neither is its record', async () => {
    const failing = function* () {
      yield* product()
      throw new Error('half way')
    }
    await expect(operatorActions.perform(action, failing, created)).rejects.toThrow('half way')
    expect(await recorded()).toEqual([])
    expect(await products()).toEqual([])
  })

  it('is not done when it cannot be written down', async () => {
    const unwritable = { ...action, origin: { ...origin, requestId: '' } }
    await expect(operatorActions.perform(unwritable, product, created)).rejects.toThrow('CHECK')
    expect(await products()).toEqual([])
  })

  it('is never changed and never deleted afterwards', async () => {
    await operatorActions.perform(action, product, created)
    const raw = fixture.openRaw()
    expect(() => raw.exec(`update admin_actions set outcome = 'x'`)).toThrow('append-only')
    expect(() => raw.exec('delete from admin_actions')).toThrow('append-only')
    expect(await recorded()).toHaveLength(1)
  })
})

describe('an action with an Idempotency-Key', () => {
  const keyed: Action = { ...action, idempotencyKey: 'k1' }
  const headers = { location: '/v1/products/1' }

  it('is done once, and repeated requests get its answer', async () => {
    const first = await operatorActions.perform(keyed, product, created)
    expect(first.reply).toEqual({ status: 201, headers, body: { id: 1 } })
    const second = await operatorActions.perform(keyed, product, created)
    expect(second.reply).toEqual({
      ...first.reply,
      headers: { ...headers, 'idempotency-replayed': 'true' },
    })
    expect(await products()).toHaveLength(1)
    expect(await recorded()).toHaveLength(1)
  })

  it('is done once when many ask at the same time, from two processes', async () => {
    const { clock } = fixture
    const other = createOperatorActions({ database: fixture.openAgain(), clock })
    const asked = Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? operatorActions : other).perform(keyed, product, created),
    )
    const answers = await Promise.all(asked)
    expect(answers.filter(({ isReplayed }) => !isReplayed)).toHaveLength(1)
    for (const { reply } of answers) expect(reply).toMatchObject({ status: 201, body: { id: 1 } })
    expect(await products()).toHaveLength(1)
  })

  it('is the same request whatever the order of the members of its body', async () => {
    const body = { name: 'Earbuds', more: { a: 1, b: [1, 2] } }
    const turned = { more: { b: [1, 2], a: 1 }, name: 'Earbuds' }
    await operatorActions.perform({ ...keyed, body }, product, created)
    const second = await operatorActions.perform({ ...keyed, body: turned }, product, created)
    expect(second.isReplayed).toBe(true)
  })

  it.each<[string, Partial<Action>]>([
    ['another body', { body: { name: 'Phone' } }],
    ['a body with an array in another order', { body: { name: ['b', 'a'] } }],
    ['other path parameters', { params: { id: 7 } }],
  ])('refuses the key to %s, and writes that down', async (_title, changes) => {
    await operatorActions.perform({ ...keyed, body: { name: ['a', 'b'] } }, product, created)
    const other = { ...keyed, body: { name: ['a', 'b'] }, ...changes }
    const { reply } = await operatorActions.perform(other, product, created)
    expect(reply).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })
    expect(await products()).toHaveLength(1)
    expect((await recorded())[0]).toMatchObject({ id: 2, outcome: 'idempotency_key_reused' })
  })

  it('is another request on another route', async () => {
    await operatorActions.perform(keyed, product, created)
    const elsewhere = { ...keyed, origin: { ...origin, route: 'POST /v1/admin/x' } }
    await operatorActions.perform(elsewhere, product, created)
    expect(await products()).toHaveLength(2)
  })

  it('that was refused may be tried again, also with a corrected body', async () => {
    const refusing = () => refused('not_found')
    const nothing = () => listAdminActions({ before: 0, limit: 1 })
    await operatorActions.perform(keyed, nothing, refusing)
    const again = await operatorActions.perform(keyed, nothing, refusing)
    expect([again.outcome, again.isReplayed]).toEqual(['not_found', false])
    const corrected = await operatorActions.perform({ ...keyed, body: {} }, product, created)
    expect([corrected.outcome, corrected.isReplayed]).toEqual(['done', false])
    expect((await recorded()).map(({ outcome }) => outcome)).toEqual([
      'done',
      'not_found',
      'not_found',
    ])
  })

  it('that failed has left its key free', async () => {
    const failing = function* () {
      yield* product()
      throw new Error('half way')
    }
    await expect(operatorActions.perform(keyed, failing, created)).rejects.toThrow('half way')
    expect((await operatorActions.perform(keyed, product, created)).isReplayed).toBe(false)
  })
})

const seed = 20_261_212

describe(`stock adjusted with keys (seed ${seed})`, () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c', undefined),
    by: fc.constantFrom(-3, -1, 2),
  })

  /** A model of a shop that handles these requests without a database. */
  function createModel(stock: number) {
    const answers = new Map<string, { readonly by: number; readonly stock: number }>()
    let available = stock
    return ({ key, by }: { readonly key: string | undefined; readonly by: number }) => {
      const known = key === undefined ? undefined : answers.get(key)
      if (known !== undefined) return known.by === by ? `200 ${known.stock} again` : '422'
      if (available + by < 0) return '409'
      available += by
      if (key !== undefined) answers.set(key, { by, stock: available })
      return `200 ${available}`
    }
  }

  async function ask(productId: number, { key, by }: { key: string | undefined; by: number }) {
    const adjustment = { productId, adjustBy: by, reason: 'x', allotmentMax: 100, now: 0 }
    const { reply, isReplayed } = await operatorActions.perform(
      { ...action, params: { id: productId }, body: { adjustBy: by }, idempotencyKey: key },
      () => adjustStock(adjustment),
      (result) =>
        result.kind === 'adjusted'
          ? done(json(200, result.stock))
          : refused(result.kind === 'not_found' ? 'not_found' : 'stock_out_of_bounds'),
    )
    if (reply.status !== 200) return String(reply.status)
    const { available } = reply.body as { readonly available: number }
    return `200 ${available}${isReplayed ? ' again' : ''}`
  }

  it('is what a model of it says, whatever the order of requests', async () => {
    for (const steps of fc.sample(fc.array(step, { minLength: 4, maxLength: 12 }), {
      seed,
      numRuns: 60,
    })) {
      const { productId } = await fixture.sale({ stock: 2 })
      const model = createModel(2)
      await fixture.run(forgetAll())
      const answers: string[] = []
      for (const each of steps) answers.push(await ask(productId, each))
      expect(answers).toEqual(steps.map(model))
    }
  })

  function* forgetAll() {
    yield { text: 'delete from operator_requests', values: [] }
  }
})
