import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listAdminActions } from '../../db/admin-actions.ts'
import { createProduct } from '../../db/catalogue.ts'
import { openSaleFixture, type SaleFixture } from '../../../test/support/sale-fixture.ts'
import { createOperatorActions, done, type OperatorActions } from './operator-actions.ts'

const origin = { route: 'POST /v1/admin/products', requestId: 'r1', address: '127.0.0.1' }
const action = { origin, params: {}, body: { name: 'Earbuds' } }

describe('an action of an operator', () => {
  let fixture: SaleFixture
  let operatorActions: OperatorActions

  beforeEach(async () => {
    fixture = await openSaleFixture()
    operatorActions = createOperatorActions(fixture)
  })
  afterEach(() => fixture.close())

  const recorded = () => fixture.read(listAdminActions({ before: 1_000, limit: 10 }))
  const product = () =>
    createProduct({
      shopId: 1,
      name: 'Earbuds',
      priceMinor: 1,
      currency: 'EUR',
      stock: 1,
      now: fixture.clock.now(),
    })

  it('is written down with what it was, what became of it and where it came from', async () => {
    await operatorActions.perform(action, product, done)
    await operatorActions.perform({ ...action, params: { id: 7 } }, product, () => 'not_found')
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
    await expect(operatorActions.perform(action, failing, done)).rejects.toThrow('half way')
    expect(await recorded()).toEqual([])
    expect(await fixture.rows('select * from products')).toEqual([])
  })

  it('is not done when it cannot be written down', async () => {
    const unwritable = { ...action, origin: { ...origin, requestId: '' } }
    await expect(operatorActions.perform(unwritable, product, done)).rejects.toThrow('CHECK')
    expect(await fixture.rows('select * from products')).toEqual([])
  })

  it('is never changed and never deleted afterwards', async () => {
    await operatorActions.perform(action, product, done)
    const raw = fixture.openRaw()
    expect(() => raw.exec(`update admin_actions set outcome = 'x'`)).toThrow('append-only')
    expect(() => raw.exec('delete from admin_actions')).toThrow('append-only')
    expect(await recorded()).toHaveLength(1)
  })
})
